//! What all workers know in common: how a level ended, what it discovered, and the paths there.

use super::Searcher;
use crate::engines::fingerprint::Fingerprint;
use crate::engines::timely::net::{Content, Gone, Net};
use crate::engines::timely::report::Report;
use crate::engines::timely::seen::Seen;
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
            unique: self.unique(),
            expanded: self.expanded,
            kins: self.seen.kins(),
            generated: self.generated,
            table_bytes: self.seen.bytes(),
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

    /// Follows each discovery back to an initial state: in every round, whoever knows the states
    /// reached names their parents to all.
    pub(super) fn paths(&mut self, net: &mut Net<'_>) -> Result<Vec<(usize, Vec<F>)>, Gone> {
        let mut paths: Vec<(usize, Vec<F>)> = Vec::new();
        let mut open: Vec<(usize, F)> = Vec::new();
        for (place, &(number, state)) in self.discoveries.iter().enumerate() {
            paths.push((number, vec![state]));
            open.push((place, state));
        }
        while !open.is_empty() {
            let reached: Vec<F> = open.iter().map(|(_, state)| *state).collect();
            let parents = self.seen.parents(&reached);
            for (place, state) in std::mem::take(&mut open) {
                if let Some(parent) = parents.get(&state) {
                    let mut bytes = Vec::new();
                    parent.write(&mut bytes);
                    net.broadcast(&Content::Parent(place, bytes));
                }
            }
            net.end_round(|parcel| {
                let Content::Parent(place, bytes) = parcel.content else { return };
                if let Some(parent) = F::read(&mut bytes.as_slice()).and_then(F::some) {
                    paths[place].1.push(parent);
                    open.push((place, parent));
                }
            })?;
        }
        paths.iter_mut().for_each(|(_, path)| path.reverse());
        Ok(paths)
    }

    /// How many states there are of what is looked for: all, or the maximal ones.
    fn unique(&self) -> u64 {
        match &self.seen {
            Seen::All(..) => self.seen.len(),
            // Others were covered before it was their turn.
            Seen::Maximal(_) => self.expanded,
        }
    }
}
