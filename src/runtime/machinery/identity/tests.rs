//! Stores that are lost, copied, emptied and restored, and what their peers say to it.

use crate::runtime::std;

use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};

use super::known::{Seen, Store};
use super::*;
use crate::figure2::{Base, Command, Entry, Persistent, Record};
use crate::runtime::storage::Notes;

const S1: ServerId = ServerId(1);
const S2: ServerId = ServerId(2);
const S3: ServerId = ServerId(3);

/// A disk; a clone of it is a copy.
#[derive(Clone, Default)]
struct Disk {
    notes: Notes,
    records: Persistent,
}

/// A number that nobody else has.
fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn asked(server: ServerId, servers: u64) -> Asked {
    Asked { server, cluster: "test".into(), servers: (1..=servers).map(ServerId).collect() }
}

impl Disk {
    fn open(&mut self, asked: Asked) -> Result<Registry, UnfitStore> {
        let mut registry = Registry::open(&self.notes, &self.records, asked, unique)?;
        self.save(&mut registry);
        Ok(registry)
    }

    fn start(&mut self, server: ServerId) -> Registry {
        self.open(asked(server, 3)).unwrap()
    }

    fn save(&mut self, registry: &mut Registry) {
        for (name, value) in registry.unwritten(true) {
            self.notes.insert(name.into(), value);
        }
    }

    fn write(&mut self, term: Term, entries: u64) {
        self.records.write(Record::Ballot { current_term: term, voted_for: None });
        let entry = || Entry::command(term, Command::from(&b"x"[..]));
        let entries = (0..entries).map(|_| entry()).collect();
        self.records.write(Record::Append { entries });
    }
}

/// What `one` says when `other` says hello: nothing, if all is well.
fn verdict(one: &mut Registry, other: &Registry) -> Result<(), String> {
    let meeting = one.meet(other.own().server, Some(&other.hello()));
    meeting.verdict.map_err(|refusal| refusal.to_string())
}

#[track_caller]
fn refuses(one: &mut Registry, other: &Registry, why: &str) {
    let text = verdict(one, other).unwrap_err();
    assert!(text.contains(why), "{text}");
}

#[track_caller]
fn unfit(disk: &mut Disk, asked: Asked, why: &[&str]) {
    let text = disk.open(asked).unwrap_err().to_string();
    why.iter().for_each(|why| assert!(text.contains(why), "{text}"));
}

#[test]
fn a_store_keeps_its_number_and_counts_its_starts() {
    let mut disk = Disk::default();
    let first = disk.start(S1).own().clone();
    let second = disk.start(S1).own().clone();
    assert_eq!((first.store, first.starts, second.starts), (second.store, 1, 2));
    assert_ne!(first.run, second.run);
    assert_ne!(first.store, Disk::default().start(S1).own().store);
}

#[test]
fn a_store_starts_only_for_whom_it_is() {
    let mut disk = Disk::default();
    disk.start(S1);
    unfit(&mut disk, asked(S2, 3), &["belongs to S1", "this node is S2", "directory"]);
    let other = Asked { cluster: "prod".into(), ..asked(S1, 3) };
    unfit(&mut disk, other, &["cluster \"test\"", "cluster \"prod\""]);
    let lists = ["3 (S1, S2, S3)", "5 (S1, S2, S3, S4, S5)", "the list of the store"];
    unfit(&mut disk, asked(S1, 5), &lists);
    disk.notes.insert(IDENTITY.into(), b"{\"version\":9}".to_vec());
    unfit(&mut disk, asked(S1, 3), &["\"identity\"", "version 9", "later version"]);
    disk.notes.insert(IDENTITY.into(), b"mud".to_vec());
    unfit(&mut disk, asked(S1, 3), &["\"identity\" of this store cannot be read"]);
}

#[test]
fn a_marked_store_does_not_start_until_the_mark_is_removed() {
    let mut disk = Disk::default();
    disk.start(S1);
    disk.notes.insert(STOPPED.into(), b"S2 contradicts entry 1".to_vec());
    unfit(&mut disk, asked(S1, 3), &["S2 contradicts entry 1", "remove the mark"]);
    disk.notes.insert(STOPPED.into(), b"".to_vec());
    assert!(disk.open(asked(S1, 3)).is_ok());
}

