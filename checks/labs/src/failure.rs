//! What can go wrong in a lab: the cluster breaks a promise, or falls short of what a script
//! expects.

use std::time::Duration;

use thiserror::Error;
use veraft::figure2::{Breach, Command, Index, Term};
use veraft_models::properties::{Two, UntrueAnswer};

/// Why a lab test failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// Something that must never happen did.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// Something that the script waits for did not happen, or not as it should.
    #[error(transparent)]
    Unmet(#[from] Unmet),
}

/// What must never happen, whatever the faults.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// Election Safety.
    #[error("S{first} and S{second} both led term {term}")]
    TwoLeaders {
        /// The term.
        term: Term,
        /// The server that led it first.
        first: usize,
        /// The other one.
        second: usize,
    },
    /// A server's term went back, perhaps over a restart.
    #[error("the term of S{server} fell from {from} to {to}")]
    TermFell {
        /// The server.
        server: usize,
        /// The term it had, and told others.
        from: Term,
        /// The term it came back with.
        to: Term,
    },
    /// One server's commit index went back without a restart.
    #[error("the commit index of S{server} fell from {from} to {to}")]
    CommitFell {
        /// The server.
        server: usize,
        /// The index before.
        from: Index,
        /// The index after.
        to: Index,
    },
    /// A proposer was told of an entry that is not its own.
    #[error("a proposal to S{server} was answered for another one's entry at index {index}")]
    AnsweredAnother {
        /// The server that answered.
        server: usize,
        /// The index of the entry.
        index: Index,
    },
    /// An entry was applied before it was durable.
    #[error("S{server} applied index {index} before its own disk had it")]
    AppliedEarly {
        /// The server.
        server: usize,
        /// The index.
        index: Index,
    },
    /// State Machine Safety.
    #[error("S{server} applied {command:?} at index {index}, where others applied {agreed:?}")]
    AppliedAnother {
        /// The server.
        server: usize,
        /// The index.
        index: Index,
        /// What it applied there.
        command: Command,
        /// What another server had applied there.
        agreed: Command,
    },
    /// An entry was applied out of turn.
    #[error("S{server} applied index {index} when it was the turn of {expected}")]
    AppliedOutOfTurn {
        /// The server.
        server: usize,
        /// The index it applied.
        index: Index,
        /// The index that was next.
        expected: Index,
    },
    /// A state machine went back.
    #[error("what S{server} had applied fell from index {from} to {to}")]
    AppliedFell {
        /// The server.
        server: usize,
        /// The index before.
        from: Index,
        /// The index after.
        to: Index,
    },
    /// An image is not what was applied up to its mark.
    #[error("the image of index {index} that S{server} restored is not what others applied")]
    ImageDiffers {
        /// The server.
        server: usize,
        /// The index of its mark.
        index: Index,
    },
    /// A server takes what a peer sent of an image for what no correct peer sends.
    #[error("S{server} got a parcel that is none: {breach}")]
    ParcelBreach {
        /// The server.
        server: usize,
        /// What is wrong with it.
        breach: veraft::driver::ParcelBreach,
    },
    /// An image is needed that is not there.
    #[error("S{server} needs the image of index {index}, and does not have it")]
    NoImage {
        /// The server.
        server: usize,
        /// The index of its mark.
        index: Index,
    },
    /// Leader Append-Only.
    #[error("the log of S{server}, leader of term {term}, shrank from {from} to {to} entries")]
    LeaderLostEntries {
        /// The leader.
        server: usize,
        /// Its term.
        term: Term,
        /// The last index before.
        from: Index,
        /// The last index after.
        to: Index,
    },
    /// Leader Completeness.
    #[error("S{server} leads term {term} without the entry committed at index {index}")]
    LeaderIncomplete {
        /// The leader.
        server: usize,
        /// Its term.
        term: Term,
        /// The first committed index at which its log differs.
        index: Index,
    },
    /// An entry was committed that a crash can still undo.
    #[error("S{server} applied index {index}, which is durable on {stored} servers only")]
    NotStored {
        /// The first server that applied it.
        server: usize,
        /// The index.
        index: Index,
        /// How many servers have the entry on their disk.
        stored: usize,
    },
    /// Log Matching.
    #[error("the logs of S{first} and S{second} agree at index {agree} but not at {differ}")]
    LogsDiffer {
        /// A server.
        first: usize,
        /// Another server.
        second: usize,
        /// The highest index at which both hold an entry of the same term.
        agree: Index,
        /// An index before it at which they hold different entries.
        differ: Index,
    },
    /// More heartbeats than one in a tenth of a second.
    #[error("S{from} sent more than 10 heartbeats within a second to S{to}")]
    TooManyHeartbeats {
        /// The leader.
        from: usize,
        /// The peer.
        to: usize,
    },
    /// The servers send each other more and more messages, to no end.
    #[error("{events} messages and timers within one second")]
    Runaway {
        /// How many there were.
        events: u64,
    },
    /// A server took a message of a correct peer for one that no correct peer sends.
    #[error("S{server} took a message for a breach: {breach}")]
    Breach {
        /// The server.
        server: usize,
        /// What it found wrong.
        breach: Breach,
    },
    /// A server answered a proposal with what is not true.
    #[error("S{server} gave an untrue answer to a proposal: {answer}")]
    UntrueAnswer {
        /// The server.
        server: usize,
        /// How it is not.
        answer: UntrueAnswer,
    },
    /// A server applied an entry that nobody proposed.
    #[error("S{server} applied a blank at index {index}, which nobody proposed")]
    Blank {
        /// The server.
        server: usize,
        /// The index.
        index: Index,
    },
    /// A server took a step, or said something, that the judge objects to.
    #[error("S{server}: {objection}")]
    Objection {
        /// The server.
        server: usize,
        /// What the judge says.
        objection: String,
    },
    /// A server stopped at one of its own assertions.
    #[error("S{server} stopped: {message}")]
    Stopped {
        /// The server.
        server: usize,
        /// What it said.
        message: String,
    },
}

