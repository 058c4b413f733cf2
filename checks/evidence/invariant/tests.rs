//! Each conjunct falls in a world that violates it, each part of it in one of its own.

use veraft::figure2::{
    AppendEntries, AppendOutcome, Entry, Index, Leader, Message, Persistent, Record, RequestVote,
    RequestVoteReply, Role, Server, ServerId, Term, Volatile,
};
use veraft_models::{Letter, Raft};

use super::conjuncts::{CONCLUSIONS, CONJUNCTS};
use super::sketch::reply;
use super::world::{Vote, World, configs};

const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const C: ServerId = ServerId(2);

/// Each entry is its term, and who led it.
type Entries<'a> = &'a [(Term, ServerId)];

fn log(entries: Entries<'_>) -> Vec<Entry> {
    let numbered = (1..).zip(entries);
    numbered
        .map(|(index, &(term, leader))| Entry::command(term, Raft::command_to(leader, index)))
        .collect()
}

impl World {
    /// `id` is in this term, with this vote, log and role.
    fn with(
        mut self,
        id: ServerId,
        ballot: (Term, Option<ServerId>),
        entries: Entries<'_>,
        role: Role,
    ) -> World {
        let config = configs(self.servers.len()).nth(id.0 as usize).unwrap();
        let (current_term, voted_for) = ballot;
        let records = [
            Record::Ballot { current_term, voted_for },
            Record::Append { entries: log(entries).into_iter().collect() },
        ];
        let volatile = Volatile { role, ..Volatile::default() };
        let persistent = records.into_iter().collect::<Persistent>();
        self.servers[id.0 as usize] = Server::from_parts(config, persistent, volatile);
        self
    }

    fn vote(mut self, term: Term, voter: ServerId, candidate: ServerId) -> World {
        self.votes.insert(Vote { term, voter, candidate });
        self
    }

    fn led(mut self, term: Term, leader: ServerId) -> World {
        self.led.insert((term, leader));
        self
    }

    fn letter(mut self, from: ServerId, to: ServerId, message: Message) -> World {
        self.letters.insert(Letter { from, to, message });
        self
    }

    fn broken(&self) -> Vec<&'static str> {
        let all = CONJUNCTS.iter().chain(CONCLUSIONS);
        all.filter(|conjunct| !(conjunct.holds)(self)).map(|conjunct| conjunct.name).collect()
    }
}

fn follower() -> Role {
    Role::default()
}

fn candidate(votes: &[ServerId]) -> Role {
    Role::Candidate { votes_granted: votes.iter().copied().collect() }
}

/// What A knows of B and C.
fn leads(next: [Index; 2], matched: [Index; 2]) -> Role {
    let of = |numbers: [Index; 2]| [B, C].into_iter().zip(numbers).collect();
    Role::Leader(Leader { next_index: of(next), match_index: of(matched) })
}

fn request(term: Term, candidate_id: ServerId) -> Message {
    Message::RequestVote(RequestVote { term, candidate_id, last_log_index: 0, last_log_term: 0 })
}

fn vote_reply(term: Term, vote_granted: bool) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
}

fn append(term: Term, leader_id: ServerId, prev: (Index, Term), entries: Entries<'_>) -> Message {
    let behind = prev.0 as usize;
    let padded = [&vec![(1, A); behind][..], entries].concat();
    Message::AppendEntries(AppendEntries {
        term,
        leader_id,
        prev_log_index: prev.0,
        prev_log_term: prev.1,
        entries: log(&padded).into_iter().skip(behind).collect(),
        leader_commit: 0,
    })
}

fn success(term: Term, match_index: Index) -> Message {
    reply(term, AppendOutcome::Success { match_index })
}

fn conflict(prev_log_index: Index, conflict_index: Index) -> Message {
    reply(2, AppendOutcome::Conflict { prev_log_index, conflict_term: None, conflict_index })
}

/// A leads term 2 with entries of terms 1, which it led too, and 2; B voted for it, and C stands
/// in term 3.
fn sound() -> World {
    let mut world = World::boot(3);
    for term in [1, 2] {
        world = world.vote(term, A, A).vote(term, B, A).led(term, A);
    }
    world
        .with(A, (2, Some(A)), &[(1, A), (2, A)], leads([3, 1], [2, 0]))
        .with(B, (2, Some(A)), &[(1, A), (2, A)], follower())
        .vote(3, C, C)
        .with(C, (3, Some(C)), &[(1, A)], candidate(&[C]))
        .letter(A, C, append(2, A, (1, 1), &[(2, A)]))
        .letter(B, A, success(2, 2))
        .letter(C, A, conflict(2, 1))
        .letter(C, B, request(3, C))
        .letter(B, A, vote_reply(2, true))
        .letter(B, C, vote_reply(2, false))
}

#[test]
fn what_is_sound_breaks_nothing() {
    assert_eq!(sound().broken(), [""; 0]);
}

