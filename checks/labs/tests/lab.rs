//! The vocabulary of the scripts, on a cluster that does what the test says.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use veraft::figure2::{Command, Index};
use veraft_labs::agreement::Agreements;
use veraft_labs::failure::{Failure, Unmet, Violation};
use veraft_labs::harness::{Harness, Network, ServerStatus, Started};
use veraft_labs::lab::{Lab, command};

const MS: Duration = Duration::from_millis(1);

/// Servers that say and do what they are told to.
struct Puppets {
    now: Duration,
    statuses: Vec<Option<ServerStatus>>,
    /// Each accepted offer, with its time and server.
    accepted: Vec<(Duration, usize, Command)>,
    /// Each refused offer.
    refused: Vec<(Duration, usize)>,
    /// How long after it was accepted a command is applied on all servers; never if none.
    applies_after: Option<Duration>,
    /// How many offers lead nowhere although they are accepted.
    lost: usize,
}

impl Puppets {
    fn new(statuses: &[Option<(u64, bool)>]) -> Puppets {
        let status = |&status: &Option<(u64, bool)>| {
            status.map(|(term, leads)| ServerStatus { term, leads })
        };
        Puppets {
            now: Duration::ZERO,
            statuses: statuses.iter().map(status).collect(),
            accepted: Vec::new(),
            refused: Vec::new(),
            applies_after: Some(Duration::ZERO),
            lost: 0,
        }
    }
}

impl Harness for Puppets {
    fn servers(&self) -> usize {
        self.statuses.len()
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn sleep(&mut self, time: Duration) -> Result<(), Violation> {
        self.now += time;
        Ok(())
    }

    fn random(&mut self, range: RangeInclusive<u64>) -> u64 {
        *range.end()
    }

    fn start(
        &mut self,
        server: usize,
        commands: &[Command],
    ) -> Result<Vec<Option<Started>>, Violation> {
        let [command] = commands else { panic!("one at a time") };
        let Some(ServerStatus { term, leads: true }) = self.statuses[server] else {
            self.refused.push((self.now, server));
            return Ok(vec![None]);
        };
        self.accepted.push((self.now, server, command.clone()));
        Ok(vec![Some(Started { term, index: self.accepted.len() as Index })])
    }

    fn status(&self, server: usize) -> Option<ServerStatus> {
        self.statuses[server]
    }

    fn set_connected(&mut self, _server: usize, _connected: bool) {}

    fn crash(&mut self, server: usize) {
        self.statuses[server] = None;
    }

    fn restart(&mut self, server: usize) -> Result<(), Violation> {
        self.statuses[server] = Some(ServerStatus { term: 0, leads: false });
        Ok(())
    }

    fn set_network(&mut self, _network: Network) {}

    fn requests(&self, _server: usize) -> u64 {
        0
    }

    fn applied(&self, _server: usize, index: Index) -> Option<Command> {
        let position = (index as usize).checked_sub(1).filter(|&position| position >= self.lost)?;
        let (at, _, command) = self.accepted.get(position)?;
        (*at + self.applies_after? <= self.now).then(|| command.clone())
    }

    fn persisted_bytes(&self, _server: usize) -> usize {
        0
    }

    fn violation(&self) -> Option<Violation> {
        None
    }
}

#[test]
fn the_leader_of_the_highest_term_among_the_connected_is_the_leader() {
    let mut puppets = Puppets::new(&[Some((1, true)), Some((3, true)), Some((9, true)), None]);
    let mut lab = Lab::new(&mut puppets);
    lab.disconnect([2]);
    assert_eq!(lab.check_one_leader(), Ok(1));
    assert_eq!(lab.now(), 550 * MS, "at the first look");
}

#[test]
fn two_leaders_in_one_term_fail_at_once() {
    let mut puppets = Puppets::new(&[Some((3, true)), Some((4, true)), Some((3, true))]);
    let two = Violation::TwoLeaders { term: 3, first: 0, second: 2 };
    let mut lab = Lab::new(&mut puppets);
    assert_eq!(lab.check_one_leader(), Err(two.into()));
    assert_eq!(lab.now(), 550 * MS);
}

#[test]
fn no_leader_fails_after_ten_looks() {
    let mut puppets = Puppets::new(&[Some((3, false)), Some((4, false)), Some((5, true))]);
    let mut lab = Lab::new(&mut puppets);
    lab.disconnect([2]);
    assert_eq!(lab.check_no_leader(), Ok(()));
    assert_eq!(lab.check_one_leader(), Err(Unmet::NoLeader { polls: 10 }.into()));
    assert_eq!(lab.now(), 5500 * MS);
    lab.connect([2]);
    let claims = Unmet::LeaderWithoutMajority { server: 2, term: 5 };
    assert_eq!(lab.check_no_leader(), Err(claims.into()));
}

#[test]
fn terms_agree_if_those_of_all_connected_servers_do() {
    let terms = |statuses: &[Option<(u64, bool)>]| {
        let mut puppets = Puppets::new(statuses);
        let mut lab = Lab::new(&mut puppets);
        lab.disconnect([0]);
        lab.check_terms()
    };
    assert_eq!(terms(&[Some((2, true)), Some((3, false)), Some((3, true))]), Ok(3));
    let differ = |terms| Err(Failure::from(Unmet::TermsDiffer { terms }));
    let two = &[Some((3, true)), Some((3, false)), Some((4, true))];
    assert_eq!(terms(two), differ(vec![(1, 3), (2, 4)]));
    assert_eq!(terms(&[Some((3, true)), Some((0, false))]), differ(vec![(1, 0)]));
}

#[test]
fn a_command_is_offered_to_each_connected_server_in_turn() {
    let mut puppets = Puppets::new(&[Some((3, true)), Some((3, false)), Some((2, false)), None]);
    puppets.applies_after = Some(95 * MS);
    let mut lab = Lab::new(&mut puppets);
    lab.disconnect([2]);
    assert_eq!(lab.one(command(7), 4, false), Ok(1));
    assert_eq!(lab.now(), 100 * MS, "a look every 20 ms");
    assert_eq!(puppets.refused, [(Duration::ZERO, 1)]);
    assert_eq!(puppets.accepted, [(Duration::ZERO, 0, command(7))]);
}

#[test]
fn a_command_has_two_seconds_without_retry_and_is_offered_again_with_it() {
    let fresh = || Puppets { lost: 2, ..Puppets::new(&[Some((3, true)), Some((3, false))]) };
    let failed = |after| Unmet::NotApplied { command: command(7), expected: 2, after };

    let mut puppets = fresh();
    let mut lab = Lab::new(&mut puppets);
    assert_eq!(lab.one(command(7), 2, false), Err(failed(2000 * MS).into()));
    assert_eq!(lab.now(), 2000 * MS);

    let mut puppets = fresh();
    assert_eq!(Lab::new(&mut puppets).one(command(7), 2, true), Ok(3));
    let times: Vec<Duration> = puppets.accepted.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times, [Duration::ZERO, 2000 * MS, 4000 * MS]);

