//! Where a search begins, and how it is saved.

use std::time::Instant;

use super::{Searcher, disk};
use crate::engines::Ended;
use crate::engines::fingerprint::Fingerprint;
use crate::engines::timely::checkpoint::{Checkpoints, Contents, Header, Part};
use crate::engines::timely::frontier;
use crate::engines::timely::net::{Content, Gone, Net};
use crate::engines::timely::seen::Name;
use crate::engines::timely::space::{Space, UnreadableState};

impl<S: Space, F: Fingerprint> Searcher<'_, S, F> {
    /// The initial states, or where a checkpoint left off. Whatever stops one worker here, all
    /// hear of in the account that follows, before they do anything else.
    pub(super) fn begin(&mut self, net: &mut Net<'_>) -> Result<(), Gone> {
        let checkpoints = self.shared.checkpoints.as_ref();
        if let Err(error) = checkpoints.map_or(Ok(()), Checkpoints::admit) {
            self.stop(unfit(&error));
        }
        match checkpoints.filter(|all| all.resumes()) {
            Some(checkpoints) => self.resume(checkpoints, net),
            None => {
                self.begin_anew(net.index());
                Ok(())
            }
        }
    }

    fn begin_anew(&mut self, index: usize) {
        for state in self.shared.space.init_states() {
            let name = Name::of(self.shared.space.as_ref(), &state, F::NONE);
            if self.peers.owner(name.belongs()) == index {
                self.generated += 1;
                self.add(name, &state);
            }
        }
    }

    fn resume(&mut self, checkpoints: &Checkpoints, net: &mut Net<'_>) -> Result<(), Gone> {
        let index = net.index();
        let latest = match checkpoints.latest(index) {
            Ok(latest) => Some(latest),
            Err(error) => {
                self.stop(unfit(&error));
                None
            }
        };
        // Every worker keeps its last two, so the earliest of the latest is there for all.
        net.broadcast(&Content::Checkpoint(latest));
        let mut common = Some(u64::MAX);
        net.end_round(|parcel| {
            if let Content::Checkpoint(latest) = parcel.content {
                common = common.min(latest);
            }
        })?;
        // Whoever has none says so itself.
        let Some(depth) = common else { return Ok(()) };
        match checkpoints.load(self.shared.space.as_ref(), index, depth) {
            Ok(part) => self.take_up(part),
            Err(error) => self.stop(unfit(&error)),
        }
        Ok(())
    }

    fn take_up(&mut self, part: Part<S, F>) {
        let Part { header, seen, names, states } = part;
        let Header { depth, generated, expanded, discoveries } = header;
        (self.depth, self.generated, self.expanded) = (depth, generated, expanded);
        let read = |(number, bytes): (usize, Vec<u8>)| {
            Ok((number, F::read(&mut bytes.as_slice()).ok_or(UnreadableState)?))
        };
        match discoveries.into_iter().map(read).collect::<Result<_, UnreadableState>>() {
            Ok(discoveries) => self.discoveries = discoveries,
            Err(malformed) => return self.stop(unfit(&malformed)),
        }
        self.seen = seen;
        for place in frontier::states(&states) {
            let mut bytes = &states[place];
            let space = self.shared.space.as_ref();
            if let Err(malformed) = space.read_foreign(&names, &mut bytes, &mut self.state) {
                return self.stop(unfit(&malformed));
            }
            self.encoded.clear();
            space.write(&self.state, &mut self.encoded);
            // What is left is what stood behind the encoding.
            self.encoded.extend_from_slice(bytes);
            if let Err(error) = self.next.push(&self.encoded) {
                return self.stop(disk(&error));
            }
        }
    }

    /// Once all go on from the same level: what this worker knows of later ones is of no use.
    pub(super) fn forget_later_checkpoints(&mut self, index: usize) {
        let Some(checkpoints) = self.shared.checkpoints.as_ref().filter(|all| all.resumes()) else {
            return;
        };
        if let Err(error) = checkpoints.forget_behind(index, self.depth) {
            self.stop(disk(&error));
        }
    }

    /// Saves what this worker knows, where checkpoints are asked for.
    pub(super) fn checkpoint(&mut self, net: &Net<'_>) {
        let Some(checkpoints) = &self.shared.checkpoints else { return };
        let bytes = |&(number, state): &(usize, F)| {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            (number, bytes)
        };
        let header = Header {
            depth: self.depth,
            generated: self.generated,
            expanded: self.expanded,
            discoveries: self.discoveries.iter().map(bytes).collect(),
        };
        let told = self.shared.space.tell(&mut self.memo, &mut S::Told::default());
        let Searcher { seen, sets, next, .. } = self;
        let contents = Contents { header, told, seen, sets, states: next };
        let saved = checkpoints.save(self.shared.space.as_ref(), net.index(), contents);
        self.last_checkpoint = Instant::now();
        if let Err(error) = saved {
            let folder = checkpoints.folder.display();
            self.stop(Ended::Disk(format!("no checkpoint could be saved in {folder}: {error}")));
        }
    }
}

/// What is there does not fit this search.
fn unfit(error: &impl ToString) -> Ended {
    Ended::Unfit(error.to_string())
}
