//! What all workers know in common: how a level ended, what it discovered, and the paths there.

use super::Searcher;
use crate::engines::timely::fingerprint::Fingerprint;
use crate::engines::timely::net::{Content, Gone, Net};
use crate::engines::timely::report::Report;
use crate::engines::timely::space::Space;

impl<S: Space, F: Fingerprint> Searcher<'_, S, F> {
    /// Ends a level: its states arrive, and all workers learn how all are.
    pub(super) fn account(&mut self, net: &mut Net<'_>) -> Result<Report, Gone> {
        net.end_round(|parcel| self.receive(parcel))?;
        self.show_progress();
        let bytes = |state: &F| {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            bytes
        };
        let first = net.index().is_multiple_of(self.shared.threads);
        let checkpoints = self.shared.checkpoints.as_ref();
        net.broadcast(&Content::Report(Box::new(Report {
            next: self.next.len(),
            unique: self.visited.len(),
            generated: self.generated,
            table_bytes: self.visited.bytes(),
            spilled_bytes: if first { self.shared.budget.spilled() } else { 0 },
            memory: if first { crate::terminal::progress::memory() } else { 0 },
            discoveries: self.discovered_now.iter().map(|d| d.as_ref().map(bytes)).collect(),
            checkpoint_due: checkpoints.is_some_and(|all| all.is_due(self.last_checkpoint)),
            stopped: self.stopped.clone(),
        })));
        self.discovered_now.fill(None);
        let mut total = Report::default();
        net.end_round(|parcel| {
            if let Content::Report(report) = parcel.content {
                total = std::mem::take(&mut total).and(&report);
            }
        })?;
        Ok(total)
    }

    /// Takes down what the level discovered; answers whether a property fell.
    pub(super) fn discover(&mut self, total: &Report) -> bool {
        let mut fell = false;
        for (number, bytes) in total.discoveries.iter().enumerate() {
            let state = bytes.as_ref().and_then(|bytes| F::read(&mut bytes.as_slice()));
            if let Some(state) = state {
                self.discoveries.push((number, state));
                fell |= self.properties[number].expectation.discovery_is_failure();
            }
        }
        fell
    }

    /// Follows each discovery back to an initial state: in every round, the owners of the
    /// states reached name their parents to all.
    pub(super) fn paths(&mut self, net: &mut Net<'_>) -> Result<Vec<(usize, Vec<F>)>, Gone> {
        let start = |&(number, state): &(usize, F)| (number, vec![state]);
        let mut paths: Vec<_> = self.discoveries.iter().map(start).collect();
        let mut open: Vec<usize> = (0..paths.len()).collect();
        while !open.is_empty() {
            for &place in &open {
                let last = paths[place].1.last().copied().unwrap_or(F::NONE);
                if self.peers.owner(last) == self.peers.index() {
                    let mut bytes = Vec::new();
                    self.visited.parent(last).unwrap_or(F::NONE).write(&mut bytes);
                    net.broadcast(&Content::Parent(place, bytes));
                }
            }
            net.end_round(|parcel| {
                let Content::Parent(place, bytes) = parcel.content else { return };
                match F::read(&mut bytes.as_slice()) {
                    Some(parent) if parent != F::NONE => paths[place].1.push(parent),
                    _ => open.retain(|open| *open != place),
                }
            })?;
        }
        paths.iter_mut().for_each(|(_, path)| path.reverse());
        Ok(paths)
    }
}