impl From<Two<Term, usize>> for Violation {
    fn from(Two { of: term, values: [first, second] }: Two<Term, usize>) -> Violation {
        Violation::TwoLeaders { term, first, second }
    }
}

/// What a script expected and did not see.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unmet {
    /// No poll saw a leader.
    #[error("no leader among the connected servers after {polls} looks")]
    NoLeader {
        /// How often the script looked.
        polls: u32,
    },
    /// A server that no majority can hear claims to lead.
    #[error("S{server} claims to lead term {term} though no majority is connected")]
    LeaderWithoutMajority {
        /// The server.
        server: usize,
        /// Its term.
        term: Term,
    },
    /// Connected servers are in different terms, or still in term 0.
    #[error("the connected servers do not agree on a term of at least 1: {terms:?}")]
    TermsDiffer {
        /// Each connected server and its term.
        terms: Vec<(usize, Term)>,
    },
    /// A term passed though nothing failed.
    #[error("the term rose from {from} to {to} though nothing failed")]
    TermRose {
        /// The term before.
        from: Term,
        /// The term after.
        to: Term,
    },
    /// The old leader does not follow the new one.
    #[error("S{server} still leads term {term} after it was reconnected")]
    OldLeaderLeads {
        /// The old leader.
        server: usize,
        /// Its term.
        term: Term,
    },
    /// A command was not applied on enough servers in time.
    #[error("{command:?} was not applied on {expected} servers within {after:?}")]
    NotApplied {
        /// The command.
        command: Command,
        /// How many servers were to apply it.
        expected: usize,
        /// How long the script waited.
        after: Duration,
    },
    /// An entry was applied where none should be.
    #[error("index {index} was applied on {servers} servers, and should be on none")]
    AppliedEarly {
        /// The index.
        index: Index,
        /// How many servers applied it.
        servers: usize,
    },
    /// An entry stands at another index than it should.
    #[error("{command:?} went to index {index}, not to {expected:?}")]
    WrongIndex {
        /// The command.
        command: Command,
        /// Where it went.
        index: Index,
        /// Where it should have gone.
        expected: std::ops::RangeInclusive<Index>,
    },
    /// A log was not compacted in time.
    #[error("S{server} keeps {bytes} bytes of persistent state, not less than {most}")]
    LogTooLong {
        /// The server.
        server: usize,
        /// How many bytes it keeps.
        bytes: usize,
        /// It was to keep fewer.
        most: usize,
    },
    /// A leader refused a command.
    #[error("S{server}, the leader, refused {command:?}")]
    LeaderRefused {
        /// The leader.
        server: usize,
        /// The command.
        command: Command,
    },
    /// Another command was applied than the one that the leader accepted for that index.
    #[error("{applied:?} was applied at index {index}, not {expected:?}")]
    WrongCommand {
        /// The index.
        index: Index,
        /// What was applied.
        applied: Command,
        /// What the leader accepted.
        expected: Command,
    },
    /// The servers needed too many RPCs, or suspiciously few.
    #[error("{count} RPCs {what}, not {expected:?}")]
    RpcCount {
        /// What the RPCs were for.
        what: &'static str,
        /// How many there were.
        count: u64,
        /// How many there may be.
        expected: std::ops::RangeInclusive<u64>,
    },
    /// The term moved in each of the attempts.
    #[error("the term moved in each of {attempts} attempts")]
    TermMoved {
        /// How many attempts there were.
        attempts: u32,
    },
}