#[test]
fn a_store_that_lost_entries_which_were_applied_does_not_start() {
    let mut disk = Disk::default();
    disk.write(1, 2);
    disk.notes.insert(FLOOR.into(), floor_note(2));
    disk.start(S1);
    assert_eq!(check_floor(&disk.notes, 2), Ok(2));
    disk.notes.insert(FLOOR.into(), floor_note(3));
    unfit(&mut disk, asked(S1, 3), &["up to index 3", "ends at 2"]);
    for wrong in [&b""[..], b"\x02", b"123456789"] {
        disk.notes.insert(FLOOR.into(), wrong.to_vec());
        unfit(&mut disk, asked(S1, 3), &["the note \"floor\""]);
    }
}

#[test]
fn a_store_from_before_identities_adopts_one_and_is_not_blank() {
    let mut disk = Disk::default();
    disk.write(3, 1);
    assert!(!disk.start(S1).own().born_empty);
    assert!(Disk::default().start(S1).own().born_empty);
}

#[test]
fn peers_of_one_cluster_accept_each_other_and_again_after_a_restart() {
    let (mut disk, mut peer) = (Disk::default(), Disk::default().start(S2));
    let mut first = disk.start(S1);
    assert_eq!(verdict(&mut peer, &first), Ok(()));
    assert_eq!(verdict(&mut first, &peer), Ok(()));
    assert_eq!(verdict(&mut peer, &first), Ok(()));
    disk.save(&mut first);
    let mut second = disk.start(S1);
    assert_eq!(verdict(&mut peer, &second), Ok(()));
    assert_eq!(verdict(&mut second, &peer), Ok(()));
}

#[test]
fn another_cluster_is_refused_and_both_sides_are_named() {
    let mut peer = Disk::default().start(S2);
    let mut five = Disk::default().open(asked(S3, 5)).unwrap();
    let lists = "S3 was started in a cluster of 5 (S1, S2, S3, S4, S5), and S2 in a cluster of 3 \
                 (S1, S2, S3)";
    refuses(&mut peer, &five, lists);
    refuses(&mut five, &peer, "S2 was started in a cluster of 3");
    let other = Asked { cluster: "prod".into(), ..asked(S1, 3) };
    let other = Disk::default().open(other).unwrap();
    refuses(&mut peer, &other, "cluster \"prod\", and S2 to cluster \"test\"");
    let mut later = Disk::default().start(S1);
    later.own.incarnation = 7;
    refuses(&mut peer, &later, "incarnation 7");
    let meeting = peer.meet(S3, Some(&Disk::default().start(S1).hello()));
    assert!(meeting.verdict.unwrap_err().to_string().contains("at the address of S3 says that"));
    let garbled = peer.meet(S1, Some(b"mud")).verdict.unwrap_err().to_string();
    assert!(garbled.contains("the hello of S1 cannot be read"), "{garbled}");
    // One of the same list that is not on it.
    let mut stranger = Disk::default().start(S1);
    stranger.own.server = ServerId(9);
    refuses(&mut peer, &stranger, "S9 is not a server of this cluster of 3 (S1, S2, S3)");
    assert!(peer.meet(ServerId(9), None).verdict.is_err());
    assert_eq!(peer.known, BTreeMap::new());
}

#[test]
fn an_emptied_store_is_refused_and_learns_why() {
    let mut peer = Disk::default().start(S2);
    assert_eq!(verdict(&mut peer, &Disk::default().start(S1)), Ok(()));
    let mut emptied = Disk::default().start(S1);
    refuses(&mut peer, &emptied, "another store than the one known");
    refuses(&mut emptied, &peer, "the store of S1 is not the one that the cluster knows");
    assert!(emptied.disowned().unwrap().contains("its disk was emptied"));
    // Who accepted it before, not knowing, has to hear of it.
    let mut emptied = Disk::default().start(S1);
    assert_eq!(emptied.meet(S2, Some(&peer.hello())).again, [S3]);
}

#[test]
fn an_old_copy_is_refused_also_when_it_starts_often_enough() {
    let (mut disk, mut peer) = (Disk::default(), Disk::default().start(S2));
    disk.start(S1);
    let mut copy = disk.clone();
    disk.start(S1);
    assert_eq!(verdict(&mut peer, &disk.start(S1)), Ok(()));
    let mut old = copy.start(S1);
    refuses(&mut peer, &old, "start 2 of it, known is start 3");
    // It learns so itself, and that is durable: no number of starts makes it good.
    refuses(&mut old, &peer, "known is start 3");
    copy.save(&mut old);
    (3..6).for_each(|_| refuses(&mut peer, &copy.start(S1), "it was told so by another peer"));
}

#[test]
fn an_old_copy_that_was_told_nothing_is_refused_when_it_has_caught_up() {
    let (mut disk, mut peer) = (Disk::default(), Disk::default().start(S2));
    disk.start(S1);
    let mut copy = disk.clone();
    assert_eq!(verdict(&mut peer, &disk.start(S1)), Ok(()));
    refuses(&mut peer, &copy.start(S1), "clone of its store: start 2");
}

