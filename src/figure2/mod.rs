//! Figure 2 of the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm", 2014), written once, as a pure state machine.
//!
//! | file | what it is in the paper |
//! |---|---|
//! | `state.rs` | the State box: what survives a crash and what does not |
//! | `request_vote.rs` | the RequestVote RPC: arguments, results, receiver |
//! | `append_entries.rs` | the AppendEntries RPC: arguments, results, receiver |
//! | `rules.rs` | Rules for Servers: all servers, followers, candidates, leaders |
//! | `log.rs` | `log[]`: entries, terms, indices |
//! | `install_snapshot.rs` | an addition: compaction and the InstallSnapshot RPC (§7, Figure 13) |
//! | `breach.rs` | not in the paper: what no correct peer sends |
//!
//! ```text
//!               ┌──────────────────── Server::step ────────────────────┐
//!  Timeout ────►│ election_timeout, heartbeat_timeout       rules.rs   │
//!  Receive ────►│ examine ─► update_term ─► receive_...     each RPC's │──► Output
//!  Propose ────►│ propose                                   rules.rs   │
//!               │ and then: apply_committed                            │
//!               └──────────────────────────────────────────────────────┘
//!
//!               election timeout            votes of a quorum
//!   follower ───────────────────► candidate ─────────────────► leader
//!      ▲                           │     ▲ └─ election timeout     │
//!      │                           │     └───── starts another     │
//!      └── hears from the leader ──┴──── hears of a greater term ──┘
//! ```
//!
//! One door in, one value out: [`Server::step`]. Nothing here reads a clock, draws a random
//! number, does I/O or fails. What no correct peer sends is a value ([`Output::breach`]); what
//! cannot happen in the server itself is an assertion.
//!
//! # One election and one commit, by hand
//!
//! ```
//! use std::sync::Arc;
//! use veraft::figure2::*;
//!
//! let [s1, s2, s3] = [1, 2, 3].map(ServerId);
//! let start = |id| {
//!     let config = Config { id, servers: Arc::new([s1, s2, s3].into()), max_append_bytes: 1024 };
//!     Server::start(config, Persistent::default(), 0).0
//! };
//! let (mut one, mut two) = (start(s1), start(s2));
//! let hears = |server: &mut Server, from, message: &Message| {
//!     server.step(Input::Receive { from, message: message.clone() })
//! };
//!
//! // S1 hears from no leader. It votes for itself, which must be durable before it asks S2.
//! let stands = one.step(Input::Timeout(Timer::Election));
//! assert_eq!(stands.persist, [Record::Ballot { current_term: 1, voted_for: Some(s1) }]);
//! let (to, request) = &stands.send[0];
//! assert_eq!(*to, s2);
//!
//! // S2 gives its vote: with S1's own, two of three. S1 leads, and shows itself.
//! let votes = hears(&mut two, s1, request);
//! let leads = hears(&mut one, s2, &votes.send[0].1);
//! assert!(one.is_leader());
//! let heartbeat = hears(&mut two, s1, &leads.send[0].1);
//! assert_eq!(two.leader(), Some(s1));
//! hears(&mut one, s2, &heartbeat.send[0].1);
//!
//! // A client proposes. The entry goes to S2 while S1's own disk writes it. It is durable there,
//! // and S2 says so.
//! let payloads = vec![Payload::Command(Command::from(&b"x = 1"[..]))];
//! let accepts = one.step(Input::Propose { payloads });
//! assert_eq!(accepts.proposal, Some(Proposal::Accepted { term: 1, first_index: 1 }));
//! let stores = hears(&mut two, s1, &accepts.send[0].1);
//! assert_eq!(stores.persist.len(), 1);
//!
//! // Once it is durable here too, a quorum has it: S1 commits it and applies it. S2 will with the
//! // next heartbeat.
//! assert_eq!(hears(&mut one, s2, &stores.send[0].1).apply, []);
//! let commits = one.step(Input::Stored { last_index: 1, last_term: 1 });
//! assert_eq!(one.volatile().commit_index, 1);
//! assert_eq!(commits.apply[0].0, 1);
//! ```
//!
//! # Departures from the paper
//!
//! * **Replies are messages of their own.** An AppendEntries reply says up to where the logs
//!   agree, or which request it refuses and where the logs part ([`AppendOutcome`]), so that a
//!   leader needs no memory of its requests, and loss, duplication and reordering are harmless.
//! * **One batch under way.** Commands proposed while a peer has not acknowledged all entries
//!   before them wait for its answer, and then travel together; unless the driver has them follow
//!   at once ([`Input::Pipeline`]). Nothing is sent twice on a network that loses nothing.
//! * **Heartbeats are empty and repeat nothing**, also to a peer that lags. What it has not
//!   acknowledged is sent again when the driver says so ([`Input::Repeat`]), which knows what is
//!   still under way.
//! * **A leader writes and sends at once** (thesis, 10.2.1): entries leave before its own disk has
//!   them ([`Message::waits_for`]). It counts itself up to what is durable ([`Input::Stored`]), and
//!   applies no further.
//! * **A refusal tells where the logs part**: the conflicting term and its first index, or the
//!   end of the log, so that a leader backs up once per term (§5.3 describes this).
//! * **`commit_index` never falls.** Taken literally, `AE.5` lowers it when a delayed request
//!   that covers few entries carries a great `leader_commit`.
//! * **A lost RequestVote is not repeated** (§5.5 retries RPCs forever): the next election
//!   timeout starts a new term.
//! * **A candidate or leader that learns of a greater term** follows in that term at once, and
//!   waits for a leader, for a request that it can grant, or for its election timer. The timer
//!   of a candidate runs on; that of a leader starts.

