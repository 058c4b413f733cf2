//! One side of a transfer, step by step.

use super::*;
use crate::driver::image::IMAGE_PART;
use crate::figure2::Base;
use alloc::vec;

const A: ServerId = ServerId(1);
const B: ServerId = ServerId(2);
const C: ServerId = ServerId(3);
const LENGTH: u64 = 4_000_000;

fn image(last_index: Index) -> ImageName {
    ImageName { base: Base { last_index, last_term: 1 }, number: last_index }
}

fn part(stream: u32, last_index: Index, offset: u64) -> ImagePart {
    let bytes = vec![b'x'; (LENGTH - offset).min(IMAGE_PART as u64) as usize];
    ImagePart { stream, image: image(last_index), length: LENGTH, offset, bytes }
}

/// Whom it asks, in which stream, for what.
fn asks(duties: Vec<FetchDuty>) -> Vec<(ServerId, u32, Option<ImageName>, u64)> {
    let ask = |duty| match duty {
        FetchDuty::Ask { to, ask } => Some((to, ask.stream, ask.has, ask.offset)),
        FetchDuty::Begin(_) | FetchDuty::Append(_) | FetchDuty::Finish(_) => None,
    };
    duties.into_iter().filter_map(ask).collect()
}

/// Takes parts of a stream, from where it is; returns what it asks for meanwhile.
fn take(
    fetch: &mut Fetch,
    now: Duration,
    from: ServerId,
    stream: u32,
    count: u64,
) -> Vec<FetchDuty> {
    let mut duties = Vec::new();
    for _ in 0..count {
        let (image, offset) = fetch.under_way().unwrap_or((image(9), 0));
        let part = part(stream, image.base.last_index, offset);
        duties.extend(fetch.part(now, from, part).unwrap());
    }
    duties
}

#[test]
fn it_asks_for_more_as_it_takes_what_comes() {
    let mut fetch = Fetch::new(7, None);
    assert_eq!((fetch.next(), fetch.is_wanting()), (None, false));
    assert_eq!(asks(fetch.want(Duration::ZERO, 5, &[A])), [(A, 1, None, 0)]);
    assert_eq!(fetch.want(Duration::ZERO, 5, &[A]), [], "a repeated wish changes nothing");
    let parts = LENGTH.div_ceil(IMAGE_PART as u64);
    let duties = take(&mut fetch, Duration::ZERO, A, 1, parts);
    assert_eq!(duties[0], FetchDuty::Begin(image(9)));
    assert_eq!(*duties.last().unwrap(), FetchDuty::Finish(image(9)));
    let appended = duties.iter().map(|duty| match duty {
        FetchDuty::Append(bytes) => bytes.len() as u64,
        FetchDuty::Begin(_) | FetchDuty::Finish(_) | FetchDuty::Ask { .. } => 0,
    });
    assert_eq!(appended.sum::<u64>(), LENGTH);
    let asked = asks(duties);
    let expected = |n| (A, 1, Some(image(9)), n * WINDOW / 2);
    assert_eq!(asked, [expected(1), expected(2), expected(3)]);
    fetch.finished();
    assert_eq!((fetch.next(), fetch.is_wanting()), (None, false));
}

#[test]
fn what_no_correct_peer_sends_changes_nothing() {
    let mut fetch = Fetch::new(7, None);
    fetch.want(Duration::ZERO, 5, &[A]);
    take(&mut fetch, Duration::ZERO, A, 1, 2);
    let at = 2 * IMAGE_PART as u64;
    let wrong = [
        (ImagePart { bytes: vec![0; IMAGE_PART + 1], ..part(1, 9, at) }, ParcelBreach::TooLarge),
        (ImagePart { offset: LENGTH - 1, ..part(1, 9, at) }, ParcelBreach::PastTheEnd),
        (ImagePart { offset: u64::MAX, ..part(1, 9, at) }, ParcelBreach::PastTheEnd),
        (ImagePart { bytes: vec![], ..part(1, 9, at) }, ParcelBreach::PastTheEnd),
        (ImagePart { length: LENGTH + 1, ..part(1, 9, at) }, ParcelBreach::OtherLength),
    ];
    for (part, breach) in wrong {
        assert_eq!(fetch.part(Duration::ZERO, A, part), Err(breach));
        assert_eq!(fetch.under_way(), Some((image(9), at)));
    }
}

#[test]
fn what_nobody_asked_for_is_left_alone() {
    let mut fetch = Fetch::new(7, None);
    assert_eq!(fetch.part(Duration::ZERO, A, part(1, 9, 0)), Ok(vec![]), "nothing is wanted");
    fetch.want(Duration::ZERO, 5, &[A]);
    assert_eq!(fetch.part(Duration::ZERO, A, part(1, 4, 0)), Ok(vec![]), "it falls short");
    assert_eq!(fetch.part(Duration::ZERO, B, part(1, 9, 0)), Ok(vec![]), "of another peer");
    assert_eq!(fetch.part(Duration::ZERO, A, part(2, 9, 0)), Ok(vec![]), "of another stream");
    take(&mut fetch, Duration::ZERO, A, 1, 2);
    assert_eq!(fetch.part(Duration::ZERO, A, part(1, 9, 0)), Ok(vec![]), "it came before");
    assert_eq!(fetch.part(Duration::ZERO, B, part(1, 12, 0)), Ok(vec![]), "another image");
    assert_eq!(fetch.under_way(), Some((image(9), 2 * IMAGE_PART as u64)));
}

