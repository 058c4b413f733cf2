//! Not in the public labs: faults aimed at the moments that the labs seldom meet.

use std::time::Duration;

use crate::failure::Failure;
use crate::harness::Network;
use crate::lab::Lab;

/// How often the script looks at the servers.
const TICK: Duration = Duration::from_millis(5);
/// For how many ticks the storm lasts: 20 seconds.
const TICKS: u64 = 4000;

/// Servers crash right after they heard of a new term, where a vote that was not stored is
/// forgotten; leaders are cut off and come back; the network turns bad, and worse, and good
/// again. When all is over, the cluster agrees.
pub fn storm(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    let mut terms = vec![0; all];
    for _ in 0..TICKS {
        lab.sleep(TICK)?;
        for (server, known) in terms.iter_mut().enumerate() {
            match lab.status(server) {
                Some(status) if status.term > *known => {
                    *known = status.term;
                    if one_in(lab, 4) {
                        lab.crash(server);
                    }
                }
                Some(_) => {}
                None if one_in(lab, 4) => {
                    lab.restart(server)?;
                    lab.connect([server]);
                }
                None => {}
            }
        }
        if one_in(lab, 20) {
            let server = lab.random(0..=all as u64 - 1) as usize;
            let leader = (0..all).find(|&s| lab.status(s).is_some_and(|status| status.leads));
            match lab.random(0..=4) {
                0 if lab.runs(server) => lab.crash(server),
                1 => lab.disconnect(leader),
                2 => lab.connect(0..all),
                3 => {
                    let networks = [Network::Reliable, Network::Unreliable, Network::Straggling];
                    let chosen = lab.random(0..=networks.len() as u64 - 1) as usize;
                    lab.set_network(networks[chosen]);
                }
                _ => lab.disconnect([server]),
            }
        }
        if one_in(lab, 10) {
            for server in (0..all).filter(|&server| lab.runs(server)).collect::<Vec<_>>() {
                let command = lab.random_command();
                lab.start(server, command)?;
            }
        }
    }
    lab.set_network(Network::Reliable);
    for server in 0..all {
        if !lab.runs(server) {
            lab.restart(server)?;
        }
    }
    lab.connect(0..all);
    let last = lab.random_command();
    lab.one(last, all, true)?;
    Ok(())
}

fn one_in(lab: &mut Lab<'_>, chances: u64) -> bool {
    lab.random(1..=chances) == 1
}