mod append_entries;
mod breach;
mod install_snapshot;
mod log;
mod request_vote;
mod rules;
mod state;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use append_entries::{AppendEntries, AppendEntriesReply, AppendOutcome};
pub use breach::{Breach, LEAP, LIMIT};
pub use install_snapshot::InstallSnapshot;
pub use log::{Base, Command, Entries, Entry, Index, Log, MAX_ENTRIES, Payload, Term, TermAt};
pub use request_vote::{RequestVote, RequestVoteReply};
pub use state::{BadRecord, Config, Leader, Persistent, Record, Role, ServerId, Volatile};

/// A message between servers: the two RPCs of Figure 2 and their replies, and InstallSnapshot.
///
/// Not `#[non_exhaustive]`, on purpose: a transport that does not know a message would lose it.
/// One that is added must not compile until every transport carries it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Message {
    /// A candidate asks for a vote.
    RequestVote(RequestVote),
    /// The answer to a candidate.
    RequestVoteReply(RequestVoteReply),
    /// A leader replicates entries, or shows that it is there.
    AppendEntries(AppendEntries),
    /// The answer to a leader.
    AppendEntriesReply(AppendEntriesReply),
    /// A leader sends an image of its state machine in the place of entries that it has not any
    /// more. It reaches a server once the image is durable there.
    InstallSnapshot(InstallSnapshot),
}

impl Message {
    /// The sender's term when it sent the message.
    pub fn term(&self) -> Term {
        match self {
            Message::RequestVote(request) => request.term,
            Message::RequestVoteReply(reply) => reply.term,
            Message::AppendEntries(request) => request.term,
            Message::AppendEntriesReply(reply) => reply.term,
            Message::InstallSnapshot(request) => request.term,
        }
    }

    /// What must be durable before the message leaves.
    ///
    /// `PD.1`: an AppendEntries states the leader's term, entries that the leader does not say to have
    /// stored itself, and a `leader_commit` that a majority has. All else states what its sender
    /// has stored, or will never do again.
    pub fn waits_for(&self) -> WaitsFor {
        match self {
            Message::AppendEntries(_) => WaitsFor::Ballots,
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => WaitsFor::Records,
        }
    }
}

/// What must be durable before a message leaves: of its step's records, and of those of every
/// earlier step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WaitsFor {
    /// None of them: the message states nothing that a crash could take back.
    Nothing,
    /// Every [`Record::Ballot`]: it states a term.
    Ballots,
    /// All of them.
    Records,
}

/// The two timers of a server. How long each runs is for the driver to choose: a random time
/// for each election, a fraction of the shortest of those for heartbeats (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// Runs on followers and candidates.
    Election,
    /// Runs on leaders.
    Heartbeat,
}

/// What a driver is to do with a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimerDuty {
    /// Start it from now, whether or not it runs.
    Set(Timer),
    /// Stop it, if it runs.
    Cancel(Timer),
}