#[test]
fn a_lost_part_is_asked_for_at_once_and_then_only_after_a_while() {
    let mut fetch = Fetch::new(7, None);
    fetch.want(Duration::ZERO, 5, &[A]);
    take(&mut fetch, AGAIN, A, 1, 2);
    let at = 2 * IMAGE_PART as u64;
    let gap = part(1, 9, 3 * IMAGE_PART as u64);
    let again = fetch.part(AGAIN, A, gap.clone()).unwrap();
    assert_eq!(asks(again), [(A, 2, Some(image(9)), at)]);
    // What follows in the old stream, and is lost in the new one too.
    assert_eq!(fetch.part(AGAIN, A, gap), Ok(vec![]));
    assert_eq!(fetch.part(AGAIN, A, part(2, 9, 3 * IMAGE_PART as u64)), Ok(vec![]));
    assert_eq!(fetch.due(AGAIN * 2 - Duration::from_nanos(1)), []);
    assert_eq!(asks(fetch.due(AGAIN * 2)), [(A, 3, Some(image(9)), at)]);
    // The part itself is welcome whatever stream it is of.
    take(&mut fetch, AGAIN * 2, A, 1, 1);
    assert_eq!(fetch.under_way(), Some((image(9), 3 * IMAGE_PART as u64)));
}

#[test]
fn a_transfer_outlives_its_leader_and_begins_anew_only_if_it_has_to() {
    let mut fetch = Fetch::new(7, None);
    fetch.want(Duration::ZERO, 5, &[A]);
    take(&mut fetch, Duration::ZERO, A, 1, 2);
    // B leads now, and A still sends.
    assert_eq!(fetch.want(Duration::ZERO, 8, &[B]), []);
    take(&mut fetch, Duration::ZERO, A, 1, 1);
    let at = 3 * IMAGE_PART as u64;
    // A dies: asked three times, then B, which says that it has another image.
    for n in 1..TRIES {
        assert_eq!(asks(fetch.due(AGAIN * n)), [(A, 1 + n, Some(image(9)), at)]);
    }
    assert_eq!(asks(fetch.due(AGAIN * TRIES)), [(B, TRIES + 1, Some(image(9)), at)]);
    let begun = fetch.part(AGAIN * TRIES, B, part(TRIES + 1, 12, 0)).unwrap();
    assert_eq!(begun[0], FetchDuty::Begin(image(12)));
    // That falls short of what the next leader says.
    let wanted = fetch.want(AGAIN * TRIES, 13, &[C]);
    assert_eq!(asks(wanted), [(C, TRIES + 2, None, 0)]);
    assert_eq!(fetch.under_way(), None);
}

#[test]
fn everybody_is_asked_once_when_there_is_no_image_and_again_after_a_while() {
    let mut fetch = Fetch::new(7, None);
    assert_eq!(asks(fetch.want(Duration::ZERO, 5, &[A, B, C])), [(A, 1, None, 0)]);
    assert_eq!(fetch.no_image(Duration::ZERO, B, 1), [], "it was not asked");
    assert_eq!(fetch.no_image(Duration::ZERO, A, 2), [], "not in this stream");
    assert_eq!(asks(fetch.no_image(Duration::ZERO, A, 1)), [(B, 2, None, 0)]);
    assert_eq!(asks(fetch.no_image(Duration::ZERO, B, 2)), [(C, 3, None, 0)]);
    assert_eq!(fetch.no_image(Duration::ZERO, C, 3), []);
    assert_eq!(asks(fetch.due(AGAIN)), [(A, 4, None, 0)]);
}

#[test]
fn what_is_here_after_a_restart_is_not_fetched_again() {
    let mut fetch = Fetch::new(7, Some((image(9), 1000)));
    assert_eq!(fetch.under_way(), None, "nothing is wanted yet");
    assert_eq!(asks(fetch.want(Duration::ZERO, 9, &[A])), [(A, 1, Some(image(9)), 1000)]);
    // All of it was here already.
    let mut fetch = Fetch::new(7, Some((image(9), LENGTH)));
    fetch.want(Duration::ZERO, 9, &[A]);
    let whole = fetch.part(Duration::ZERO, A, part(1, 9, LENGTH)).unwrap();
    assert_eq!(whole, [FetchDuty::Finish(image(9))]);
    let mut fetch = Fetch::new(7, Some((image(9), 1000)));
    assert_eq!(asks(fetch.want(Duration::ZERO, 10, &[A])), [(A, 1, None, 0)], "it falls short");
}

#[test]
fn what_is_spoiled_is_fetched_again_after_a_while_and_from_another_if_there_is_one() {
    for (sources, next) in [(&[A][..], A), (&[A, B][..], B)] {
        let mut fetch = Fetch::new(7, None);
        fetch.want(Duration::ZERO, 5, sources);
        take(&mut fetch, Duration::ZERO, A, 1, 2);
        fetch.spoiled(Duration::ZERO, AGAIN * 3);
        for late in [0, 2 * IMAGE_PART as u64] {
            assert_eq!(fetch.part(Duration::ZERO, A, part(1, 9, late)), Ok(vec![]));
        }
        assert_eq!(fetch.due(AGAIN * 3 - Duration::from_nanos(1)), []);
        assert_eq!(asks(fetch.due(AGAIN * 3)), [(next, 3, None, 0)]);
    }
    // Only as it is finished, it turns out that it is not sound.
    let mut fetch = Fetch::new(7, Some((image(9), LENGTH)));
    fetch.want(Duration::ZERO, 5, &[A, B]);
    let whole = fetch.part(Duration::ZERO, A, part(1, 9, LENGTH)).unwrap();
    assert_eq!(whole, [FetchDuty::Finish(image(9))]);
    fetch.spoiled(Duration::ZERO, AGAIN);
    assert_eq!(asks(fetch.due(AGAIN)), [(B, 4, None, 0)]);
}
