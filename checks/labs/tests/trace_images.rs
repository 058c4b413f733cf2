//! `check trace` on recordings of servers that compact their logs.

mod recording;

use recording::{Recording, append, entry, problems, snapshot, vote};
use veraft::figure2::{AppendEntriesReply, AppendOutcome, Base, Input, Message, ServerId, Timer};
use veraft_labs::trace::Discrepancy;

const BASE: Base = Base { last_index: 3, last_term: 2 };

/// A server takes the image of a leader that recorded nothing, and goes on from there.
fn installs() -> Recording {
    let mut recording = Recording::start(0);
    recording.receive(2, snapshot(4, BASE));
    recording
}

#[test]
fn a_recording_goes_on_from_an_image() {
    let mut recording = installs();
    recording.receive(2, append(4, (3, 2), &[entry(4, "a")], 4));
    recording.durable();
    recording.restart(false);
    recording.receive(2, append(4, (4, 4), &[entry(4, "b")], 5));
    recording.durable();
    assert_eq!(problems(&[recording]), []);
    // Entry 4 is not the next one of a server that was not restored.
    let mut recording = Recording::behind_a_base(0, BASE, &[entry(2, "a")]);
    recording.receive(2, append(4, (4, 2), &[], 4));
    recording.durable();
    assert_eq!(problems(&[recording]), []);
}

#[test]
fn another_entry_at_the_mark_of_an_image_is_found_in_whatever_order() {
    let mut recording = installs();
    recording.durable();
    let mut other = Recording::start(1);
    let log = [entry(2, "a"), entry(2, "b"), entry(3, "c")];
    other.receive(2, append(4, (0, 0), &log, 3));
    other.durable();
    other.stored();
    let differs = |found: Vec<(u64, Discrepancy)>| {
        let [(_, Discrepancy::AppliedDiffers { index: 3, .. })] = &found[..] else {
            panic!("{found:?}")
        };
    };
    differs(problems(&[recording.clone(), other.clone()]));
    differs(problems(&[other, recording.clone()]));
    let mut other = Recording::start(1);
    other.receive(2, snapshot(4, Base { last_index: 3, last_term: 3 }));
    other.durable();
    differs(problems(&[recording, other]));
}

/// Whoever has an image of a later mark than the leader's takes the message for that.
#[test]
fn a_snapshot_may_arrive_with_a_later_mark_than_it_was_sent_with() {
    let mut leader = Recording::behind_a_base(2, Base { last_index: 2, last_term: 2 }, &[]);
    leader.step(Input::Timeout(Timer::Election));
    leader.receive(1, vote(3));
    let refusal =
        AppendOutcome::Conflict { prev_log_index: 2, conflict_term: None, conflict_index: 1 };
    let refusal = AppendEntriesReply { term: 3, outcome: refusal };
    let sent = leader
        .step(Input::Receive { from: ServerId(0), message: Message::AppendEntriesReply(refusal) });
    leader.durable();
    assert!(matches!(&sent[..], [(ServerId(0), Message::InstallSnapshot(_))]));
    let mut follower = Recording::start(0);
    follower.receive(2, snapshot(3, BASE));
    follower.durable();
    let never = |found: &[(u64, Discrepancy)]| {
        found.iter().any(|(_, found)| *found == Discrepancy::NeverSent { from: ServerId(2) })
    };
    assert!(!never(&problems(&[leader.clone(), follower])));
    // In a term in which nobody sent it, it is none.
    let mut follower = Recording::start(0);
    follower.receive(2, snapshot(4, BASE));
    follower.durable();
    assert!(never(&problems(&[leader, follower])));
}
