//! Images in the model: when they become durable, what a crash leaves of them, what goes along
//! with a snapshot; and that what they have in them tells no two states apart.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use stateright::Model;
use veraft::figure2::{
    AppendEntries, AppendOutcome, Base, Config, Entries, Index, Input, InstallSnapshot, Message,
    Record, Server, ServerId, Timer,
};
use veraft_models::orbit::hash_of;
use veraft_models::{
    Action, Bounds, Cluster, ClusterState, Environment, Handed, ImageOrigin, Letter, Memo,
    ModelNode, Proposes, Raft,
};

const A: ServerId = ServerId(0);
const PLAIN: Environment =
    Environment { symmetry: false, keep_dead_letters: true, ..Environment::REDUCED };

fn alone(torn: bool) -> (Cluster, ClusterState) {
    let bounds = Bounds { servers: 1, terms: 2, entries: 2, restarts: 1, compactions: 2 };
    let cluster = Cluster::new(bounds, Environment { torn, ..PLAIN });
    let state = cluster.init_states().remove(0);
    (cluster, state)
}

fn after(cluster: &Cluster, mut state: ClusterState, actions: &[Action]) -> ClusterState {
    for &action in actions {
        state = cluster.next_state(&state, action).expect("it does something");
    }
    state
}

fn compactions(cluster: &Cluster, state: &ClusterState) -> Vec<Index> {
    let mut actions = Vec::new();
    cluster.actions(state, &mut actions);
    let compacts = |action: &Action| match action {
        Action::Compact(_, last_index) => Some(*last_index),
        Action::Deliver(_)
        | Action::Timeout(..)
        | Action::Propose(..)
        | Action::Restart(_)
        | Action::CarryOut(_)
        | Action::Repeat(..)
        | Action::Pipeline(..) => None,
    };
    actions.iter().filter_map(compacts).collect()
}

/// Base, indices of images, and how much is applied.
fn stands(state: &ClusterState) -> (Index, Vec<Index>, usize) {
    let node = state.node(A);
    let images = node.images.iter().map(|(index, _)| index).collect();
    (node.server().log().base().last_index, images, node.replica.applied.len())
}

const LEADS: Action = Action::Timeout(A, Timer::Election);
const PROPOSES: Action = Action::Propose(A, Proposes::Command);

#[test]
fn a_log_is_compacted_up_to_anything_applied_as_often_as_the_budget_allows() {
    let (cluster, state) = alone(false);
    let state = after(&cluster, state, &[LEADS]);
    assert_eq!(compactions(&cluster, &state), [0; 0], "nothing is applied");
    let state = after(&cluster, state, &[PROPOSES, PROPOSES]);
    assert_eq!(compactions(&cluster, &state), [1, 2]);
    let state = after(&cluster, state, &[Action::Compact(A, 1)]);
    assert_eq!((stands(&state), state.visible.history.compactions), ((1, vec![1], 2), 1));
    let held = state.node(A).images.content(1).map(Vec::len);
    assert_eq!(held, Some(1), "what was applied later is not in it");
    assert!(cluster.next_state(&state, Action::Compact(A, 1)).is_none(), "nothing comes of it");
    let state = after(&cluster, state, &[Action::Compact(A, 2)]);
    assert_eq!(stands(&state), (2, vec![2], 2), "nothing names the older image");
    assert_eq!(compactions(&cluster, &state), [0; 0], "the budget is spent");
    let state = after(&cluster, state, &[Action::Restart(A)]);
    assert_eq!(stands(&state), (2, vec![2], 2), "all that is in the image");
}

/// What waits for the disk, the state machine was not given; no image has it in it.
#[test]
fn no_image_is_ahead_of_what_the_state_machine_was_given() {
    let (cluster, state) = alone(true);
    let state = after(&cluster, state, &[LEADS, Action::CarryOut(A), PROPOSES]);
    assert_eq!(state.node(A).server().volatile().last_applied, 0, "it is not durable");
    assert_eq!(compactions(&cluster, &state), [0; 0]);
    let state = after(&cluster, state, &[PROPOSES, Action::CarryOut(A)]);
    assert_eq!(state.node(A).handed(), 1);
    assert_eq!(compactions(&cluster, &state), [1]);
    assert_eq!(state.visible.history.committed.len(), 1, "what was given has been committed");
    let state = after(&cluster, state, &[Action::CarryOut(A)]);
    assert_eq!(compactions(&cluster, &state), [1, 2]);
}

