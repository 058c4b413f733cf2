//! The power fails at each operation on the storage, one after the other: what was acknowledged
//! is there afterwards, once and in order.

use veraft::runtime::{Compaction, MemoryDisk, ProposeError};

use super::ledger::Ledger;
use super::place::{Fate, Fated};
use super::{builder, common, expected, start, text};

/// How many commands a life commits at most.
const COMMANDS: u64 = 12;

/// A life on this disk with this fate, which begins with so many commands acknowledged; how many
/// there are at its end, and how many may be.
fn live(disk: &MemoryDisk, fate: &Fate, acknowledged: u64) -> (u64, u64) {
    let storage = Fated { storage: disk.open().unwrap(), fate: fate.clone() };
    let ledger = Ledger::default();
    // An image every few commands.
    let policy = Compaction::default().at_least(60).factor(0).kept(1);
    let Ok(node) = start(builder().compaction(policy), storage, &ledger) else {
        assert!(fate.has_failed());
        return (acknowledged, acknowledged);
    };
    let mut count = acknowledged;
    let mut proposed = acknowledged;
    let patience = common::LONG;
    while count < acknowledged + COMMANDS && node.wait_for_leader(patience).is_ok() {
        proposed = count + 1;
        match node.propose(text(proposed).into_bytes()).wait() {
            Ok(_) => count += 1,
            Err(ProposeError::NotLeader { .. }) => {}
            Err(ProposeError::Lost(_) | ProposeError::Stopped(_)) => break,
            Err(error) => panic!("{error}"),
        }
        if count.is_multiple_of(4) {
            // Whether it succeeds or not.
            let _ = node.compact();
        }
    }
    assert!(count == acknowledged + COMMANDS || node.status().is_err());
    drop(node);
    (count, proposed)
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_fails() {
    let mut failures = 0;
    for operations in 1.. {
        let (disk, fate) = (MemoryDisk::new(), Fate::after(operations));
        let (acknowledged, proposed) = live(&disk, &fate, 0);
        // What a later life finds.
        let ledger = Ledger::default();
        let node = start(builder(), disk.open().unwrap(), &ledger).unwrap();
        let log = disk.persistent().log().clone();
        let held = log.last_index();
        assert!(
            (acknowledged..=proposed).contains(&held),
            "after {operations}: {acknowledged} acknowledged, and {held} are held"
        );
        assert_eq!(ledger.restored().first().copied().unwrap_or(0) as u64, log.base().last_index);
        common::commit(|| [&node].into_iter(), &text(held + 1));
        assert_eq!(ledger.entries(), expected(held + 1), "after {operations}");
        drop(node);
        // And another, which is cut off as well.
        let (acknowledged, _) = live(&disk, &Fate::after(operations / 2), held + 1);
        let ledger = Ledger::default();
        let node = start(builder(), disk.open().unwrap(), &ledger).unwrap();
        let held = disk.persistent().log().last_index();
        common::commit(|| [&node].into_iter(), &text(held + 1));
        assert!(acknowledged <= held);
        assert_eq!(ledger.entries(), expected(held + 1), "after {operations}, the second time");
        if !fate.has_failed() {
            break;
        }
        failures += 1;
    }
    assert!(failures > 60, "the power failed {failures} times");
}
