//! Random schedules, far beyond the bounds of any scope: clusters of 1 to 7 servers, messages
//! lost, duplicated and reordered, servers restarted. Every safety property holds after every
//! step; a schedule that breaks one shrinks to a conversation.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use stateright::{Expectation, Model, Path};
use veraft::figure2::Message;
use veraft_checks::scopes::trace::{Narrate, conversation};
use veraft_models::orbit::Ref;
use veraft_models::{Action, Bounds, Cluster, ClusterState, Environment, Letter};

/// One choice of what happens next. The numbers pick among what is possible.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// One of the latest messages arrives, 0 being the very latest. It may arrive again.
    DeliverRecent(usize),
    /// Any message ever sent arrives.
    DeliverAny(usize),
    /// A timer, a client or a crash.
    Other(usize),
    /// A client proposes: one command or two, to whoever it likes.
    Propose(usize),
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        12 => (0..8usize).prop_map(Choice::DeliverRecent),
        2 => (0..1000usize).prop_map(Choice::DeliverAny),
        3 => (0..1000usize).prop_map(Choice::Other),
        2 => (0..7usize).prop_map(Choice::Propose),
    ]
}

/// What `choice` comes to in `state`, given the letters in the order in which they were sent.
fn action(
    cluster: &Cluster,
    state: &ClusterState,
    sent: &[Ref<Letter>],
    choice: Choice,
) -> Option<Action> {
    let mut actions = Vec::new();
    cluster.actions(state, &mut actions);
    actions.retain(|action| !matches!(action, Action::Deliver(_)));
    let pick = |from: Vec<Action>, number: usize| match from.len() {
        0 => None,
        len => Some(from[number % len]),
    };
    match choice {
        Choice::DeliverRecent(age) => sent.iter().rev().nth(age).copied().map(Action::Deliver),
        Choice::DeliverAny(number) if sent.is_empty() => pick(actions, number),
        Choice::DeliverAny(number) => Some(Action::Deliver(sent[number % sent.len()])),
        Choice::Other(number) => pick(actions, number),
        Choice::Propose(number) => {
            actions.retain(|action| matches!(action, Action::Propose(..)));
            pick(actions, number)
        }
    }
}

/// A cluster without a bound that a schedule could reach; up to two commands go in one message.
fn endless(servers: usize, torn: bool) -> Cluster {
    let bounds = Bounds { servers, terms: 1000, entries: 1000, restarts: 1000, compactions: 0 };
    let plain = Environment {
        symmetry: false,
        keep_dead_letters: true,
        torn,
        batch: Some(2),
        proposals: true,
        ..Environment::default()
    };
    Cluster::new(bounds, plain)
}

/// Follows a schedule and looks at every property after every step.
fn follow(servers: usize, torn: bool, schedule: &[Choice]) -> Result<(), TestCaseError> {
    let cluster = endless(servers, torn);
    let properties = cluster.properties();
    let first = cluster.init_states().remove(0);
    let mut state = first.clone();
    let mut sent: Vec<Ref<Letter>> = Vec::new();
    let mut taken = Vec::new();
    for &choice in schedule {
        let Some(action) = action(&cluster, &state, &sent, choice) else { continue };
        let Some(next) = cluster.next_state(&state, action) else { continue };
        sent.extend(cluster.sent(&state, action));
        taken.push(action);
        state = next;
        for property in &properties {
            let holds = (property.condition)(&cluster, &state);
            if property.expectation == Expectation::Always && !holds {
                let path = Path::from_actions(&cluster, first.clone(), &taken);
                let told = path.map(|path| conversation(&cluster.narrate(path)));
                let told = told.unwrap_or_else(|| format!("{taken:#?}"));
                return Err(TestCaseError::fail(format!("{} is violated:\n{told}", property.name)));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn every_safety_property_holds_after_every_step(
        servers in 1..=7usize,
        schedule in prop::collection::vec(choice(), 1..300),
    ) {
        follow(servers, false, &schedule)?;
    }

    #[test]
    fn and_so_it_does_when_steps_are_torn(
        servers in 2..=5usize,
        schedule in prop::collection::vec(choice(), 1..300),
    ) {
        follow(servers, true, &schedule)?;
    }
}

/// How many entries a message carries.
fn entries(letter: Ref<Letter>) -> usize {
    match &letter.value.message {
        Message::AppendEntries(request) => request.entries.len(),
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntriesReply(_)
        | Message::InstallSnapshot(_) => 0,
    }
}

/// The schedules above are worth something: they elect leaders, commit entries across terms and
/// restarts, and send more than one entry in a message.
#[test]
fn schedules_reach_what_scopes_reach() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let schedules = prop::collection::vec(choice(), 300);
    let (mut committed, mut terms, mut restarts, mut by_entries) = (0, 0, 0, [0; 3]);
    for _ in 0..100 {
        let schedule = schedules.new_tree(&mut runner).expect("nothing is filtered").current();
        let cluster = endless(3, false);
        let mut state = cluster.init_states().remove(0);
        let mut sent: Vec<Ref<Letter>> = Vec::new();
        for choice in schedule {
            let Some(action) = action(&cluster, &state, &sent, choice) else { continue };
            sent.extend(cluster.sent(&state, action));
            state = cluster.next_state(&state, action).unwrap_or(state);
        }
        // More entries than the most that there may be are out of bounds, and panic.
        sent.iter().for_each(|&letter| by_entries[entries(letter)] += 1);
        committed += state.visible.history.committed.len();
        terms += state.visible.history.led.len();
        restarts += state.visible.history.restarts;
    }
    assert!(committed > 100, "{committed} commits in 100 schedules");
    assert!(terms > 200, "{terms} leaders in 100 schedules");
    assert!(restarts > 200, "{restarts} restarts in 100 schedules");
    let [_, one, two] = by_entries;
    assert!(one > 200 && two > 200, "{one} messages of one entry, {two} of two in 100 schedules");
}
