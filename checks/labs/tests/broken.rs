//! The simulator tells broken servers from sound ones, and shows each failure again.

use std::num::NonZero;

use veraft::driver::Protocol;
use veraft::figure2::{
    Config, Entries, Index, Input, Message, Output, Persistent, Proposal, Record, Server, WaitsFor,
};
use veraft_labs::failure::{Failure, Violation};
use veraft_labs::simulate::{LabRun, Simulation, run, simulate_on};
use veraft_labs::simulator::ClusterOptions;
use veraft_labs::suites::{LabTest, TESTS};
use veraft_models::properties::UntrueAnswer;

/// A server with a fault in what it hands to its driver.
trait Fault {
    fn spoil(output: &mut Output);

    /// The same of what comes of this input.
    fn spoil_answer(_: &Input, output: &mut Output) {
        Self::spoil(output);
    }
}

struct Broken<F> {
    server: Server,
    fault: std::marker::PhantomData<F>,
}

impl<F: Fault> Protocol for Broken<F> {
    type Message = Message;

    fn start(config: Config, persistent: Persistent, floor: Index) -> (Self, Output) {
        let (server, mut output) = Server::start(config, persistent, floor);
        F::spoil(&mut output);
        (Broken { server, fault: std::marker::PhantomData }, output)
    }

    fn step(&mut self, input: Input) -> Output {
        let mut output = self.server.step(input.clone());
        F::spoil_answer(&input, &mut output);
        output
    }

    fn figure2(&self) -> &Server {
        &self.server
    }

    fn core_message(message: &Message) -> Option<&Message> {
        Some(message)
    }

    fn waits_for(message: &Message) -> WaitsFor {
        message.waits_for()
    }
}

/// Term and vote are never stored.
struct ForgetsBallots;

impl Fault for ForgetsBallots {
    fn spoil(output: &mut Output) {
        output.persist.retain(|record| !matches!(record, Record::Ballot { .. }));
    }
}

/// The term is stored, the vote is not.
struct ForgetsVotes;

impl Fault for ForgetsVotes {
    fn spoil(output: &mut Output) {
        for record in &mut output.persist {
            if let Record::Ballot { current_term: _, voted_for } = record {
                *voted_for = None;
            }
        }
    }
}

/// Conflicting entries are dropped from memory only.
struct ForgetsTruncation;

impl Fault for ForgetsTruncation {
    fn spoil(output: &mut Output) {
        output.persist.retain(|record| !matches!(record, Record::Truncate { .. }));
    }
}

/// Entries are acknowledged and not stored.
struct ForgetsEntries;

impl Fault for ForgetsEntries {
    fn spoil(output: &mut Output) {
        for record in &mut output.persist {
            if let Record::Append { entries } = record {
                *entries = Entries::default();
            }
        }
    }
}

/// Every other entry does not reach the state machine.
struct SkipsApplies;

impl Fault for SkipsApplies {
    fn spoil(output: &mut Output) {
        output.apply.retain(|(index, _)| index % 2 == 1);
    }
}

/// Clients are told of the index before their entry's.
struct Miscounts;

impl Fault for Miscounts {
    fn spoil(output: &mut Output) {
        if let Some(Proposal::Accepted { first_index, .. }) = &mut output.proposal {
            *first_index -= 1;
        }
    }
}

/// Messages of elections are not sent.
struct Mute;

impl Fault for Mute {
    fn spoil(output: &mut Output) {
        output.send.clear();
    }
}

/// Every vote is sent back, twice.
struct Echoes;

impl Fault for Echoes {
    fn spoil(_: &mut Output) {}

    fn spoil_answer(input: &Input, output: &mut Output) {
        if let Input::Receive { from, message: message @ Message::RequestVoteReply(_) } = input {
            output.send.extend([(*from, message.clone()), (*from, message.clone())]);
        }
    }
}

fn options() -> ClusterOptions {
    ClusterOptions { journal: usize::MAX, ..ClusterOptions::default() }
}

/// The first failure of `tests` within `seeds`, in the order of the tests.
fn first_failure<F: Fault>(
    tests: Vec<&'static LabTest>,
    seeds: u64,
) -> (&'static LabTest, u64, LabRun) {
    let simulation = Simulation { options: options(), ..Simulation::new(tests, 1, seeds) };
    let reports = simulate_on::<Broken<F>>(&simulation, &|_, _| {});
    let failed = reports.into_iter().find_map(|report| {
        let (seed, run) = report.failure?;
        Some((report.test, seed, run))
    });
    failed.expect("a fault that nothing notices")
}

fn violation(run: &LabRun) -> &Violation {
    match run.outcome.as_ref().expect_err("a failure") {
        Failure::Violation(violation) => violation,
        Failure::Unmet(unmet) => panic!("no violation but: {unmet}"),
    }
}

#[test]
fn two_runs_with_one_seed_are_the_same_and_other_seeds_differ() {
    for test in TESTS {
        let [one, again, other] = [1, 1, 2].map(|seed| run::<Server>(test, seed, &options()));
        assert_eq!(one.log, again.log, "{}", test.name);
        assert_eq!(one.digest, again.digest, "{}", test.name);
        assert_eq!(one.happenings, one.log.len() as u64);
        assert_ne!(one.log, other.log, "{}", test.name);
        assert_ne!(one.digest, other.digest, "{}", test.name);
    }
}

