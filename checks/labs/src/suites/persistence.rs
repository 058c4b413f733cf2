//! Lab 2C: what a server has promised outlives its crashes.

use std::time::Duration;

use crate::agreement::Agreements;
use crate::failure::Failure;
use crate::harness::Network;
use crate::lab::{ELECTION_TIMEOUT, Lab, command};

/// Servers restart one by one and all together; what was agreed stays.
pub fn persist_1(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    lab.one(command(11), all, true)?;
    for server in 0..all {
        lab.crash(server);
    }
    for server in 0..all {
        lab.restart(server)?;
    }
    lab.connect(0..all);
    lab.one(command(12), all, true)?;

    let leader = lab.check_one_leader()?;
    lab.crash(leader);
    lab.restart(leader)?;
    lab.connect([leader]);
    lab.one(command(13), all, true)?;

    let leader = lab.check_one_leader()?;
    lab.disconnect([leader]);
    let fourteenth = lab.one(command(14), all - 1, true)?;
    lab.restart(leader)?;
    lab.connect([leader]);
    // The next cut needs the other two to make a majority that holds everything.
    lab.wait_applied(fourteenth, all, None)?;

    let leader = lab.check_one_leader()?;
    let other = lab.next(leader, 1);
    lab.disconnect([other]);
    lab.one(command(15), all - 1, true)?;
    lab.restart(other)?;
    lab.connect([other]);
    lab.one(command(16), all, true)?;
    Ok(())
}

/// Majorities that overlap in one restarted server keep what was agreed.
pub fn persist_2(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    let mut number = 10;
    let mut next = || {
        number += 1;
        command(number)
    };
    for _ in 0..5 {
        lab.one(next(), all, true)?;
        let leader = lab.check_one_leader()?;
        let [one, two, three, four] = [1, 2, 3, 4].map(|steps| lab.next(leader, steps));
        lab.disconnect([one, two]);
        lab.one(next(), all - 2, true)?;
        lab.disconnect([leader, three, four]);

        for server in [one, two] {
            lab.restart(server)?;
            lab.connect([server]);
        }
        lab.sleep(ELECTION_TIMEOUT)?;
        lab.restart(three)?;
        lab.connect([three]);
        lab.one(next(), all - 2, true)?;
        lab.connect([four, leader]);
    }
    lab.one(command(1000), all, true)?;
    Ok(())
}

/// A leader and a follower crash; the leader comes back beside a follower that was away.
pub fn persist_3(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.one(command(101), 3, true)?;
    let leader = lab.check_one_leader()?;
    let [crashed, away] = [1, 2].map(|steps| lab.next(leader, steps));
    lab.disconnect([away]);
    lab.one(command(102), 2, true)?;
    lab.crash(leader);
    lab.crash(crashed);
    lab.connect([away]);
    lab.restart(leader)?;
    lab.connect([leader]);
    lab.one(command(103), 2, true)?;
    lab.restart(crashed)?;
    lab.connect([crashed]);
    lab.one(command(104), 3, true)?;
    Ok(())
}

/// Leaders crash soon after they accepted a command, a thousand times, so that entries of old
/// terms are common: the schedule of Figure 8 of the paper, many times over.
pub fn figure_8(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    let first = lab.random_command();
    lab.one(first, 1, true)?;

    let mut live = all;
    for _ in 0..1000 {
        let mut leader = None;
        for server in 0..all {
            if lab.runs(server) {
                let command = lab.random_command();
                leader = lab.start(server, command)?.map(|_| server).or(leader);
            }
        }
        let longest = if lab.random(0..=9) == 0 { 500 } else { 13 };
        let pause = lab.random(0..=longest);
        lab.sleep(Duration::from_millis(pause))?;
        if let Some(leader) = leader {
            lab.crash(leader);
            live -= 1;
        }
        while live < 3 {
            let server = lab.random(0..=all as u64 - 1) as usize;
            if !lab.runs(server) {
                lab.restart(server)?;
                lab.connect([server]);
                live += 1;
            }
        }
    }
    for server in 0..all {
        if !lab.runs(server) {
            lab.restart(server)?;
            lab.connect([server]);
        }
    }
    let last = lab.random_command();
    lab.one(last, all, true)?;
    Ok(())
}

/// Every command is applied though the network loses and delays messages.
pub fn unreliable_agree(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.set_network(Network::Unreliable);
    let mut clients = Agreements::default();
    for round in 1..50 {
        for client in 0..4 {
            clients.begin(lab, command(100 * round + client), 1, true);
        }
        clients.one(lab, command(round), 1, true)?;
    }
    lab.set_network(Network::Reliable);
    clients.finish(lab)?;
    lab.one(command(100), lab.servers(), true)?;
    Ok(())
}