    let mut puppets = Puppets { lost: usize::MAX, ..fresh() };
    let mut lab = Lab::new(&mut puppets);
    assert_eq!(lab.one(command(7), 2, true), Err(failed(10_000 * MS).into()));
    assert_eq!(lab.now(), 10_000 * MS);
    assert_eq!(puppets.accepted.len(), 5);
}

#[test]
fn without_a_leader_a_command_is_offered_every_50_ms_for_10_seconds() {
    let mut puppets = Puppets::new(&[Some((3, false)), Some((3, false))]);
    let failed = Unmet::NotApplied { command: command(7), expected: 2, after: 10_000 * MS };
    assert_eq!(Lab::new(&mut puppets).one(command(7), 2, false), Err(failed.into()));
    assert_eq!(puppets.refused.len(), 2 * 200);
    assert_eq!(puppets.refused[2].0, 50 * MS);
}

#[test]
fn too_few_servers_or_another_command_are_not_agreement() {
    let mut puppets = Puppets::new(&[Some((3, true)), Some((3, false)), None]);
    assert!(Lab::new(&mut puppets).one(command(7), 4, false).is_err());

    let mut puppets = Puppets::new(&[Some((3, true)), Some((3, false))]);
    assert_eq!(Lab::new(&mut puppets).one(command(8), 2, false), Ok(1));
    puppets.accepted[0].2 = command(9);
    let mut lab = Lab::new(&mut puppets);
    assert_eq!(lab.applied(1), (2, Some(command(9))));
    let early = Unmet::AppliedEarly { index: 1, servers: 2 };
    assert_eq!(lab.check_not_applied(1), Err(early.into()));
    assert_eq!(lab.check_not_applied(2), Ok(()));
    assert_eq!(lab.wait_applied(1, 2, Some(2)), Ok(Some(command(9))));
    assert_eq!(lab.wait_applied(2, 2, Some(2)), Ok(None), "a server is in term 3");
    assert!(lab.wait_applied(2, 2, Some(3)).is_err());
}

#[test]
fn commands_under_way_do_not_wait_for_each_other() {
    let mut puppets = Puppets::new(&[Some((3, true))]);
    puppets.applies_after = Some(50 * MS);
    let mut lab = Lab::new(&mut puppets);
    let mut clients = Agreements::default();
    let numbers: BTreeMap<u64, _> = (1..=4).map(|number| (number, command(number))).collect();
    for command in numbers.values() {
        clients.begin(&lab, command.clone(), 1, true);
    }
    assert_eq!(clients.one(&mut lab, command(5), 1, true), Ok(5));
    assert_eq!(lab.now(), 60 * MS);
    assert_eq!(clients.finish(&mut lab), Ok(()));
    assert_eq!(lab.now(), 60 * MS);
    assert_eq!(puppets.accepted.len(), 5);
}
