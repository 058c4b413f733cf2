//! Lab 2A: leaders come, stay, and are replaced.

use crate::failure::{Failure, Unmet};
use crate::harness::ServerStatus;
use crate::lab::{ELECTION_TIMEOUT, Lab};

/// A cluster elects a leader and keeps it while nothing fails.
pub fn initial_election(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.check_one_leader()?;
    let from = lab.agreed_term()?;
    lab.sleep(2 * ELECTION_TIMEOUT)?;
    let to = lab.check_terms()?;
    if to != from {
        return Err(Unmet::TermRose { from, to }.into());
    }
    lab.check_one_leader()?;
    Ok(())
}

/// A leader that is cut off is replaced, an old one does not disturb the new one, and there is
/// none without a majority.
pub fn re_election(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let old = lab.check_one_leader()?;
    lab.disconnect([old]);
    lab.check_one_leader()?;
    lab.connect([old]);
    let leader = lab.check_one_leader()?;
    if let (true, Some(ServerStatus { term, leads: true })) = (old != leader, lab.status(old)) {
        return Err(Unmet::OldLeaderLeads { server: old, term }.into());
    }

    let other = lab.next(leader, 1);
    lab.disconnect([leader, other]);
    lab.sleep(2 * ELECTION_TIMEOUT)?;
    lab.check_no_leader()?;
    lab.connect([other]);
    lab.check_one_leader()?;
    lab.connect([leader]);
    lab.check_one_leader()?;
    Ok(())
}

/// Leaders are found again and again, whichever three of seven servers are away.
pub fn many_elections(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.check_one_leader()?;
    for _ in 0..10 {
        let mut away: Vec<usize> = Vec::new();
        while away.len() < 3 {
            let server = lab.random(0..=lab.servers() as u64 - 1) as usize;
            if !away.contains(&server) {
                away.push(server);
            }
        }
        lab.disconnect(away.iter().copied());
        lab.check_one_leader()?;
        lab.connect(away);
    }
    lab.check_one_leader()?;
    Ok(())
}
