//! One level: a worker expands its states, and takes in those that others found for it.

use std::sync::atomic::Ordering;

use stateright::Expectation;

use super::{Counters, Searcher, disk};
use crate::engines::Ended;
use crate::engines::fingerprint::Fingerprint;
use crate::engines::timely::chunk::Chunk;
use crate::engines::timely::net::{Content, Net, Parcel};
use crate::engines::timely::peers::Receiving;
use crate::engines::timely::seen::Name;
use crate::engines::timely::space::Space;

/// So many states are expanded between looks at the inbox, the clock and the limits.
const STRIDE: usize = 256;

impl<S: Space, F: Fingerprint> Searcher<'_, S, F> {
    /// Expands the whole frontier, if nothing stops the search.
    pub(super) fn expand_level(&mut self, net: &mut Net<'_>) {
        let mut chunk = std::mem::take(&mut self.chunk);
        while self.stopped.is_none() {
            match chunk.refill(&mut self.frontier) {
                Ok(true) => self.expand_chunk(&chunk, net),
                Ok(false) => break,
                Err(error) => self.stop(disk(&error)),
            }
        }
        self.chunk = chunk;
        self.peers.dispatch_all(self.shared.space.as_ref(), &mut self.memo, net);
        if self.stopped.as_ref().is_some_and(|reason| *reason != Ended::Elsewhere) {
            net.broadcast(&Content::Stop);
        }
    }

    fn expand_chunk(&mut self, chunk: &Chunk, net: &mut Net<'_>) {
        for (number, state) in chunk.states().enumerate() {
            if number.is_multiple_of(STRIDE) {
                self.look_around(net);
            }
            if self.stopped.is_some() {
                return;
            }
            self.expand(state);
            self.peers.dispatch_full(self.shared.space.as_ref(), &mut self.memo, net);
        }
    }

    /// Does a property speak of this state, and what follows it?
    fn expand(&mut self, mut bytes: &[u8]) {
        if self.seen.is_covered(bytes) {
            return;
        }
        let space = self.shared.space.as_ref();
        let read = space.read(&mut self.memo, &mut bytes, &mut self.state);
        read.expect("a frontier holds what this process wrote");
        let parent = F::of(space, &self.state);
        self.look_at_properties(parent);
        self.expanded += 1;
        if self.failed {
            return;
        }
        let Searcher { seen, sets, next, memo, state, encoded, peers, generated, .. } = self;
        let mut written = Ok(());
        space.successors(memo, state, |successor| {
            *generated += 1;
            let name = Name::of(space, successor, parent);
            let owner = peers.owner(name.belongs());
            if owner != peers.index() {
                return peers.send(space, sets, owner, name, successor);
            }
            sets.set(space, successor);
            if seen.add(space, sets, name, encoded, |encoded| space.write(successor, encoded)) {
                written = next.push(encoded).and(std::mem::replace(&mut written, Ok(())));
            }
        });
        if let Err(error) = written {
            self.stop(disk(&error));
        }
    }

    fn look_at_properties(&mut self, name: F) {
        let space = self.shared.space.as_ref();
        for (number, property) in self.properties.iter().enumerate() {
            let looked_for = property.expectation == Expectation::Sometimes;
            if (property.condition)(space, &self.state) != looked_for
                || self.discoveries.iter().any(|(discovered, _)| *discovered == number)
            {
                continue;
            }
            let smallest = self.discovered_now[number].get_or_insert(name);
            *smallest = name.min(*smallest);
            self.failed |= property.expectation.discovery_is_failure();
        }
    }

    /// What arrived, what the user wants, and what the machine has left.
    fn look_around(&mut self, net: &mut Net<'_>) {
        for parcel in net.poll() {
            self.receive(parcel);
        }
        if self.shared.interrupted.load(Ordering::Relaxed) {
            self.stop(Ended::Interrupted);
        }
        let limit = self.shared.max_memory;
        if let Some(limit) = limit.filter(|limit| crate::terminal::progress::memory() > *limit) {
            self.stop(Ended::Memory(limit));
        }
        self.show_progress();
    }

    pub(super) fn show_progress(&mut self) {
        let Counters { unique, generated, expanded, depth: _ } = &self.shared.progress;
        let now = (self.seen.len(), self.generated, self.expanded);
        unique.fetch_add(now.0 - self.shown.0, Ordering::Relaxed);
        generated.fetch_add(now.1 - self.shown.1, Ordering::Relaxed);
        expanded.fetch_add(now.2 - self.shown.2, Ordering::Relaxed);
        self.shown = now;
    }

    /// A parcel of the round of a level.
    pub(super) fn receive(&mut self, parcel: Parcel) {
        match parcel.content {
            Content::States { told, states } => {
                let space = self.shared.space.as_ref();
                let Searcher { seen, sets, next, peers, .. } = self;
                let mut written = Ok(());
                let known = Receiving { space, seen, sets };
                peers.receive(known, parcel.from, &told, &states, |encoded| {
                    if let Err(error) = next.push(encoded) {
                        written = Err(error);
                    }
                });
                if let Err(error) = written {
                    self.stop(disk(&error));
                }
            }
            Content::Stop => self.stop(Ended::Elsewhere),
            Content::Report(_) | Content::Parent(..) | Content::Checkpoint(_) => {
                unreachable!("these travel in rounds of their own")
            }
        }
    }
}