#[test]
fn a_crash_between_image_and_record_leaves_the_log_and_one_after_leaves_the_image() {
    let (cluster, state) = alone(true);
    let way = [LEADS, Action::CarryOut(A), PROPOSES, Action::CarryOut(A), Action::Compact(A, 1)];
    let state = after(&cluster, state, &way);
    assert_eq!(stands(&state), (1, vec![1], 1));
    assert_eq!(state.node(A).disk.log().base(), Base::default(), "not yet recorded");
    let crashed = after(&cluster, state.clone(), &[Action::Restart(A)]);
    assert_eq!(stands(&crashed), (0, vec![], 0), "an image without its record is none");
    let crashed = after(&cluster, state, &[Action::CarryOut(A), Action::Restart(A)]);
    assert_eq!(stands(&crashed), (1, vec![1], 1));
}

/// An InstallSnapshot whose image is not there is a gap where it is installed.
#[test]
fn without_its_image_a_snapshot_leaves_a_gap() {
    let bounds = Bounds { servers: 3, terms: 1, entries: 1, restarts: 0, compactions: 1 };
    let cluster = Cluster::new(bounds, PLAIN);
    let mut found = 0;
    explore(&cluster, |state, letter, next| {
        let Message::InstallSnapshot(request) = &letter.message else { return };
        let content = letter.image.as_ref().expect("it goes along");
        assert_eq!(content.len() as Index, request.base.last_index);
        let (before, after) = (state.node(letter.to), next.node(letter.to));
        if before.server().log().base() == after.server().log().base() {
            return;
        }
        assert_eq!(&after.replica.applied, content, "the machine is what the image has in it");
        let mut bare = before.value.clone();
        bare.receive_image(&letter.message, None);
        bare.receive_image(&letter.message, Some(Handed::new()));
        let empty = bare.images.content(request.base.last_index);
        assert_eq!(empty, Some(&Handed::new()), "it is kept as it came");
        found += 1;
    });
    assert!(found > 0);
}

/// Shows each letter that arrives in a state, and what comes of it.
fn explore(cluster: &Cluster, mut see: impl FnMut(&ClusterState, &Letter, &ClusterState)) {
    let mut queue: VecDeque<_> = cluster.init_states().into();
    let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
    let memo = Memo::default();
    let mut actions = Vec::new();
    while let Some(state) = queue.pop_front() {
        cluster.actions(&state, &mut actions);
        for action in actions.drain(..) {
            if let Action::Deliver(letter) = action {
                let effect = cluster.effect_on(&memo, state.node(letter.to), action);
                let mut next = state.clone();
                next.visible.nodes[letter.to.0 as usize] = effect.node;
                see(&state, &letter.value, &next);
            }
            let Some(next) = cluster.next_state(&state, action) else { continue };
            if seen.insert(next.fingerprint()) {
                queue.push_back(next);
            }
        }
    }
}

/// What a snapshot can do to a server is all met, but for a refusal: it stands for no other letter
/// then. What changes nothing is no state, and so no property can ask for it.
#[test]
fn snapshots_are_installed_in_every_way_and_ignored() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for (terms, entries) in [(1, 2), (2, 1)] {
        let bounds = Bounds { servers: 3, terms, entries, restarts: 0, compactions: 1 };
        let cluster = Cluster::new(bounds, Environment::REDUCED);
        explore(&cluster, |state, letter, next| {
            let Message::InstallSnapshot(request) = &letter.message else { return };
            let (before, after) = (state.node(letter.to), next.node(letter.to));
            let (was, is) = (before.server().log(), after.server().log());
            let base = is.base().last_index;
            let deed = if was.base() != is.base() {
                match (was.last_index() >= base, is.last_index() > base) {
                    (true, true) => "installed before entries that stay",
                    (true, false) => "installed in the place of entries",
                    (false, _) => "installed behind the end",
                }
            } else if request.base.last_index <= was.base().last_index {
                "ignored: not behind the base"
            } else {
                "ignored: committed already"
            };
            *met.entry(deed).or_default() += 1;
            if deed == "installed before entries that stay" {
                let origin = after.images.get(base).map(|image| image.origin);
                assert_eq!(origin, Some(ImageOrigin::LeaderBeforeEntries));
            }
        });
    }
    let all = [
        "ignored: committed already",
        "ignored: not behind the base",
        "installed before entries that stay",
        "installed behind the end",
        "installed in the place of entries",
    ];
    assert_eq!(met.keys().copied().collect::<Vec<_>>(), all, "{met:?}");
}

/// All but what images have in them, and what was applied.
fn without_contents(node: &ModelNode) -> u64 {
    let images: Vec<(Index, ImageOrigin)> =
        node.images.iter().map(|(index, image)| (index, image.origin)).collect();
    let mut bare = node.clone();
    bare.images = Default::default();
    bare.replica.applied.clear();
    hash_of(&(bare, images))
}