#[test]
fn a_server_that_forgets_its_term_and_vote_fails_and_fails_again() {
    let persist_1 = LabTest::find("persist-1").expect("a test");
    let (test, seed, first) = first_failure::<ForgetsBallots>(vec![persist_1], 10);
    assert!(matches!(violation(&first), Violation::TermFell { .. }), "{:?}", first.outcome);
    let again = run::<Broken<ForgetsBallots>>(test, seed, &options());
    assert_eq!(first.outcome, again.outcome);
    assert_eq!(first.log, again.log);
    assert_eq!(first.digest, again.digest);
}

#[test]
fn a_server_that_forgets_only_its_vote_elects_two_leaders_in_a_term() {
    let storm = LabTest::find("storm-3").expect("a test");
    let (test, seed, first) = first_failure::<ForgetsVotes>(vec![storm], 500);
    assert!(matches!(violation(&first), Violation::TwoLeaders { .. }), "{:?}", first.outcome);
    let again = run::<Broken<ForgetsVotes>>(test, seed, &options());
    assert_eq!((first.outcome, first.log), (again.outcome, again.log));
}

#[test]
fn a_server_that_does_not_store_what_it_acknowledges_is_seen_at_the_first_commit() {
    let (test, _, run) = first_failure::<ForgetsEntries>(TESTS.iter().collect(), 1);
    assert_eq!(test.name, "basic-agree-3");
    assert!(
        matches!(violation(&run), Violation::AppliedEarly { index: 1, .. }),
        "{:?}",
        run.outcome
    );
}

#[test]
fn a_server_that_does_not_store_a_truncation_is_seen() {
    let figure_8 = LabTest::find("figure-8").expect("a test");
    let (_, _, run) = first_failure::<ForgetsTruncation>(vec![figure_8], 20);
    violation(&run);
}

#[test]
fn a_server_that_skips_an_entry_is_seen() {
    let concurrent = LabTest::find("concurrent-starts").expect("a test");
    let (_, _, run) = first_failure::<SkipsApplies>(vec![concurrent], 1);
    assert!(matches!(violation(&run), Violation::AppliedOutOfTurn { index: 3, expected: 2, .. }));
}

#[test]
fn a_server_that_tells_clients_of_another_index_is_seen_at_once() {
    let concurrent = LabTest::find("concurrent-starts").expect("a test");
    let (_, _, run) = first_failure::<Miscounts>(vec![concurrent], 1);
    let answer = UntrueAnswer::Place { stated: 0, free: 1 };
    let untrue = |found: &Violation| matches!(found, Violation::UntrueAnswer { answer: a, .. } if *a == answer);
    assert!(untrue(violation(&run)), "{:?}", run.outcome);
}

#[test]
fn a_cluster_that_never_comes_to_rest_fails() {
    let concurrent = LabTest::find("concurrent-starts").expect("a test");
    let run = run::<Broken<Echoes>>(concurrent, 1, &ClusterOptions::default());
    assert!(matches!(violation(&run), Violation::Runaway { .. }), "{:?}", run.outcome);
}

#[test]
fn a_cluster_that_elects_nobody_fails_every_test_and_says_why() {
    for test in TESTS {
        let run = run::<Broken<Mute>>(test, 1, &options());
        match run.outcome {
            Err(Failure::Unmet(_)) => {}
            other => panic!("{}: {other:?}", test.name),
        }
    }
}

/// The smallest failing seed, whatever the number of threads, and a report that says all.
#[test]
fn a_report_names_the_smallest_failing_seed_and_shows_what_happened() {
    let tests = vec![LabTest::find("storm-3").expect("a test")];
    let options = ClusterOptions { journal: 50, ..ClusterOptions::default() };
    let report = |workers, seed, seeds| {
        let workers = NonZero::new(workers).expect("not 0");
        let simulation = Simulation::new(tests.clone(), seed, seeds);
        let simulation = Simulation { workers, options: options.clone(), ..simulation };
        let mut reports = simulate_on::<Broken<ForgetsVotes>>(&simulation, &|_, _| {});
        reports.pop().expect("one report")
    };
    let one = report(1, 1, 500);
    let seed = one.failure.as_ref().expect("a failure").0;
    assert!(seed > 1, "choose seeds of which the first passes");
    let three = report(3, 1, 500);
    assert_eq!(one.to_string(), three.to_string());
    assert!(report(1, 1, seed - 1).failure.is_none());
    assert_eq!(report(1, seed, 1).to_string(), one.to_string());

    let text = one.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(&format!("extra storm-3 fails with seed {seed}: S")), "{text}");
    assert_eq!(lines.len(), 1 + 1 + 50 + 1, "{text}");
    assert!(lines[51].contains(" leads in term "), "{text}");
    assert_eq!(lines[52], format!("  again: check simulate storm-3 --seed {seed}"));
}
