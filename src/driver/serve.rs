//! The side of a transfer that has the image: what it sends to one peer.

use alloc::vec::Vec;
use core::time::Duration;

use super::image::{Ask, IMAGE_PART, ImageName, ParcelBreach};
use super::pace::Pace;
use crate::figure2::Index;

/// How long after the last ask, and the last part, a transfer counts as under way.
pub const QUIET: Duration = Duration::from_secs(10);

/// What goes to one peer: one image at a time, as far as the peer has asked. A pure state machine.
#[derive(Clone, Debug, Default)]
pub struct Serve {
    transfer: Option<Transfer>,
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    run: u64,
    stream: u32,
    image: ImageName,
    length: u64,
    /// What was sent last ended here.
    position: u64,
    /// Up to where the peer has asked.
    until: u64,
    /// Whether a part is to be sent that has no bytes: the peer has all of them.
    only_length: bool,
    /// The next part may leave then.
    leaves: Option<(Duration, u64)>,
    /// When the peer asked last, or something was sent to it.
    busy: Duration,
}

/// What a node has to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// A finished image.
    pub image: ImageName,
    /// How many bytes it has.
    pub length: u64,
}

/// What an ask leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskOutcome {
    /// There is something to send, now or later.
    Serves,
    /// Nothing changes: it is older than what was asked already.
    Late,
    /// No image reaches so far: the peer is to be told.
    NoImage {
        /// See [`Ask::stream`].
        stream: u32,
    },
}

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Some bytes of an image.
    Send {
        /// See [`Ask::stream`].
        stream: u32,
        /// The image.
        image: ImageName,
        /// How many bytes it has.
        length: u64,
        /// Where the bytes to send begin.
        offset: u64,
        /// How many they are.
        bytes: usize,
    },
    /// Nothing before then.
    Wait(Duration),
    /// Nothing before the peer asks.
    Idle,
}

impl Serve {
    /// The peer asks; `offers` gives the images that there are, if that matters.
    ///
    /// # Errors
    /// When no correct peer asks so. It changes nothing.
    pub fn ask(
        &mut self,
        now: Duration,
        ask: Ask,
        offers: impl FnOnce() -> Vec<Offer>,
    ) -> Result<AskOutcome, ParcelBreach> {
        let Ask { run, stream, at_least, has, offset, window } = ask;
        if stream == 0 {
            return Err(ParcelBreach::NoStream);
        }
        let same_run = self.transfer.as_mut().filter(|transfer| transfer.run == run);
        if let Some(transfer) = same_run {
            if transfer.stream > stream {
                return Ok(AskOutcome::Late);
            }
            if transfer.stream == stream {
                transfer.busy = now;
                // Before its first part is there, the peer asks for nothing in particular.
                if has == Some(transfer.image) {
                    let until = offset.saturating_add(window).min(transfer.length);
                    transfer.until = transfer.until.max(until);
                }
                return Ok(AskOutcome::Serves);
            }
        }
        let Some(Offer { image, length }) = choose(&offers(), at_least, has) else {
            self.transfer = None;
            return Ok(AskOutcome::NoImage { stream });
        };
        let position = if has == Some(image) { offset } else { 0 };
        if position > length {
            return Err(ParcelBreach::AskedPastTheEnd);
        }
        self.transfer = Some(Transfer {
            run,
            stream,
            image,
            length,
            position,
            until: position.saturating_add(window).min(length),
            only_length: position == length,
            leaves: None,
            busy: now,
        });
        Ok(AskOutcome::Serves)
    }

    /// What to send now; it counts as sent.
    pub fn next(&mut self, now: Duration, pace: &mut Pace) -> Serving {
        let Some(transfer) = &mut self.transfer else { return Serving::Idle };
        let left = transfer.until.saturating_sub(transfer.position);
        if left == 0 && !transfer.only_length {
            return Serving::Idle;
        }
        let (leaves, bytes) = *transfer.leaves.get_or_insert_with(|| {
            let bytes = left.min(pace.at_once(IMAGE_PART as u64));
            (pace.admit(now, bytes), bytes)
        });
        if leaves > now {
            return Serving::Wait(leaves);
        }
        let Transfer { stream, image, length, position: offset, .. } = *transfer;
        transfer.leaves = None;
        transfer.only_length = false;
        transfer.position += bytes;
        transfer.busy = now;
        // At most a part, so it is a size.
        Serving::Send { stream, image, length, offset, bytes: bytes as usize }
    }

