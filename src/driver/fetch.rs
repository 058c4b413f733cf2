//! The side of a transfer that fetches an image.

use alloc::vec::Vec;
use core::time::Duration;

use super::image::{Ask, ImageName, ImagePart, ParcelBreach};
use crate::figure2::{Index, ServerId};

/// How many bytes are under way at most. The fetching side holds no more of an image in memory.
pub const WINDOW: u64 = 2 * 1024 * 1024;

/// How long to wait for a part before asking again.
pub const AGAIN: Duration = Duration::from_secs(1);

/// How often to ask a peer in vain before another one is asked, if there is one.
const TRIES: u32 = 3;

/// Fetches one image at a time, from whoever has it. A pure state machine: it is told what
/// happens, and says what is to be done.
///
/// A transfer outlives connections, leaders and terms: it goes on where it was, as long as anybody
/// has the same image. It begins anew when a peer serves another one, or when the image does not
/// reach far enough any more.
#[derive(Clone, Debug)]
pub struct Fetch {
    run: u64,
    /// How many streams there were.
    streams: u32,
    wanted: Option<Wanted>,
    partial: Option<Partial>,
    stream: Option<Stream>,
}

#[derive(Clone, Debug)]
struct Wanted {
    at_least: Index,
    /// Whom to ask, the first one first. Never empty.
    sources: Vec<ServerId>,
}

/// An image of which the first bytes are here.
#[derive(Clone, Copy, Debug)]
struct Partial {
    image: ImageName,
    offset: u64,
    /// What parts have told since the start.
    length: Option<u64>,
}

/// What was asked for last.
#[derive(Clone, Copy, Debug)]
struct Stream {
    number: u32,
    from: ServerId,
    /// Up to where the sender may send.
    until: u64,
    /// When something useful came last, or was asked for.
    since: Duration,
    /// How often the sender was asked in vain.
    tries: u32,
    /// How many others have said in a row that they have no image.
    denials: usize,
    /// Whether a missing part was asked for already.
    mended: bool,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchDuty {
    /// Begin this image, in the place of what there is of any other.
    Begin(ImageName),
    /// Add these bytes at its end.
    Append(Vec<u8>),
    /// It is whole: verify it and keep it, then say so: [`Fetch::finished`], or
    /// [`Fetch::spoiled`].
    Finish(ImageName),
    /// Send this to a peer.
    Ask {
        /// The peer.
        to: ServerId,
        /// What is asked for.
        ask: Ask,
    },
}

impl Fetch {
    /// Nothing is wanted yet. `run` is a random number; `partial` is the image of which the first
    /// bytes are here from before, and how many.
    pub fn new(run: u64, partial: Option<(ImageName, u64)>) -> Self {
        let partial = partial.map(|(image, offset)| Partial { image, offset, length: None });
        Fetch { run, streams: 0, wanted: None, partial, stream: None }
    }

    /// The image that is under way, and how many of its bytes are here.
    pub fn under_way(&self) -> Option<(ImageName, u64)> {
        self.wanted.as_ref().and(self.partial.as_ref()).map(|one| (one.image, one.offset))
    }

    /// Whether an image is wanted.
    pub fn is_wanting(&self) -> bool {
        self.wanted.is_some()
    }

    /// An image is wanted that reaches `at_least`, and `sources` have one, the first one surely.
    /// What is under way goes on, if that is enough.
    pub fn want(&mut self, now: Duration, at_least: Index, sources: &[ServerId]) -> Vec<FetchDuty> {
        let Some(&first) = sources.first() else { return Vec::new() };
        let mut all: Vec<ServerId> = Vec::new();
        let before = self.wanted.take().map_or(Vec::new(), |wanted| wanted.sources);
        for &source in sources.iter().chain(&before) {
            if !all.contains(&source) {
                all.push(source);
            }
        }
        self.wanted = Some(Wanted { at_least, sources: all });
        let falls_short = |partial: &mut Partial| partial.image.base.last_index < at_least;
        let useless = self.partial.take_if(falls_short).is_some();
        match useless || self.stream.is_none() {
            true => Vec::from([self.ask(now, first, 0, 0)]),
            false => Vec::new(),
        }
    }

    /// Nothing is wanted any more. What is here stays for another time.
    pub fn stop(&mut self) {
        self.wanted = None;
        self.stream = None;
    }

    /// What came is of no use: it is damaged, or could not be written. It is asked for again after
    /// a pause of [`AGAIN`] at least, and of another peer, if there is one.
    pub fn spoiled(&mut self, now: Duration, pause: Duration) {
        self.partial = None;
        self.rest(now + pause.saturating_sub(AGAIN), TRIES);
    }

    /// An image is whole, and kept.
    pub fn finished(&mut self) {
        self.partial = None;
        self.stop();
    }

    /// What is still under way is none of what will be asked for.
    fn rest(&mut self, since: Duration, tries: u32) {
        self.streams += 1;
        let number = self.streams;
        if let Some(stream) = &mut self.stream {
            *stream = Stream { number, since, tries, ..*stream };
        }
    }

    /// When [`due`](Self::due) has something to do, unless a part comes.
    pub fn next(&self) -> Option<Duration> {
        self.stream.as_ref().map(|stream| stream.since + AGAIN)
    }