#[test]
fn each_part_of_each_conjunct_falls_in_a_world_of_its_own() {
    let whole = leads([3, 1], [2, 0]);
    let leader = |entries: Entries<'_>, role| sound().with(A, (2, Some(A)), entries, role);
    let own: Entries<'_> = &[(1, A), (2, A)];
    let well_formed = "letters are well-formed";
    let cast = "votes told were cast";
    let remembered = "votes are remembered";
    let elected = "a leader has a majority's votes";
    let recorded = "whoever leads has led";
    let match_ = "segments match";
    let parts = "requests are parts of the leader's log";
    let within = "answers are within the leader's log";
    let next = "next_index is within the log";
    let worlds: Vec<(&str, World)> = vec![
        (well_formed, sound().letter(B, B, vote_reply(1, false))),
        (well_formed, sound().letter(B, A, request(3, C))),
        (well_formed, sound().letter(C, A, request(0, C))),
        (well_formed, sound().letter(B, C, append(2, A, (0, 0), &[]))),
        (well_formed, sound().letter(A, C, append(0, A, (0, 0), &[]))),
        (well_formed, sound().letter(A, C, append(2, A, (1, 0), &[]))),
        (well_formed, sound().letter(A, C, append(2, A, (0, 1), &[]))),
        (well_formed, sound().letter(B, C, vote_reply(0, false))),
        (well_formed, sound().letter(B, A, success(0, 0))),
        (well_formed, sound().with(B, (2, Some(A)), &[(0, A)], follower())),
        (cast, sound().letter(B, A, request(2, B))),
        (cast, sound().letter(C, A, vote_reply(2, true))),
        (cast, sound().with(C, (3, Some(A)), &[], follower())),
        ("one vote per term", sound().vote(1, B, C)),
        (remembered, sound().vote(4, C, A)),
        (remembered, sound().with(C, (3, None), &[(1, A)], follower())),
        (remembered, sound().with(C, (3, Some(A)), &[(1, A)], follower()).vote(3, C, A)),
        ("votes counted were cast", sound().with(C, (3, Some(C)), &[(1, A)], candidate(&[A, C]))),
        ("votes counted were cast", {
            let mut world = sound().with(C, (3, None), &[(1, A)], candidate(&[]));
            world.votes.remove(&Vote { term: 3, voter: C, candidate: C });
            world
        }),
        (elected, sound().led(3, C)),
        (elected, sound().led(4, A).vote(4, B, A).vote(4, C, A)),
        (recorded, sound().letter(C, A, append(3, C, (0, 0), &[]))),
        (recorded, sound().letter(A, B, success(1, 0))),
        (recorded, sound().with(B, (3, Some(A)), own, leads([3, 3], [0, 0]))),
        ("no candidate has led its term", sound().with(A, (2, Some(A)), own, candidate(&[A]))),
        (
            "entries come from a leader",
            sound().with(C, (3, Some(C)), &[(1, A), (3, C)], follower()),
        ),
        (
            "a leader holds all entries of its term",
            sound().with(B, (2, Some(A)), &[(1, A), (2, A), (2, A)], follower()),
        ),
        (match_, sound().with(C, (3, Some(C)), &[(1, B)], follower())),
        (match_, sound().letter(A, B, append(1, A, (0, 0), &[(1, B)]))),
        ("terms are in order", sound().with(C, (3, Some(C)), &[(2, A), (1, A)], follower())),
        ("terms are in order", sound().with(B, (1, Some(A)), own, follower())),
        (parts, sound().letter(A, B, append(2, A, (1, 2), &[]))),
        (parts, sound().letter(A, B, append(2, A, (3, 2), &[]))),
        (parts, sound().letter(A, B, append(2, A, (2, 2), &[(2, A)]))),
        (within, sound().letter(B, A, success(2, 3))),
        (within, sound().letter(B, A, conflict(2, 3))),
        (within, sound().letter(B, A, conflict(2, 0))),
        (within, sound().letter(B, A, conflict(3, 1))),
        (next, leader(own, leads([0, 1], [2, 0]))),
        (next, leader(own, leads([4, 1], [2, 0]))),
        (next, leader(own, leads([3, 1], [3, 0]))),
        (next, leader(own, Role::Leader(Leader::default()))),
        ("Election Safety", sound().led(2, B)),
        ("Log Matching", sound().with(C, (3, Some(C)), &[(1, B)], follower())),
    ];
    for (place, (name, world)) in worlds.iter().enumerate() {
        let broken = world.broken();
        assert!(broken.contains(name), "world {place}: {name} holds, {broken:?} not, in\n{world}");
    }
    for conjunct in CONJUNCTS.iter().chain(CONCLUSIONS) {
        assert!(worlds.iter().any(|(name, _)| *name == conjunct.name), "{}", conjunct.name);
    }
    assert_eq!(leader(own, whole).broken(), [""; 0]);
}

/// What a conjunct leaves out on purpose.
#[test]
fn what_no_conjunct_speaks_of_breaks_none() {
    let allowed = [
        // A vote of a term that is over, and a refusal, whoever it comes from.
        sound().vote(1, C, C),
        sound().letter(C, A, vote_reply(3, false)),
        // What was sent in a term that is over, or to whom it does not lead.
        sound().letter(A, B, append(1, A, (0, 0), &[(1, A)])),
        sound().letter(B, A, success(1, 7)),
        sound().letter(B, A, reply(2, AppendOutcome::StaleTerm)),
        sound().letter(C, B, reply(3, AppendOutcome::StaleTerm)),
    ];
    for world in allowed {
        assert_eq!(world.broken(), [""; 0], "{world}");
    }
}
