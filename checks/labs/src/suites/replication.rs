//! Lab 2B: commands are agreed on while a majority can talk, and with few messages.

use std::time::Duration;

use veraft::figure2::Command;

use crate::failure::{Failure, Unmet};
use crate::harness::Started;
use crate::lab::{ELECTION_TIMEOUT, Lab, command};

/// How often a script starts over when the term moves under it.
const ATTEMPTS: u32 = 5;
/// The pause before it does.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(3);

/// Offers a command to the leader that was just found.
fn start(lab: &mut Lab<'_>, leader: usize, number: u64) -> Result<Started, Failure> {
    let command = command(number);
    let started = lab.start(leader, command.clone())?;
    started.ok_or_else(|| Unmet::LeaderRefused { server: leader, command }.into())
}

/// Commands are applied on all servers, at indices 1, 2 and 3.
pub fn basic_agree(lab: &mut Lab<'_>) -> Result<(), Failure> {
    for expected in 1..=3 {
        lab.check_not_applied(expected)?;
        let command = command(expected * 100);
        let index = lab.one(command.clone(), lab.servers(), false)?;
        lab.check_index(command, index, expected..=expected)?;
    }
    Ok(())
}

/// Agreement goes on while a follower is away, and includes it when it is back.
pub fn fail_agree(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let all = lab.servers();
    lab.one(command(101), all, false)?;
    let leader = lab.check_one_leader()?;
    let follower = lab.next(leader, 1);
    lab.disconnect([follower]);
    lab.one(command(102), all - 1, false)?;
    lab.one(command(103), all - 1, false)?;
    lab.sleep(ELECTION_TIMEOUT)?;
    lab.one(command(104), all - 1, false)?;
    lab.one(command(105), all - 1, false)?;
    lab.connect([follower]);
    lab.one(command(106), all, true)?;
    lab.sleep(ELECTION_TIMEOUT)?;
    lab.one(command(107), all, true)?;
    Ok(())
}

/// Without a majority nothing is applied; with it again, agreement goes on.
pub fn fail_no_agree(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.one(command(10), lab.servers(), false)?;
    let leader = lab.check_one_leader()?;
    let away = [1, 2, 3].map(|steps| lab.next(leader, steps));
    lab.disconnect(away);
    let lonely = start(lab, leader, 20)?;
    lab.check_index(command(20), lonely.index, 2..=2)?;
    lab.sleep(2 * ELECTION_TIMEOUT)?;
    lab.check_not_applied(lonely.index)?;

    lab.connect(away);
    let leader = lab.check_one_leader()?;
    let healed = start(lab, leader, 30)?;
    lab.check_index(command(30), healed.index, 2..=3)?;
    lab.one(command(1000), lab.servers(), true)?;
    Ok(())
}

/// Commands that are offered at once are all applied.
pub fn concurrent_starts(lab: &mut Lab<'_>) -> Result<(), Failure> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            lab.sleep(BETWEEN_ATTEMPTS)?;
        }
        if five_at_once(lab)? {
            return Ok(());
        }
    }
    Err(Unmet::TermMoved { attempts: ATTEMPTS }.into())
}

/// Whether the term stood still, so that the outcome counts.
fn five_at_once(lab: &mut Lab<'_>) -> Result<bool, Failure> {
    let leader = lab.check_one_leader()?;
    let Some(first) = lab.start(leader, command(1))? else { return Ok(false) };
    let commands: Vec<Command> = (100..105).map(command).collect();
    let started = lab.start_all(leader, &commands)?;
    if !lab.all_in(first.term) {
        return Ok(false);
    }
    let mut applied = Vec::new();
    for Started { term, index } in started.into_iter().flatten() {
        if term == first.term {
            match lab.wait_applied(index, lab.servers(), Some(term))? {
                Some(command) => applied.push(command),
                None => return Ok(false),
            }
        }
    }
    match commands.into_iter().find(|command| !applied.contains(command)) {
        None => Ok(true),
        Some(command) => {
            let (expected, after) = (lab.servers(), Duration::ZERO);
            Err(Unmet::NotApplied { command, expected, after }.into())
        }
    }
}

/// A leader that comes back with entries nobody else has gives them up.
pub fn rejoin(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.one(command(101), lab.servers(), true)?;
    let first = lab.check_one_leader()?;
    lab.disconnect([first]);
    for number in [102, 103, 104] {
        start(lab, first, number)?;
    }
    lab.one(command(103), 2, true)?;
    let second = lab.check_one_leader()?;
    lab.disconnect([second]);
    lab.connect([first]);
    lab.one(command(104), 2, true)?;
    lab.connect([second]);
    lab.one(command(105), lab.servers(), true)?;
    Ok(())
}