/// What can happen to a server. `M` is what servers say to each other: [`Message`], or something
/// around it.
///
/// Not `#[non_exhaustive]`, on purpose: whoever handles inputs (a model, a recording's reader)
/// must say what it does with each, and not compile until it does with a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Input<M = Message> {
    /// A timer fired. One that was cancelled meanwhile changes nothing.
    Timeout(Timer),
    /// A message arrived: once, twice, late, or out of order.
    Receive {
        /// The server that sent it.
        from: ServerId,
        /// The message.
        message: M,
    },
    /// The application proposes commands for the state machine, or the driver a blank, to be
    /// appended in this order.
    Propose {
        /// What the new entries are for. None change nothing.
        payloads: Vec<Payload>,
    },
    /// The driver has made an image of the state machine, and it is durable (`SN.2`).
    Compacted {
        /// The index of the last entry that the image has in it; at most what was applied.
        last_index: Index,
    },
    /// Records are durable, and with them the log up to this entry, as it was behind the step that
    /// wrote it. One that the log does not hold any more changes nothing.
    Stored {
        /// The index of the last entry that is durable.
        last_index: Index,
        /// The term of that entry.
        last_term: Term,
    },
    /// What this peer has not acknowledged may have been lost, and is sent again, if this server
    /// leads.
    Repeat {
        /// The peer.
        peer: ServerId,
    },
    /// This peer is sent the entries behind an index, before it has acknowledged those up to there:
    /// pipelining (thesis, 10.2.1), if this server leads.
    Pipeline {
        /// The peer.
        peer: ServerId,
        /// The index behind which the entries stand; nothing is sent if they are compacted, or
        /// there are none.
        after: Index,
    },
}

/// What a driver owes after a step, in the order of duty: all that stands below `persist`, but
/// for timers and entries to apply, waits until the records are durable; a message for as much of
/// them as it says ([`Message::waits_for`]).
///
/// Take it apart whole, without `..`: a new duty then does not compile until each driver
/// handles it. That is why it is not `#[non_exhaustive]`: a duty that nobody sees is one that
/// nobody does.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Output<M = Message> {
    /// Records to append to stable storage, in this order.
    pub persist: Vec<Record>,
    /// Messages, each with the peer it is for.
    pub send: Vec<(ServerId, M)>,
    /// Timers to set or cancel, in this order.
    pub timers: Vec<TimerDuty>,
    /// The state machine is to become the image of this mark (`SN.16`), before anything of
    /// `apply`: one stream, so that nothing is applied to the state before.
    pub restore: Option<Base>,
    /// Entries that are committed and durable here, each with its index, to be applied in this
    /// order.
    pub apply: Vec<(Index, Entry)>,
    /// The answer to [`Input::Propose`]; none for other inputs.
    pub proposal: Option<Proposal>,
    /// Why the message that arrived is none that a correct peer sends. Nothing else is owed
    /// then, and nothing changed; after a [fatal](Breach::is_fatal) one, nothing ever must.
    pub breach: Option<Breach>,
}

impl<M> Default for Output<M> {
    fn default() -> Self {
        Output {
            persist: Vec::new(),
            send: Vec::new(),
            timers: Vec::new(),
            restore: None,
            apply: Vec::new(),
            proposal: None,
            breach: None,
        }
    }
}

/// The answer to a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Proposal {
    /// The entries stand in the leader's log. They are committed once an entry applied at their
    /// index has this term, and lost once it has another.
    Accepted {
        /// The term of the new entries.
        term: Term,
        /// The index of the first of them.
        first_index: Index,
    },
    /// Nothing changed: this server does not lead.
    NotLeader {
        /// This server's term.
        term: Term,
        /// The leader of that term, if known.
        leader: Option<ServerId>,
    },
}

/// A server of Figure 2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Server {
    config: Config,
    persistent: Persistent,
    volatile: Volatile,
}

/// What a server is read from.
#[derive(Deserialize)]
#[serde(rename = "Server")]
struct Parts {
    config: Config,
    persistent: Persistent,
    volatile: Volatile,
}

impl TryFrom<Parts> for Server {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Server, &'static str> {
        let Parts { config, persistent, volatile } = parts;
        let (first, last_index) =
            (persistent.log().base().last_index, persistent.log().last_index());
        if !config.servers.contains(&config.id) {
            Err("a server outside of its own cluster")
        } else if last_index < volatile.stored {
            Err("a server whose disk has more than its log holds")
        } else if last_index < volatile.commit_index.max(volatile.floor) {
            Err("a server that has committed or applied more than its log holds")
        } else if volatile.commit_index.min(volatile.last_applied) < first {
            Err("a server that has not applied what its log begins behind")
        } else {
            Ok(Server { config, persistent, volatile })
        }
    }
}

impl Persistent {
    /// Changes the persistent state and returns the record of it, always both.
    fn record(&mut self, record: Record, output: &mut Output) {
        self.write(record.clone());
        output.persist.push(record);
    }
}