    /// What should have left was lost, or cannot be read: nothing more is sent before the peer
    /// asks anew.
    pub fn lost(&mut self) {
        self.transfer = None;
    }

    /// The image that travels to the peer, if anything has a short time ago.
    pub fn under_way(&self, now: Duration) -> Option<ImageName> {
        let fresh = |transfer: &&Transfer| transfer.busy + QUIET > now;
        self.transfer.as_ref().filter(fresh).map(|transfer| transfer.image)
    }

    /// Forgets a transfer of which the peer asks nothing any more; whether there is none now.
    pub fn tidy(&mut self, now: Duration) -> bool {
        if self.under_way(now).is_none() {
            self.transfer = None;
        }
        self.transfer.is_none()
    }
}

/// The image of which the peer has the beginning, if it is enough; otherwise the newest.
fn choose(offers: &[Offer], at_least: Index, has: Option<ImageName>) -> Option<Offer> {
    let enough: Vec<Offer> =
        offers.iter().copied().filter(|offer| offer.image.base.last_index >= at_least).collect();
    let same = enough.iter().find(|offer| Some(offer.image) == has);
    same.or_else(|| enough.iter().max_by_key(|offer| offer.image)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::Base;

    const SECOND: Duration = Duration::from_secs(1);

    fn image(last_index: Index) -> ImageName {
        ImageName { base: Base { last_index, last_term: 1 }, number: last_index }
    }

    fn offer(last_index: Index) -> Offer {
        Offer { image: image(last_index), length: 200_000 }
    }

    fn ask(stream: u32, has: Option<Index>, offset: u64, window: u64) -> Ask {
        Ask { run: 7, stream, at_least: 5, has: has.map(image), offset, window }
    }

    /// What is sent without a limit: the image, and where each part begins and ends.
    fn sent(serve: &mut Serve) -> Vec<(Index, u64, u64)> {
        let mut pace = Pace::new(None);
        let mut sent = Vec::new();
        while let Serving::Send { stream: _, image, length, offset, bytes } =
            serve.next(SECOND, &mut pace)
        {
            assert_eq!(length, 200_000);
            sent.push((image.base.last_index, offset, offset + bytes as u64));
        }
        sent
    }

    #[test]
    fn it_sends_as_far_as_was_asked_and_no_byte_twice() {
        let mut serve = Serve::default();
        assert_eq!(sent(&mut serve), []);
        let mut asked = |ask| {
            serve.ask(SECOND, ask, || [offer(9)].into()).map(|asked| (asked, sent(&mut serve)))
        };
        let first = [(9, 0, 65_536), (9, 65_536, 100_000)];
        assert_eq!(asked(ask(1, None, 0, 100_000)), Ok((AskOutcome::Serves, first.into())));
        // The window moves, in part behind what was sent.
        let second = Vec::from([(9, 100_000, 150_000)]);
        assert_eq!(asked(ask(1, Some(9), 50_000, 100_000)), Ok((AskOutcome::Serves, second)));
        assert_eq!(asked(ask(1, Some(9), 40_000, 100_000)), Ok((AskOutcome::Serves, Vec::new())));
        let third = Vec::from([(9, 150_000, 200_000)]);
        assert_eq!(asked(ask(1, Some(9), 150_000, u64::MAX)), Ok((AskOutcome::Serves, third)));
        // Something was lost.
        let again = Vec::from([(9, 199_000, 200_000)]);
        assert_eq!(asked(ask(2, Some(9), 199_000, 100_000)), Ok((AskOutcome::Serves, again)));
        assert_eq!(asked(ask(1, Some(9), 0, 100_000)), Ok((AskOutcome::Late, Vec::new())));
        // All is there, and only how much it is was not known.
        let none = Vec::from([(9, 200_000, 200_000)]);
        assert_eq!(asked(ask(3, Some(9), 200_000, 100_000)), Ok((AskOutcome::Serves, none)));
        let wrong = asked(ask(4, Some(9), 200_001, 100_000));
        assert_eq!(wrong, Err(ParcelBreach::AskedPastTheEnd));
        assert_eq!(asked(ask(0, None, 0, 100_000)), Err(ParcelBreach::NoStream));
    }

    #[test]
    fn a_peer_gets_the_image_that_it_has_begun_or_the_newest_that_reaches_far_enough() {
        let offers = [offer(4), offer(9), offer(12)];
        let served = |has, offset, offers: &[Offer]| {
            let mut serve = Serve::default();
            serve.ask(SECOND, ask(1, has, offset, 1000), || offers.into()).unwrap();
            sent(&mut serve).first().copied()
        };
        assert_eq!(served(None, 0, &offers), Some((12, 0, 1000)));
        assert_eq!(served(Some(9), 500, &offers), Some((9, 500, 1500)));
        assert_eq!(served(Some(4), 500, &offers), Some((12, 0, 1000)), "too old");
        assert_eq!(served(Some(10), 500, &offers), Some((12, 0, 1000)), "nobody has it");
        let mut serve = Serve::default();
        serve.ask(SECOND, ask(1, None, 0, 1000), || offers.into()).unwrap();
        let none = serve.ask(SECOND, ask(2, None, 0, 1000), || offers[..1].into());
        assert_eq!(none, Ok(AskOutcome::NoImage { stream: 2 }));
        assert_eq!(sent(&mut serve), []);
    }

    #[test]
    fn a_receiver_in_a_new_life_begins_where_it_says() {
        let mut serve = Serve::default();
        serve.ask(SECOND, ask(50, None, 0, 100_000), || [offer(9)].into()).unwrap();
        assert_eq!(sent(&mut serve).len(), 2);
        let reborn = Ask { run: 8, ..ask(1, Some(9), 70_000, 10_000) };
        assert_eq!(serve.ask(SECOND, reborn, || [offer(9)].into()), Ok(AskOutcome::Serves));
        assert_eq!(sent(&mut serve), [(9, 70_000, 80_000)]);
    }

    #[test]
    fn it_keeps_to_the_pace() {
        let (mut serve, mut pace) = (Serve::default(), Pace::new(Some(100_000)));
        serve.ask(SECOND, ask(1, None, 0, u64::MAX), || [offer(9)].into()).unwrap();
        let (mut now, mut bytes_sent) = (SECOND, 0);
        loop {
            match serve.next(now, &mut pace) {
                Serving::Send { bytes, .. } => bytes_sent += bytes,
                Serving::Wait(later) => now = later,
                Serving::Idle => break,
            }
        }
        assert_eq!(bytes_sent, 200_000);
        assert!((SECOND * 29 / 10..SECOND * 31 / 10).contains(&now), "{now:?}");
    }

    #[test]
    fn a_transfer_counts_as_under_way_for_as_long_as_the_peer_asks() {
        let mut serve = Serve::default();
        assert_eq!(serve.under_way(SECOND), None);
        serve.ask(SECOND, ask(1, None, 0, 1000), || [offer(9)].into()).unwrap();
        assert_eq!(serve.under_way(QUIET), Some(image(9)));
        serve.ask(QUIET, ask(1, Some(9), 500, 1000), || [offer(9)].into()).unwrap();
        assert!(!serve.tidy(QUIET + SECOND));
        // A slow sender is busy for longer with what was asked at once.
        assert_eq!(
            serve.next(QUIET * 2 - SECOND, &mut Pace::new(None)),
            Serving::Send { stream: 1, image: image(9), length: 200_000, offset: 0, bytes: 1500 }
        );
        assert!(!serve.tidy(QUIET * 2));
        assert!(serve.tidy(QUIET * 3));
        assert_eq!(sent(&mut serve), []);
    }
}