#[test]
fn a_copy_that_lost_a_term_is_refused_whatever_its_starts() {
    let (mut disk, mut peer) = (Disk::default(), Disk::default().start(S2));
    disk.write(3, 0);
    let before = disk.start(S1);
    let mut copy = disk.clone();
    assert_eq!(verdict(&mut peer, &before), Ok(()));
    peer.shown(S1, Progress { term: 5, index: 0 });
    // A hello of the same run may be older than a message.
    assert_eq!(verdict(&mut peer, &before), Ok(()));
    let mut old = copy.start(S1);
    refuses(&mut peer, &old, "terms up to 3, and had shown term 5");
    // Alone, a server stands for election, and its term rises.
    old.reached(9);
    refuses(&mut peer, &old, "terms up to 3, and had shown term 5");
    refuses(&mut old, &peer, "terms up to 3, and had shown term 5");
    disk.write(5, 0);
    assert_eq!(verdict(&mut peer, &disk.start(S1)), Ok(()));
}

#[test]
fn a_copy_made_in_the_middle_of_a_run_is_refused_if_it_lost_what_was_acknowledged() {
    let (mut disk, mut leader) = (Disk::default(), Disk::default().start(S2));
    disk.write(3, 2);
    let before = disk.start(S1);
    let (mut same, mut later) = (disk.clone(), disk.clone());
    assert_eq!(verdict(&mut leader, &before), Ok(()));
    leader.shown(S1, Progress { term: 3, index: 2 });
    assert_eq!(verdict(&mut leader, &same.start(S1)), Ok(()));
    leader.shown(S1, Progress { term: 3, index: 3 });
    let third = &mut Disk::default().start(S3);
    assert_eq!(verdict(third, &leader), Ok(()));
    same = disk.clone();
    same.start(S1);
    for peer in [&mut leader, third] {
        refuses(peer, &same.start(S1), "ends at index 2, and in the same term it had ack");
    }
    // Whoever knew nothing of that accepts it, until the two meet.
    let mut unaware = Disk::default().start(S3);
    assert_eq!(verdict(&mut unaware, &same.start(S1)), Ok(()));
    assert_eq!(unaware.meet(S2, Some(&leader.hello())).again, [S1]);
    refuses(&mut unaware, &same.start(S1), "peers remember different stores");
    // In a later term, another leader may have cut what was acknowledged and not committed.
    later.start(S1);
    later.write(4, 0);
    assert_eq!(verdict(&mut leader, &later.start(S1)), Ok(()));
}

#[test]
fn what_is_remembered_survives_and_travels() {
    let (mut disk, mut peer, mut third) =
        (Disk::default(), Disk::default(), Disk::default().start(S3));
    let mut registry = peer.start(S2);
    assert_eq!(verdict(&mut registry, &disk.start(S1)), Ok(()));
    peer.save(&mut registry);
    let mut registry = peer.start(S2);
    refuses(&mut registry, &Disk::default().start(S1), "another store");
    assert_eq!(verdict(&mut third, &registry), Ok(()));
    refuses(&mut third, &Disk::default().start(S1), "another store");
    // News of a third server breaks its connections, the same news again does not.
    let meet = |third: &mut Registry| third.meet(S2, Some(&registry.hello())).again;
    assert_eq!(meet(&mut third), []);
    let newer = disk.start(S1);
    assert_eq!(verdict(&mut registry, &newer), Ok(()));
    let news = third.meet(S2, Some(&registry.hello()));
    assert_eq!((news.again, news.verdict), ([S1].into(), Ok(())));
    assert_eq!(third.meet(S2, Some(&registry.hello())).again, []);
}

#[test]
fn two_stores_of_one_server_are_both_refused_by_all_who_hear_of_it() {
    let (mut one, mut two) = (Disk::default().start(S2), Disk::default().start(S3));
    let (mut first, mut second) = (Disk::default().start(S1), Disk::default().start(S1));
    assert_eq!(verdict(&mut one, &first), Ok(()));
    assert_eq!(verdict(&mut two, &second), Ok(()));
    let meeting = one.meet(S3, Some(&two.hello()));
    assert_eq!((meeting.verdict, meeting.again), (Ok(()), [S1].into()));
    assert_eq!(verdict(&mut two, &one), Ok(()));
    for peer in [&mut one, &mut two] {
        refuses(peer, &first, "peers remember different stores of S1");
        refuses(peer, &second, "peers remember different stores of S1");
    }
    refuses(&mut first, &one, "different stores");
    refuses(&mut second, &two, "different stores");
}