impl Server {
    /// A server that starts, for the first time or after a crash: it follows, with what its
    /// records fold to, and asks for the image that its log begins behind. `floor` is the highest index that is known to have been handed to the
    /// state machine before; see [`Volatile::floor`].
    ///
    /// `SN.11`: what the base stands for is committed, and applied once its image is restored.
    ///
    /// # Panics
    /// When `config.servers` lacks `config.id`, or the log does not reach to `floor`.
    pub fn start(config: Config, persistent: Persistent, floor: Index) -> (Server, Output) {
        let base = persistent.log().base();
        let (commit_index, last_applied) = (base.last_index, base.last_index);
        let stored = persistent.log().last_index();
        let volatile =
            Volatile { commit_index, last_applied, stored, floor, ..Volatile::default() };
        let server = Server::of(config, persistent, volatile);
        let mut output = Output::default();
        output.timers.push(TimerDuty::Set(Timer::Election));
        output.restore = (base != Base::default()).then_some(base);
        (server, output)
    }

    /// A server in the middle of its life: for a scenario that does not begin at the
    /// beginning.
    ///
    /// # Panics
    /// When `config.servers` lacks `config.id`, or the log does not reach to what was committed
    /// or applied.
    #[cfg(feature = "model")]
    pub fn from_parts(config: Config, persistent: Persistent, volatile: Volatile) -> Server {
        Server::of(config, persistent, volatile)
    }

    fn of(config: Config, persistent: Persistent, volatile: Volatile) -> Server {
        let id = config.id;
        let server = Server::try_from(Parts { config, persistent, volatile });
        server.unwrap_or_else(|problem| panic!("{id}: {problem}"))
    }

    /// The only door: one input in, everything it causes out.
    ///
    /// # Panics
    /// When this server itself has done what cannot be, never for what a message says; and when
    /// terms or indices reach [`LIMIT`], after more elections or entries than any cluster has.
    pub fn step(&mut self, input: Input) -> Output {
        let mut output = Output::default();
        match input {
            Input::Timeout(Timer::Election) => self.election_timeout(&mut output),
            Input::Timeout(Timer::Heartbeat) => self.heartbeat_timeout(&mut output),
            Input::Receive { from, message } => self.receive(from, message, &mut output),
            Input::Propose { payloads } => self.propose(payloads, &mut output),
            Input::Compacted { last_index } => self.compact(last_index, &mut output),
            Input::Stored { last_index, last_term } => self.stored(last_index, last_term),
            Input::Repeat { peer } => self.repeat(peer, &mut output),
            Input::Pipeline { peer, after } => self.pipeline(peer, after, &mut output),
        }
        self.apply_committed(&mut output);
        output
    }

    fn receive(&mut self, from: ServerId, message: Message, output: &mut Output) {
        if let Err(breach) = self.examine(from, &message) {
            output.breach = Some(breach);
            return;
        }
        self.update_term(message.term(), output);
        match message {
            Message::RequestVote(request) => self.receive_request_vote(request, output),
            Message::RequestVoteReply(reply) => {
                self.receive_request_vote_reply(from, reply, output)
            }
            Message::AppendEntries(request) => self.receive_append_entries(request, output),
            Message::AppendEntriesReply(reply) => {
                self.receive_append_entries_reply(from, reply, output);
            }
            Message::InstallSnapshot(request) => self.receive_install_snapshot(request, output),
        }
    }

    fn write(&mut self, record: Record, output: &mut Output) {
        self.persistent.record(record, output);
        // What is cut off was stored in vain.
        self.volatile.stored = self.volatile.stored.min(self.log().last_index());
    }

    /// What the server was told at its start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state that survives a crash.
    pub fn persistent(&self) -> &Persistent {
        &self.persistent
    }

    /// The state that a crash loses.
    pub fn volatile(&self) -> &Volatile {
        &self.volatile
    }

    /// The latest term seen.
    pub fn current_term(&self) -> Term {
        self.persistent.current_term()
    }

    /// The log.
    pub fn log(&self) -> &Log {
        self.persistent.log()
    }

    /// Whether this server leads its current term.
    pub fn is_leader(&self) -> bool {
        matches!(self.volatile.role, Role::Leader(_))
    }

    /// The leader of the current term, if known.
    pub fn leader(&self) -> Option<ServerId> {
        match self.volatile.role {
            Role::Follower { leader } => leader,
            Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }
}
