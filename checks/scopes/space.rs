//! A cluster as the timely engine searches it.

use veraft_models::{Cluster, ClusterState, LetterSets, Memo, Names, Told};

use crate::engines::covering::Covering;
use crate::engines::timely::{Space, UnreadableState};

/// States of one kin have the same visible part.
impl Covering for Cluster {
    type Sets = LetterSets;

    fn is_antichain(&self) -> bool {
        self.environment.antichain
    }

    fn keeps_depth(&self) -> bool {
        Cluster::keeps_depth(self)
    }

    fn kin(&self, state: &ClusterState) -> Option<u128> {
        Some(state.visible_fingerprint().0)
    }

    fn sets(&self, sets: &mut LetterSets, state: &ClusterState, out: &mut Vec<u32>) {
        self.letter_sets(sets, state, out);
    }

    fn contains(&self, sets: &mut LetterSets, all: u32, part: u32) -> bool {
        self.set_contains(sets, all, part)
    }

    fn tell_sets(&self, sets: &mut LetterSets) -> Vec<u8> {
        Cluster::tell_sets(self, sets)
    }

    fn learn_sets(&self, told: &[u8]) -> Option<Vec<u32>> {
        Cluster::learn_sets(self, told).ok()
    }
}

impl Space for Cluster {
    type Memo = Memo;
    type Names = Names;
    type Told = Told;

    fn fingerprint(&self, state: &ClusterState) -> u64 {
        state.fingerprint()
    }

    fn wide_fingerprint(&self, state: &ClusterState) -> u128 {
        state.wide_fingerprint().expect("searched with 128 bits, a cluster is made wide")
    }

    fn orbit(&self) -> usize {
        match self.environment.symmetry {
            true => (1..=self.bounds.servers).product(),
            false => 1,
        }
    }

    fn successors(&self, memo: &mut Memo, state: &ClusterState, visit: impl FnMut(&ClusterState)) {
        Cluster::successors(self, memo, state, visit);
    }

    fn write(&self, state: &ClusterState, out: &mut Vec<u8>) {
        self.write_state(state, out);
    }

    fn read(
        &self,
        memo: &mut Memo,
        bytes: &mut &[u8],
        state: &mut ClusterState,
    ) -> Result<(), UnreadableState> {
        self.read_own_state(memo, bytes, state).map_err(malformed)
    }

    fn tell(&self, memo: &mut Memo, told: &mut Told) -> Vec<u8> {
        Cluster::tell(self, memo.names(), told)
    }

    fn learn(&self, names: &mut Names, told: &[u8]) -> Result<(), UnreadableState> {
        Cluster::learn(self, names, told).map_err(malformed)
    }

    fn read_foreign(
        &self,
        names: &Names,
        bytes: &mut &[u8],
        state: &mut ClusterState,
    ) -> Result<(), UnreadableState> {
        self.read_state(names, bytes, state).map_err(malformed)
    }
}

/// What is no state of a cluster is none of the space.
fn malformed(_: veraft_models::Malformed) -> UnreadableState {
    UnreadableState
}
