//! Not in the public labs: elections whose votes arrive when another is under way.

use std::time::Duration;

use crate::failure::Failure;
use crate::harness::Network;
use crate::lab::Lab;

/// On a network on which messages straggle, whoever leads restarts at once, so that all stand
/// in the next election, and votes of the last one are still under way.
pub fn late_votes(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    lab.set_network(Network::Straggling);
    for _ in 0..200 {
        lab.sleep(Duration::from_millis(100))?;
        for server in 0..all {
            if lab.status(server).is_some_and(|status| status.leads) {
                lab.restart(server)?;
            }
        }
    }
    lab.set_network(Network::Reliable);
    let last = lab.random_command();
    lab.one(last, all, true)?;
    Ok(())
}