/// Leaders bring followers up to date whose logs went far astray, quickly.
///
/// Three times over, a leader and one follower are cut off from the majority and fill their
/// logs with what will never be committed, while three servers with less agree on more.
pub fn backup(lab: &mut Lab<'_>) -> Result<(), Failure> {
    let first = lab.random_command();
    lab.one(first, lab.servers(), true)?;

    let leader = lab.check_one_leader()?;
    let stuck = vec![leader, lab.next(leader, 1)];
    let healthy: Vec<usize> = [2, 3, 4].map(|steps| lab.next(leader, steps)).into();
    lab.disconnect(healthy.iter().copied());
    let (mut outside, mut group) = cut_off(lab, leader, stuck, healthy)?;

    for _ in 0..2 {
        let leader = lab.check_one_leader()?;
        let spared = group.iter().copied().find(|&server| server != leader);
        // Of three servers at least two do not lead.
        let spared = spared.unwrap_or(leader);
        lab.disconnect([spared]);
        let stuck = group.into_iter().filter(|&server| server != spared).collect();
        outside.push(spared);
        (outside, group) = cut_off(lab, leader, stuck, outside)?;
    }

    lab.connect(0..lab.servers());
    let last = lab.random_command();
    lab.one(last, lab.servers(), true)?;
    Ok(())
}

/// Fills the logs of `stuck`, whose `leader` reaches no majority, then lets only the three
/// `healthy` servers talk, and has them agree on 50 commands. Gives both groups back.
fn cut_off(
    lab: &mut Lab<'_>,
    leader: usize,
    stuck: Vec<usize>,
    healthy: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), Failure> {
    for _ in 0..50 {
        let never_committed = lab.random_command();
        lab.start(leader, never_committed)?;
    }
    lab.sleep(ELECTION_TIMEOUT / 2)?;
    lab.disconnect(stuck.iter().copied());
    lab.connect(healthy.iter().copied());
    for _ in 0..50 {
        let command = lab.random_command();
        lab.one(command, healthy.len(), true)?;
    }
    Ok((stuck, healthy))
}

/// Elections, agreement and idleness each take few RPCs.
pub fn count(lab: &mut Lab<'_>) -> Result<(), Failure> {
    lab.check_one_leader()?;
    check_rpcs("to elect a leader", lab.requests(), 1..=30)?;

    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            lab.sleep(BETWEEN_ATTEMPTS)?;
        }
        if let Some(counted) = count_batch(lab)? {
            lab.sleep(ELECTION_TIMEOUT)?;
            return check_rpcs("in an idle second", lab.requests() - counted, 0..=3 * 20);
        }
    }
    Err(Unmet::TermMoved { attempts: ATTEMPTS }.into())
}

/// How many RPCs there were in all once a batch was applied; none if the term moved.
fn count_batch(lab: &mut Lab<'_>) -> Result<Option<u64>, Failure> {
    const WAITED_FOR: u64 = 10;

    let leader = lab.check_one_leader()?;
    let before = lab.requests();
    let Some(first) = lab.start(leader, command(1))? else { return Ok(None) };
    let mut commands = Vec::new();
    for place in 1..=WAITED_FOR + 1 {
        let command = lab.random_command();
        let Some(Started { term, index }) = lab.start(leader, command.clone())? else {
            return Ok(None);
        };
        if term != first.term {
            return Ok(None);
        }
        let expected = first.index + place;
        lab.check_index(command.clone(), index, expected..=expected)?;
        commands.push(command);
    }
    for (index, expected) in (first.index + 1..=first.index + WAITED_FOR).zip(commands) {
        match lab.wait_applied(index, lab.servers(), Some(first.term))? {
            Some(applied) if applied == expected => {}
            Some(applied) => return Err(Unmet::WrongCommand { index, applied, expected }.into()),
            None => return Ok(None),
        }
    }
    let after = lab.requests();
    if !lab.all_in(first.term) {
        return Ok(None);
    }
    check_rpcs("to agree on a batch", after - before, 0..=(WAITED_FOR + 1 + 3) * 3)?;
    Ok(Some(after))
}

fn check_rpcs(
    what: &'static str,
    count: u64,
    expected: std::ops::RangeInclusive<u64>,
) -> Result<(), Failure> {
    match expected.contains(&count) {
        true => Ok(()),
        false => Err(Unmet::RpcCount { what, count, expected }.into()),
    }
}
