//! Images of state machines in whole nodes: logs that begin at one, starts from one, and what
//! happens when one cannot be written, is missing, or is damaged.

#![cfg(feature = "runtime")]

#[path = "images/backups.rs"]
mod backups;
mod common;
#[path = "images/compacting.rs"]
mod compacting;
#[path = "images/damaged.rs"]
mod damaged;
#[path = "images/installing.rs"]
mod installing;
#[path = "images/ledger.rs"]
mod ledger;
#[path = "common/log.rs"]
mod log;
#[path = "images/place.rs"]
mod place;
#[path = "images/power.rs"]
mod power;
#[path = "images/room.rs"]
mod room;
#[path = "images/slow.rs"]
mod slow;
#[cfg(feature = "disk")]
#[path = "images/starting.rs"]
mod starting;

use std::time::Duration;

use ledger::Ledger;
use veraft::figure2::{Index, ServerId};
use veraft::runtime::{
    Compaction, MemoryNetwork, Node, NodeBuilder, StartError, StateMachine, Storage, Timing,
};

const S1: ServerId = ServerId(1);
const MS: Duration = Duration::from_millis(1);

/// A cluster of one, which elects itself at once. Without blanks, so that indices count commands.
fn builder() -> NodeBuilder {
    let timing = Timing::new(10 * MS..=20 * MS, 3 * MS).unwrap();
    NodeBuilder::new(S1, [S1]).timing(timing).blanks(false).compaction(Compaction::by_hand())
}

fn start<M: StateMachine + Clone>(
    builder: NodeBuilder,
    storage: impl Storage,
    machine: &M,
) -> Result<Node<M::Response>, StartError> {
    builder.start(storage, MemoryNetwork::new(1).transport(S1), machine.clone())
}

/// Commits so many commands more, each a text of its own; the index of the last one.
fn commit(node: &Node<u64>, ledger: &Ledger, count: u64) -> Index {
    let begin = ledger.entries().len() as u64;
    let mut last = 0;
    for number in begin + 1..=begin + count {
        last = common::commit(|| [node].into_iter(), &text(number));
    }
    last
}

fn text(number: u64) -> String {
    format!("command {number}")
}

/// The first commands that are committed, and nothing else.
fn expected(count: u64) -> Vec<Vec<u8>> {
    (1..=count).map(|number| text(number).into_bytes()).collect()
}