    /// Asks again, if nothing has come for long.
    pub fn due(&mut self, now: Duration) -> Vec<FetchDuty> {
        let Some(stream) = self.stream.filter(|stream| stream.since + AGAIN <= now) else {
            return Vec::new();
        };
        let tries = stream.tries + 1;
        match self.other_than(stream.from).filter(|_| tries >= TRIES) {
            Some(other) => Vec::from([self.ask(now, other, 0, 0)]),
            None => Vec::from([self.ask(now, stream.from, tries, 0)]),
        }
    }

    /// A peer has no image that reaches far enough.
    pub fn no_image(&mut self, now: Duration, from: ServerId, number: u32) -> Vec<FetchDuty> {
        let is_asked = |stream: &&Stream| (stream.from, stream.number) == (from, number);
        let Some(stream) = self.stream.as_ref().filter(is_asked).copied() else {
            return Vec::new();
        };
        let others = self.wanted.as_ref().map_or(0, |wanted| wanted.sources.len());
        match self.other_than(from) {
            // Everybody is asked once in a row.
            Some(other) if stream.denials + 1 < others => {
                Vec::from([self.ask(now, other, 0, stream.denials + 1)])
            }
            Some(_) | None => {
                self.stream = Some(Stream { since: now, tries: TRIES, denials: 0, ..stream });
                Vec::new()
            }
        }
    }

    /// A part has come.
    ///
    /// # Errors
    /// When no correct peer sends it. It changes nothing.
    pub fn part(
        &mut self,
        now: Duration,
        from: ServerId,
        part: ImagePart,
    ) -> Result<Vec<FetchDuty>, ParcelBreach> {
        part.examine()?;
        let Some(wanted) = &self.wanted else { return Ok(Vec::new()) };
        if part.image.base.last_index < wanted.at_least {
            return Ok(Vec::new());
        }
        let is_asked = self.stream.is_some_and(|one| (one.from, one.number) == (from, part.stream));
        let known = self.partial.filter(|partial| partial.image == part.image);
        if known.and_then(|known| known.length).is_some_and(|length| length != part.length) {
            return Err(ParcelBreach::OtherLength);
        }
        let here = known.map_or(0, |known| known.offset);
        if part.offset != here {
            return Ok(match is_asked && part.offset > here {
                true => self.mend(now),
                false => Vec::new(),
            });
        }
        // Another image than the one that is here: only from whoever knows what is here.
        if known.is_none() && !is_asked {
            return Ok(Vec::new());
        }
        let ImagePart { stream: _, image, length, offset, bytes } = part;
        let mut duties = Vec::new();
        if known.is_none() {
            duties.push(FetchDuty::Begin(image));
        }
        let offset = offset + bytes.len() as u64;
        if !bytes.is_empty() {
            duties.push(FetchDuty::Append(bytes));
        }
        if offset == length {
            duties.push(FetchDuty::Finish(image));
            self.partial = None;
            self.rest(now, TRIES);
            return Ok(duties);
        }
        self.partial = Some(Partial { image, offset, length: Some(length) });
        duties.extend(self.go_on(now, offset));
        Ok(duties)
    }

    /// Bytes up to `offset` are here: the sender may send more, once half of the window is used.
    fn go_on(&mut self, now: Duration, offset: u64) -> Option<FetchDuty> {
        let stream = self.stream.as_mut()?;
        *stream = Stream { since: now, tries: 0, denials: 0, mended: false, ..*stream };
        if stream.until > offset + WINDOW / 2 {
            return None;
        }
        stream.until = offset + WINDOW;
        let (to, number) = (stream.from, stream.number);
        Some(FetchDuty::Ask { to, ask: self.ask_in(number) })
    }

    /// A part was lost on the way: asks for it at once, but no more than once.
    fn mend(&mut self, now: Duration) -> Vec<FetchDuty> {
        match self.stream {
            Some(stream) if !stream.mended => {
                let ask = self.ask(now, stream.from, stream.tries, 0);
                if let Some(stream) = &mut self.stream {
                    stream.mended = true;
                }
                Vec::from([ask])
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Begins a new stream.
    fn ask(&mut self, now: Duration, to: ServerId, tries: u32, denials: usize) -> FetchDuty {
        self.streams += 1;
        let number = self.streams;
        let until = self.partial.map_or(0, |partial| partial.offset) + WINDOW;
        let mended = false;
        self.stream = Some(Stream { number, from: to, until, since: now, tries, denials, mended });
        FetchDuty::Ask { to, ask: self.ask_in(number) }
    }

    fn ask_in(&self, stream: u32) -> Ask {
        Ask {
            run: self.run,
            stream,
            at_least: self.wanted.as_ref().map_or(0, |wanted| wanted.at_least),
            has: self.partial.map(|partial| partial.image),
            offset: self.partial.map_or(0, |partial| partial.offset),
            window: WINDOW,
        }
    }

    /// Whom to ask after `source`: the first one, if it is another.
    fn other_than(&self, source: ServerId) -> Option<ServerId> {
        let sources = &self.wanted.as_ref()?.sources;
        let at = sources.iter().position(|&one| one == source);
        let next = at.map_or(0, |at| (at + 1) % sources.len());
        sources.get(next).copied().filter(|&next| next != source)
    }
}

#[cfg(test)]
mod tests {
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
            (
                ImagePart { bytes: vec![0; IMAGE_PART + 1], ..part(1, 9, at) },
                ParcelBreach::TooLarge,
            ),
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
}
