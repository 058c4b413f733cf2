//! Where a search begins, and how it is saved.

use std::time::Instant;

use super::{Searcher, disk};
use crate::engines::Ended;
use crate::engines::timely::checkpoint::{Contents, Header, Part};
use crate::engines::timely::fingerprint::Fingerprint;
use crate::engines::timely::frontier;
use crate::engines::timely::net::{Content, Gone, Net};
use crate::engines::timely::space::Space;

impl<S: Space, F: Fingerprint> Searcher<'_, S, F> {
    /// The initial states, or where a checkpoint left off.
    pub(super) fn begin(&mut self, net: &mut Net<'_>) -> Result<(), Gone> {
        let index = net.index();
        if let Some(checkpoints) = self.shared.checkpoints.as_ref().filter(|all| all.resumes()) {
            // Every worker keeps its last two, so the earliest of the latest is there for all.
            net.broadcast(&Content::Checkpoint(checkpoints.latest(index)));
            let mut common = Some(u64::MAX);
            net.end_round(|parcel| {
                if let Content::Checkpoint(latest) = parcel.content {
                    common = common.min(latest);
                }
            })?;
            match common.map(|depth| checkpoints.load(self.shared.space.as_ref(), index, depth)) {
                Some(Ok(part)) => self.take_up(part),
                Some(Err(error)) => self.stop(disk(&error)),
                None => self.stop(Ended::Disk("there is no checkpoint to resume".to_owned())),
            }
            return Ok(());
        }
        for state in self.shared.space.init_states() {
            let name = F::of(self.shared.space.as_ref(), &state);
            if self.peers.owner(name) == index {
                self.generated += 1;
                let mut encoded = Vec::new();
                self.shared.space.write(&state, &mut encoded);
                self.add(name, F::NONE, &encoded);
            }
        }
        Ok(())
    }

    fn take_up(&mut self, part: Part<S, F>) {
        let Part { header, visited, names, states } = part;
        let Header { depth, generated, discoveries } = header;
        (self.depth, self.generated) = (depth, generated);
        let read =
            |(number, bytes): (usize, Vec<u8>)| Some((number, F::read(&mut bytes.as_slice())?));
        self.discoveries = discoveries.into_iter().filter_map(read).collect();
        self.visited = visited;
        for place in frontier::states(&states) {
            let mut bytes = &states[place];
            let space = self.shared.space.as_ref();
            if let Err(malformed) = space.read_foreign(&names, &mut bytes, &mut self.state) {
                return self.stop(Ended::Disk(malformed.to_string()));
            }
            self.encoded.clear();
            space.write(&self.state, &mut self.encoded);
            if let Err(error) = self.next.push(&self.encoded) {
                return self.stop(disk(&error));
            }
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
            discoveries: self.discoveries.iter().map(bytes).collect(),
        };
        let told = self.shared.space.tell(&mut self.memo, &mut S::Told::default());
        let Searcher { visited, next, .. } = self;
        let saved = checkpoints.save(net.index(), Contents { header, told, visited, states: next });
        self.last_checkpoint = Instant::now();
        if let Err(error) = saved {
            self.stop(disk(&error));
        }
    }
}
