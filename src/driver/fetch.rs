//! The side of a transfer that fetches an image.

#[cfg(test)]
mod tests;

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