#[test]
fn a_peer_that_says_nothing_is_accepted_until_it_has_said_something() {
    let mut peer = Disk::default().start(S2);
    for nothing in [None, Some(&b""[..])] {
        assert_eq!(peer.meet(S1, nothing).verdict, Ok(()));
        assert!(peer.speaks_version_1(S1));
    }
    assert_eq!(verdict(&mut peer, &Disk::default().start(S1)), Ok(()));
    assert!(!peer.speaks_version_1(S1));
    let refusal = peer.meet(S1, None).verdict.unwrap_err().to_string();
    assert!(refusal.contains("S1 says nothing of its store"), "{refusal}");
}

/// S1 lost its disk; S2 leads term 7.
fn wiped() -> (Registry, Registry, Disk) {
    let mut leader = Disk::default().start(S2);
    let mut old = Disk::default();
    old.write(3, 1);
    assert_eq!(verdict(&mut leader, &old.start(S1)), Ok(()));
    leader.readmit(S1, 7).unwrap();
    (leader, Disk::default().start(S1), old)
}

#[test]
fn a_wiped_server_comes_back_with_a_new_generation_and_a_later_term() {
    let (mut leader, mut blank, _) = wiped();
    refuses(&mut leader, &blank, "generation 0, known is 7");
    let meeting = blank.meet(S2, Some(&leader.hello()));
    let adoption = Adoption { generation: 7, term: 8, incarnation: 0 };
    assert_eq!(meeting.adopt, Some(adoption));
    assert!(meeting.verdict.is_err());
    // The generation is not said before the term is durable; and the leader looks at both.
    blank.adopt(adoption);
    refuses(&mut leader, &blank, "still in an earlier term");
    blank.reached(8);
    assert_eq!(verdict(&mut leader, &blank), Ok(()));
    assert_eq!(verdict(&mut blank, &leader), Ok(()));
    // Now this store is the one; no other blank one is.
    let mut another = Disk::default().start(S1);
    another.adopt(adoption);
    another.reached(8);
    refuses(&mut leader, &another, "another store");
    // Who knew only the old store accepts the greater generation, and no longer the old one.
    let mut third = Disk::default().start(S3);
    assert_eq!(verdict(&mut third, &Disk::default().start(S1)), Ok(()));
    assert_eq!(verdict(&mut third, &blank), Ok(()));
    refuses(&mut third, &Disk::default().start(S1), "generation 0, known is 7");
}

/// Stores made from a backup belong to its incarnation, and so does one that is readmitted there.
#[test]
fn stores_of_one_backup_know_each_other_and_nobody_else() {
    let made = |incarnation| {
        let mut disk = Disk::default();
        disk.notes.insert(INCARNATION.into(), incarnation_note(incarnation));
        disk.records.write(Record::Ballot { current_term: 4, voted_for: None });
        disk.records.write(Record::Base(Base { last_index: 9, last_term: 4 }));
        disk
    };
    let (mut leader, mut peer) = (made(5).start(S2), made(5).start(S3));
    assert_eq!((leader.own().incarnation, leader.own().born_empty), (5, false));
    assert_eq!(verdict(&mut leader, &peer), Ok(()));
    refuses(&mut leader, &made(6).start(S1), "incarnation 6");
    refuses(&mut leader, &Disk::default().start(S1), "incarnation 0");
    refuses(&mut Disk::default().start(S1), &leader, "incarnation 5");
    // What it was made from is asked once: later it is that.
    let mut disk = made(5);
    disk.start(S1);
    disk.notes.remove(INCARNATION);
    assert_eq!(disk.start(S1).own().incarnation, 5);
    assert_eq!(verdict(&mut leader, &disk.start(S1)), Ok(()));

    // Its disk is lost. Nobody's blank store comes in uncalled, nor one that is not blank.
    let mut blank = Disk::default().start(S1);
    assert_eq!(blank.meet(S2, Some(&leader.hello())).adopt, None);
    leader.readmit(S1, 7).unwrap();
    let mut used = Disk::default();
    used.start(S1);
    used.write(1, 1);
    assert_eq!(used.start(S1).meet(S2, Some(&leader.hello())).adopt, None);
    let adoption = Adoption { generation: 7, term: 8, incarnation: 5 };
    assert_eq!(blank.meet(S2, Some(&leader.hello())).adopt, Some(adoption));
    blank.adopt(adoption);
    blank.reached(8);
    assert_eq!(verdict(&mut leader, &blank), Ok(()));
    assert_eq!(verdict(&mut blank, &leader), Ok(()));
    assert_eq!(verdict(&mut peer, &blank), Ok(()));
}

