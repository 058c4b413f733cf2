//! Why a peer is refused: the texts that stand in the logs of both sides.

use crate::runtime::std;

use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::vec::Vec;

use thiserror::Error;

use super::codec::Unreadable;
use super::known::Progress;
use crate::figure2::{Index, ServerId, Term};

/// Why a node does not talk to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::runtime) enum Refusal {
    #[error("the hello of {peer} cannot be read: {why}")]
    Unreadable { peer: ServerId, why: Unreadable },
    #[error(
        "{peer} belongs to cluster {theirs:?}, and {own} to cluster {ours:?}: give both the name \
         of one cluster, or correct the address that led here"
    )]
    Cluster { peer: ServerId, own: ServerId, theirs: String, ours: String },
    #[error(
        "{peer} was started in a cluster of {}, and {own} in a cluster of {}: start every node \
         with the same list of servers, for two lists can elect two leaders",
        list(theirs),
        list(ours)
    )]
    Servers { peer: ServerId, own: ServerId, theirs: BTreeSet<ServerId>, ours: BTreeSet<ServerId> },
    #[error(
        "{peer} is of incarnation {theirs} of the cluster, and {own} of incarnation {ours}: they \
         do not begin with the same backup, or one of them with none (that is incarnation 0). \
         Start every server of a new cluster from the one backup, as docs/operations.md says, and \
         none of the old one beside it"
    )]
    Incarnation { peer: ServerId, own: ServerId, theirs: u64, ours: u64 },
    #[error("the node at the address of {peer} says that it is {named}: correct the addresses")]
    OtherServer { peer: ServerId, named: ServerId },
    #[error(
        "{peer} is not a server of this cluster of {}: correct its list of servers, or the \
         address that led here",
        list(ours)
    )]
    Stranger { peer: ServerId, ours: BTreeSet<ServerId> },
    #[error(
        "{peer} says nothing of its store, as nodes of veraft 0.1 do, and it has said so before: \
         upgrade it again"
    )]
    SaysNothing { peer: ServerId },
    #[error(
        "{peer} came with a store that the cluster has replaced (generation {theirs}, known is \
         {known}): empty its directory, and let a leader readmit it, as docs/operations.md says"
    )]
    Replaced { peer: ServerId, theirs: Term, known: Term },
    #[error(
        "{peer} came with another store than the one known: its disk was emptied, or is another \
         server's. Give it back its own disk; if that is lost, empty the directory, and let a \
         leader readmit it, as docs/operations.md says"
    )]
    OtherStore { peer: ServerId },
    #[error(
        "{peer} came with an old copy of its store (start {theirs} of it, known is start \
         {known}): give it back its own disk; if that is lost, empty the directory, and let a \
         leader readmit it, as docs/operations.md says"
    )]
    OldCopy { peer: ServerId, theirs: u64, known: u64 },
    #[error(
        "{peer} came with a clone of its store: start {starts} of it is known from another \
         process. Stop one of the two for good; if its own disk is lost, empty the directory, \
         and let a leader readmit it, as docs/operations.md says"
    )]
    Clone { peer: ServerId, starts: u64 },
    #[error(
        "{peer} came with an old copy of its store: it knows of terms up to {theirs}, and had \
         shown term {known}. Give it back its own disk; if that is lost, empty the directory, \
         and let a leader readmit it, as docs/operations.md says"
    )]
    LostTerm { peer: ServerId, theirs: Term, known: Term },
    #[error(
        "{peer} came with an old copy of its store: its log ends at index {theirs}, and in the \
         same term it had acknowledged index {known}. Give it back its own disk; if that is \
         lost, empty the directory, and let a leader readmit it, as docs/operations.md says"
    )]
    LostEntries { peer: ServerId, theirs: Index, known: Index },
    #[error(
        "peers remember different stores of {peer}: a copy of its store has run. Stop it, empty \
         its directory, and let a leader readmit it, as docs/operations.md says"
    )]
    Disputed { peer: ServerId },
    #[error(
        "{peer} is to come back with an empty store in term {known} or later; it came with one \
         that {}",
        if *born_empty { "is still in an earlier term" } else { "held records when it was first used" }
    )]
    NotBlank { peer: ServerId, born_empty: bool, known: Term },
    #[error("the store of {peer} is not the server's: it was told so by another peer: {why}")]
    Disowned { peer: ServerId, why: String },
    #[error("{own} adopts the generation that a leader has given it, and connects again")]
    Adopting { own: ServerId },
    #[error("the store of {own} is not the one that the cluster knows: {why}")]
    OwnStore { own: ServerId, why: String },
}

impl Refusal {
    /// A store began a start with less than it had shown.
    pub(super) fn behind(peer: ServerId, theirs: Progress, known: Progress) -> Refusal {
        match theirs.term < known.term {
            true => Refusal::LostTerm { peer, theirs: theirs.term, known: known.term },
            false => Refusal::LostEntries { peer, theirs: theirs.index, known: known.index },
        }
    }
}

/// A list of servers, for a text.
pub(super) fn list(servers: &BTreeSet<ServerId>) -> String {
    let names: Vec<String> = servers.iter().map(ServerId::to_string).collect();
    std::format!("{} ({})", names.len(), names.join(", "))
}
