//! What worlds are like: how many satisfy the invariant as they are drawn, and how many have what
//! makes them worth a trial.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use veraft::figure2::{Leader, Log, Message, Role, Server};

use super::assumed::Assumed;
use super::config;
use super::sketch::sketch;
use super::world::World;
use crate::evidence::proof::evaluate::Structure;
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::Symbol;
use crate::terminal::printer::note;

/// Something that a world may have, and whether it has it.
type Feature = (&'static str, fn(&World) -> bool);

/// What makes a world worth a trial.
const FEATURES: &[Feature] = &[
    ("a commit", |world| commits(world) > 0),
    ("commits of two terms", |world| {
        let of = |term| indices(world).any(|index| world.is(Symbol::Committed, [term, index]));
        (1..world.tables().size(Sort::Term)).filter(|&term| of(term)).count() > 1
    }),
    ("a commit index", |world| any(world, |server| server.volatile().commit_index > 0)),
    ("an entry to apply", |world| {
        any(world, |server| server.volatile().commit_index > server.volatile().last_applied)
    }),
    ("something applied", |world| {
        let payloads = 0..world.tables().size(Sort::Payload);
        indices(world).any(|i| payloads.clone().any(|x| world.is(Symbol::Applied, [i, x])))
    }),
    ("a leader with a peer that matches", |world| {
        any(world, |server| leading(server).is_some_and(|l| l.match_index.values().any(|&i| i > 0)))
    }),
    ("a leader that may commit", may_commit),
    ("logs that conflict", |world| {
        any(world, |one| any(world, |other| conflict(one.log(), other.log())))
    }),
    ("a candidate one vote short", |world| {
        any(world, |server| match &server.volatile().role {
            Role::Candidate { votes_granted } => {
                votes_granted.len() == server.config().servers.len() / 2
            }
            Role::Follower { .. } | Role::Leader(_) => false,
        })
    }),
    ("a request with a commit index", |world| {
        world.requests().iter().any(|request| request.leader_commit > 0)
    }),
    ("a letter that no server sends", |world| {
        world.letters().iter().any(|letter| match &letter.message {
            Message::RequestVote(request) => request.candidate_id != letter.from,
            Message::AppendEntries(request) => request.leader_id != letter.from,
            Message::InstallSnapshot(request) => request.leader_id != letter.from,
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => false,
        })
    }),
];

fn any(world: &World, is: impl Fn(&Server) -> bool) -> bool {
    world.servers().iter().any(is)
}

fn indices(world: &World) -> std::ops::Range<u64> {
    1..world.tables().size(Sort::Index)
}

fn commits(world: &World) -> usize {
    let terms = 1..world.tables().size(Sort::Term);
    let all = terms.flat_map(|term| indices(world).map(move |index| [term, index]));
    all.filter(|&commit| world.is(Symbol::Committed, commit)).count()
}

fn leading(server: &Server) -> Option<&Leader> {
    match &server.volatile().role {
        Role::Leader(leader) => Some(leader),
        Role::Follower { .. } | Role::Candidate { .. } => None,
    }
}

/// An acknowledgement under way, or any proposal, may have the leader commit.
fn may_commit(world: &World) -> bool {
    any(world, |server| {
        let last = server.log().last_index();
        leading(server).is_some()
            && last > server.volatile().commit_index
            && server.log().last_term() == server.current_term()
    })
}

fn conflict(one: &Log, other: &Log) -> bool {
    let (one, other) = (one.entries().iter(), other.entries().iter());
    one.zip(other).any(|(one, other)| one.term != other.term)
}

#[test]
fn worlds_are_sound_as_drawn_and_many_are_rich() {
    const WORLDS: usize = 2_000;
    let assumed = Assumed::invariant();
    let mut runner = TestRunner::new(config(1, 1));
    let (mut sound, mut nudged) = (0, 0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..WORLDS {
        let sketch = sketch(None).new_tree(&mut runner).unwrap().current();
        let drawn = sketch.drawn(None);
        sound += usize::from(assumed.broken(&drawn).is_none());
        let world = sketch.world(&assumed);
        nudged += usize::from(world != drawn);
        for (name, has) in FEATURES {
            *counts.entry(name).or_default() += usize::from(has(&world));
        }
    }
    let mut told = format!("of {WORLDS} worlds {sound} are sound as drawn, {nudged} are nudged\n");
    for (name, _) in FEATURES {
        told += &format!("{:>6} have {name}\n", counts[name]);
    }
    note(told);
    assert_eq!(sound, WORLDS);
    assert!(nudged > WORLDS / 2, "{nudged} of {WORLDS}");
    assert!(counts.values().all(|&count| count >= WORLDS / 100), "{counts:?}");
}