/// A cluster that kept no contents would have as many states: they follow from the rest.
#[test]
fn what_images_have_in_them_tells_no_states_apart() {
    let of_three = Bounds { servers: 3, terms: 1, entries: 1, restarts: 1, compactions: 1 };
    let of_two = Bounds { servers: 2, terms: 2, entries: 2, restarts: 1, compactions: 2 };
    let torn = Environment { torn: true, ..Environment::REDUCED };
    for (bounds, environment) in
        [(of_three, Environment::REDUCED), (of_two, Environment::REDUCED), (of_three, torn)]
    {
        let environment = Environment { symmetry: false, ..environment };
        let cluster = Cluster::new(bounds, environment);
        let mut queue: VecDeque<_> = cluster.init_states().into();
        let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
        let mut bare = HashSet::new();
        let mut with_images = 0;
        while let Some(state) = queue.pop_front() {
            let nodes: Vec<u64> =
                state.visible.nodes.iter().map(|node| without_contents(&node.value)).collect();
            let letters: BTreeSet<(Option<u64>, u64)> = state
                .posts()
                .map(|post| match post.shared {
                    Some(shared) => (Some(shared.fingerprint()), 0),
                    None => {
                        let Letter { from, to, message, image } = &post.letter.value;
                        with_images += usize::from(image.is_some());
                        (None, hash_of(&(from, to, message)))
                    }
                })
                .collect();
            let history = &state.visible.history;
            let events: BTreeSet<u64> = history.events().map(|event| event.fingerprint()).collect();
            let counted = (history.restarts, history.compactions, history.committed_after_restart);
            bare.insert(hash_of(&(nodes, letters, events, counted)));
            for next in cluster.next_states(&state) {
                if seen.insert(next.fingerprint()) {
                    queue.push_back(next);
                }
            }
        }
        assert_eq!(bare.len(), seen.len(), "{bounds:?}");
        assert!(with_images > 0 || bounds.servers == 2, "{bounds:?}");
    }
}

/// Why a snapshot arrives with the image of its own mark in the model. An image that was committed
/// in a later term than the letter's is a committed prefix, too, and its mark may be of an entry of
/// an older term. But the leader of the letter's term need not hold that entry: it rightly says so,
/// and the receiver, which has it committed and has not heard of the later term, takes that for a
/// contradiction, and stops for good.
#[test]
fn the_mark_of_a_later_commit_in_the_name_of_an_older_leader_stops_a_server() {
    let config = Config { id: A, servers: Raft::cluster(5, 9).servers, max_append_bytes: 9 };
    let ballot = Record::Ballot { current_term: 3, voted_for: None };
    let (mut server, _) = Server::start(config, [ballot].into_iter().collect(), 0);
    let leader_id = ServerId(1);
    let mut hears = |message| server.step(Input::Receive { from: leader_id, message });
    // Its leader's mark is (1, 1), and it holds (2, 3). In term 4 (2, 2) was committed.
    let base = Base { last_index: 2, last_term: 2 };
    let raised = InstallSnapshot { term: 3, leader_id, base };
    assert_eq!(hears(Message::InstallSnapshot(raised)).restore, Some(base));
    let heartbeat = AppendEntries {
        term: 3,
        leader_id,
        prev_log_index: 2,
        prev_log_term: 3,
        entries: Entries::default(),
        leader_commit: 1,
    };
    let breach = hears(Message::AppendEntries(heartbeat)).breach;
    assert!(breach.is_some_and(|breach| breach.is_fatal()), "{breach:?}");
}

/// A snapshot's answer is that of entries up to its mark.
#[test]
fn whoever_installs_acknowledges_the_mark() {
    let bounds = Bounds { servers: 3, terms: 1, entries: 2, restarts: 0, compactions: 1 };
    let cluster = Cluster::new(bounds, Environment::REDUCED);
    let memo = Memo::default();
    let mut answers = 0;
    let mut queue: VecDeque<_> = cluster.init_states().into();
    let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
    while let Some(state) = queue.pop_front() {
        for letter in state.letters() {
            let Message::InstallSnapshot(request) = &letter.message else { continue };
            let effect = cluster.effect_on(&memo, state.node(letter.to), Action::Deliver(letter));
            let [answer] = effect.sent() else { panic!("one answer to {letter:?}") };
            let Message::AppendEntriesReply(reply) = &answer.message else {
                panic!("{answer:?} to {letter:?}")
            };
            let match_index = request.base.last_index;
            assert_eq!(reply.outcome, AppendOutcome::Success { match_index });
            answers += 1;
        }
        for next in cluster.next_states(&state) {
            if seen.insert(next.fingerprint()) {
                queue.push_back(next);
            }
        }
    }
    assert!(answers > 0);
}
