//! Why a cluster has not recovered.

use std::fmt;

use veraft::figure2::ServerId;

/// Why a cluster has not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrecovered {
    /// An assertion failed in this server.
    Assertion(ServerId),
    /// This server took a message of a peer for a breach.
    Breach(ServerId),
    /// This server gave an answer to a proposal that is not true.
    UntrueAnswer(ServerId),
    /// The servers write to each other without end.
    Endless,
    /// A server leads the latest term, but not everybody hears it.
    Unheard,
    /// So many rounds are over, and no leader is heard by everybody.
    NoLeader(u32),
    /// The leader that everybody heard is one no longer.
    LeaderLost(ServerId),
    /// The leader does not accept a new entry.
    Refused(ServerId),
    /// Some server does not hold and apply all that this leader holds.
    Disagreement(ServerId),
}

impl std::error::Error for Unrecovered {}

impl fmt::Display for Unrecovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unrecovered::Assertion(id) => write!(f, "an assertion failed in {id}"),
            Unrecovered::Breach(id) => write!(f, "{id} took a message of a peer for a breach"),
            Unrecovered::UntrueAnswer(id) => write!(f, "{id} gave an untrue answer"),
            Unrecovered::Endless => write!(f, "the servers write to each other without end"),
            Unrecovered::Unheard => write!(f, "not everybody hears the leader of the latest term"),
            Unrecovered::NoLeader(rounds) => {
                write!(f, "round {rounds} is over, and no leader is heard by everybody")
            }
            Unrecovered::LeaderLost(id) => {
                write!(f, "{id} led, and is no longer heard by everybody")
            }
            Unrecovered::Refused(id) => write!(f, "{id} leads, and accepts no new entry"),
            Unrecovered::Disagreement(id) => {
                write!(f, "{id} leads, but not everybody has applied all entries of its log")
            }
        }
    }
}
