//! Lab 2D: the log ends somewhere. Behind every tenth entry the service makes an image of itself,
//! and what it covers is no longer in the log.

use crate::failure::Failure;
use crate::harness::Network;
use crate::lab::Lab;

/// How many entries there are between two images.
pub const INTERVAL: u64 = 10;

/// How many bytes the persistent state of a server has at most, now and then.
const MOST_BYTES: usize = 2_000;

/// What happens to one server while the others go on.
enum Victim {
    /// Nothing: all servers have all entries in time.
    Unharmed,
    CutOff,
    Crashed,
}

/// All servers hold what is agreed, so that nobody needs another's image.
pub fn basic(lab: &mut Lab<'_>) -> Result<(), Failure> {
    rounds(lab, Victim::Unharmed)
}

/// A server that was cut off is brought up by an image.
pub fn install(lab: &mut Lab<'_>) -> Result<(), Failure> {
    rounds(lab, Victim::CutOff)
}

/// The same on a network that loses messages.
pub fn install_unreliable(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.set_network(Network::Unreliable);
    rounds(lab, Victim::CutOff)
}

/// A server that was down is brought up by an image.
pub fn install_crash(lab: &mut Lab<'_>) -> Result<(), Failure> {
    rounds(lab, Victim::Crashed)
}

/// The same on a network that loses messages.
pub fn install_unreliable_crash(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.set_network(Network::Unreliable);
    rounds(lab, Victim::Crashed)
}

fn rounds(lab: &mut Lab<'_>, harm: Victim) -> Result<(), Failure> {
    let all = lab.servers();
    one(lab, all)?;
    let mut leader = lab.check_one_leader()?;
    for round in 0..30 {
        let next = lab.next(leader, 1);
        let (victim, sender) = if round % 3 == 1 { (leader, next) } else { (next, leader) };
        let expected = match harm {
            Victim::Unharmed => all,
            Victim::CutOff => {
                lab.disconnect([victim]);
                one(lab, all - 1)?;
                all - 1
            }
            Victim::Crashed => {
                lab.crash(victim);
                one(lab, all - 1)?;
                all - 1
            }
        };
        for _ in 0..lab.random(INTERVAL / 2..=INTERVAL / 2 + INTERVAL - 1) {
            let command = lab.random_command();
            lab.start(sender, command)?;
        }
        one(lab, expected)?;
        lab.check_persisted_bytes(MOST_BYTES)?;
        match harm {
            Victim::Unharmed => continue,
            Victim::CutOff => {}
            Victim::Crashed => lab.restart(victim)?,
        }
        lab.connect([victim]);
        one(lab, all)?;
        leader = lab.check_one_leader()?;
    }
    Ok(())
}

/// All servers crash at once and go on from their images, five times.
pub fn all_crash(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.set_network(Network::Unreliable);
    let all = lab.servers();
    one(lab, all)?;
    for _ in 0..5 {
        for _ in 0..lab.random(INTERVAL / 2..=INTERVAL / 2 + INTERVAL - 1) {
            one(lab, all)?;
        }
        let before = one(lab, all)?;
        crash_all(lab)?;
        let command = lab.random_command();
        let after = lab.one(command.clone(), all, true)?;
        lab.check_index(command, after, before + 1..=u64::MAX)?;
    }
    Ok(())
}

/// An image is still there after a second start, too.
pub fn init(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.set_network(Network::Unreliable);
    let all = lab.servers();
    for _ in 0..=INTERVAL {
        one(lab, all)?;
    }
    crash_all(lab)?;
    // One entry alone, so that the next image is not due.
    one(lab, all)?;
    crash_all(lab)?;
    one(lab, all)?;
    Ok(())
}

fn one(lab: &mut Lab<'_>, expected: usize) -> Result<u64, Failure> {
    let command = lab.random_command();
    lab.one(command, expected, true)
}

fn crash_all(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    (0..all).for_each(|server| lab.crash(server));
    for server in 0..all {
        lab.restart(server)?;
        lab.connect([server]);
    }
    Ok(())
}
