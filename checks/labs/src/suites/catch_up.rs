//! Not in the public labs: what it takes to bring logs together that are far apart.

use crate::failure::{Failure, Unmet};
use crate::lab::Lab;

/// How many entries the old leader's log is astray, and how many it misses.
const ASTRAY: usize = 300;

/// How many requests may be needed, the heartbeats to all servers included.
const FEW: u64 = 40;

/// An old leader with hundreds of entries that nobody else has comes back to a cluster that
/// has agreed on hundreds of others, and whose leader is new and knows nothing of it. It is
/// brought up to date in a few round trips, not in one for each entry.
pub fn catch_up(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    let first = lab.random_command();
    lab.one(first, all, true)?;
    let old = lab.check_one_leader()?;
    lab.disconnect([old]);
    offer_many(lab, old)?;

    let second = lab.check_one_leader()?;
    offer_many(lab, second)?;
    let command = lab.random_command();
    lab.one(command, all - 1, true)?;
    lab.disconnect([second]);
    lab.check_one_leader()?;
    let command = lab.random_command();
    let last = lab.one(command, all - 2, true)?;

    let before = lab.requests();
    lab.connect([old]);
    lab.wait_applied(last, all - 1, None)?;
    let (count, expected) = (lab.requests() - before, 0..=FEW);
    if !expected.contains(&count) {
        return Err(Unmet::RpcCount { what: "to bring logs together", count, expected }.into());
    }
    lab.connect([second]);
    let command = lab.random_command();
    lab.one(command, all, true)?;
    Ok(())
}

fn offer_many(lab: &mut Lab<'_>, leader: usize) -> Result<(), Failure> {
    let commands: Vec<_> = (0..ASTRAY).map(|_| lab.random_command()).collect();
    lab.start_all(leader, &commands)?;
    Ok(())
}