#[test]
fn a_store_that_is_half_made_from_a_backup_does_not_start() {
    let mut disk = Disk::default();
    disk.notes.insert(RESTORING.into(), b"5".to_vec());
    unfit(&mut disk, asked(S1, 3), &["not restored to its end", "restore it again"]);
}

#[test]
fn a_store_that_is_not_blank_is_never_readmitted() {
    let (mut leader, _, mut old) = wiped();
    let mut old = old.start(S1);
    refuses(&mut leader, &old, "a store that the cluster has replaced");
    let meeting = old.meet(S2, Some(&leader.hello()));
    assert_eq!(meeting.adopt, None);
    assert!(old.disowned().is_some());
    // Also one that is blank no longer, and one from before identities.
    old.own.disowned = None;
    old.adopt(Adoption { generation: 7, term: 8, incarnation: 0 });
    old.reached(8);
    refuses(&mut leader, &old, "held records when it was first used");
    let mut used = Disk::default();
    used.start(S1);
    used.write(1, 1);
    assert_eq!(used.start(S1).meet(S2, Some(&leader.hello())).adopt, None);
}

#[test]
fn a_blank_store_that_was_told_it_is_not_known_can_still_be_readmitted() {
    let mut leader = Disk::default().start(S2);
    assert_eq!(verdict(&mut leader, &Disk::default().start(S1)), Ok(()));
    let mut disk = Disk::default();
    let mut blank = disk.start(S1);
    refuses(&mut blank, &leader, "another store");
    disk.save(&mut blank);
    leader.readmit(S1, 7).unwrap();
    let mut blank = disk.start(S1);
    let adoption = blank.meet(S2, Some(&leader.hello())).adopt.unwrap();
    let (name, value) = blank.adopting(adoption);
    blank.reached(adoption.term);
    disk.notes.insert(name.into(), value);
    disk.records.write(Record::Ballot { current_term: adoption.term, voted_for: None });
    assert_eq!(verdict(&mut leader, &disk.start(S1)), Ok(()));
}

#[test]
fn a_leader_gives_one_generation_and_a_later_one_a_greater() {
    let mut leader = Disk::default().start(S2);
    assert_eq!(leader.readmit(S1, 7), Ok(()));
    assert_eq!(leader.readmit(S1, 7), Ok(()));
    assert_eq!(leader.readmit(S1, 9), Ok(()));
    assert_eq!(leader.readmit(S1, 8).unwrap_err().generation, 9);
    let seen = Store::Seen(Seen { number: 1, starts: 1, run: 1, began: Progress::default() });
    leader.known.insert(S1, Known { store: seen, ..Known::awaited(9) });
    assert_eq!(leader.readmit(S1, 9).unwrap_err().store, seen);
}

#[test]
fn memories_merge_alike_from_both_sides() {
    let seen = |number, starts, run| {
        Store::Seen(Seen { number, starts, run, began: Progress { term: starts, index: 0 } })
    };
    let known = |generation, store, term| {
        let progress = Progress { term, index: 0 };
        Known { generation, store, progress }
    };
    let (low, high) = (known(1, seen(1, 9, 9), 9), known(2, seen(2, 1, 1), 1));
    let rows = [
        (low, high, high),
        (known(1, seen(1, 3, 3), 4), known(1, seen(1, 5, 5), 2), known(1, seen(1, 5, 5), 4)),
        (known(1, seen(1, 3, 3), 4), known(1, seen(1, 3, 3), 6), known(1, seen(1, 3, 3), 6)),
        (known(1, seen(1, 3, 3), 4), known(1, seen(1, 3, 8), 4), known(1, Store::Disputed, 4)),
        // The fifth start began in term 5, and the third had shown term 6.
        (known(1, seen(1, 3, 3), 6), known(1, seen(1, 5, 5), 5), known(1, Store::Disputed, 6)),
        (known(1, seen(1, 3, 3), 4), known(1, seen(2, 3, 3), 4), known(1, Store::Disputed, 4)),
        (known(1, Store::Awaited, 2), known(1, seen(2, 3, 3), 4), known(1, seen(2, 3, 3), 4)),
        (known(1, Store::Disputed, 2), known(1, seen(2, 3, 3), 4), known(1, Store::Disputed, 4)),
        (known(1, Store::Disputed, 2), known(2, Store::Awaited, 3), known(2, Store::Awaited, 3)),
    ];
    for (one, two, merged) in rows {
        assert_eq!((one.merge(two), two.merge(one)), (merged, merged));
    }
}
