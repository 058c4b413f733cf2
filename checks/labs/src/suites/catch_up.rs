//! Not in the public labs: what it takes to bring logs together that are far apart.

use std::time::Duration;

use crate::failure::{Failure, Unmet};
use crate::lab::Lab;

/// How many entries the old leader's log is astray, and how many it misses.
const ASTRAY: usize = 300;

/// An old leader with hundreds of entries that nobody else has comes back to a cluster that
/// has agreed on hundreds of others, and needs a few round trips to be brought up to date, not
/// one for each entry.
pub fn catch_up(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    let first = lab.random_command();
    lab.one(first, all, true)?;
    let old = lab.check_one_leader()?;
    lab.disconnect([old]);
    let commands = (0..ASTRAY).map(|_| lab.random_command()).collect::<Vec<_>>();
    lab.start_all(old, &commands)?;

    let leader = lab.check_one_leader()?;
    let commands = (0..ASTRAY).map(|_| lab.random_command()).collect::<Vec<_>>();
    lab.start_all(leader, &commands)?;
    let command = lab.random_command();
    let last = lab.one(command, all - 1, true)?;

    let before = lab.requests();
    lab.connect([old]);
    lab.wait_applied(last, all, None)?;
    let (count, expected) = (lab.requests() - before, 0..=40);
    if !expected.contains(&count) {
        return Err(Unmet::RpcCount { what: "to bring logs together", count, expected }.into());
    }
    lab.sleep(Duration::from_millis(500))?;
    let command = lab.random_command();
    lab.one(command, all, false)?;
    Ok(())
}
