//! What a worker knows about the others: which states are whose, what each was sent, and what
//! the numbers of other processes stand for.

use super::net::{Content, Net};
use super::seen::{Name, Seen, Sets};
use super::space::Space;
use crate::engines::fingerprint::Fingerprint;

/// Parcels of states leave once they are this large, in bytes.
const PARCEL: usize = 8 << 10;
/// How many of the states sent to a worker are remembered, lest they be sent again: few enough to
/// stay in a core's caches beside all else. Most duplicates come close together.
const REMEMBERED: usize = 1 << 14;

/// All workers, as one of them sees them.
pub struct Peers<S: Space, F> {
    index: usize,
    peers: Vec<Peer<S, F>>,
    /// Whether a parcel is large enough to leave.
    full: bool,
    /// A state that is read, and its encoding in the numbers of this process.
    state: Option<S::State>,
    encoded: Vec<u8>,
}

struct Peer<S: Space, F> {
    /// Whether it is in this process.
    near: bool,
    told: S::Told,
    names: S::Names,
    outgoing: Vec<u8>,
    /// Some of the states that were sent to it, each at a place that its fingerprint names. What
    /// was sent in this or an earlier level need not be sent again; forgetting does no harm.
    sent: Vec<F>,
}

impl<S: Space, F: Fingerprint> Peers<S, F> {
    /// The `peers` workers, `threads` in each process, as number `index` sees them.
    pub fn new(index: usize, peers: usize, threads: usize) -> Self {
        let peer = |other| Peer {
            near: other / threads == index / threads,
            told: S::Told::default(),
            names: S::Names::default(),
            outgoing: Vec::new(),
            sent: vec![F::NONE; if other == index { 0 } else { REMEMBERED }],
        };
        let peers = (0..peers).map(peer).collect();
        Peers { index, peers, full: false, state: None, encoded: Vec::new() }
    }

    /// This worker's number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The worker that a state belongs to.
    pub fn owner(&self, state: F) -> usize {
        // A share of the numbers for each worker, without a division. The low bits decide: the
        // owner's table, which goes by the high ones, is to be filled evenly.
        let low_first = u128::from(state.bottom().rotate_left(u64::BITS / 2));
        ((low_first * self.peers.len() as u128) >> u64::BITS) as usize
    }

    /// Puts a state into the parcel for its owner; in this process with the numbers of its sets.
    pub fn send(
        &mut self,
        space: &S,
        sets: &mut Sets<S>,
        owner: usize,
        name: Name<F>,
        state: &S::State,
    ) {
        let Name { state: own, kin, parent } = name;
        let peer = &mut self.peers[owner];
        let place = (own.top() >> 32) as usize % REMEMBERED;
        if std::mem::replace(&mut peer.sent[place], own) == own {
            return;
        }
        [own, kin, parent].into_iter().for_each(|name| name.write(&mut peer.outgoing));
        let start = peer.outgoing.len() + size_of::<u32>();
        peer.outgoing.extend_from_slice(&[0; size_of::<u32>()]);
        if peer.near {
            sets.set(space, state);
            sets.write(&mut peer.outgoing);
        }
        space.write(state, &mut peer.outgoing);
        let length = ((peer.outgoing.len() - start) as u32).to_le_bytes();
        peer.outgoing[start - size_of::<u32>()..start].copy_from_slice(&length);
        self.full |= peer.outgoing.len() >= PARCEL;
    }

    /// Sends the parcels that are large enough.
    pub fn dispatch_full(&mut self, space: &S, memo: &mut S::Memo, net: &mut Net<'_>) {
        if std::mem::take(&mut self.full) {
            self.dispatch(space, memo, net, PARCEL);
        }
    }

    /// Sends whatever there is.
    pub fn dispatch_all(&mut self, space: &S, memo: &mut S::Memo, net: &mut Net<'_>) {
        self.dispatch(space, memo, net, 1);
    }

    fn dispatch(&mut self, space: &S, memo: &mut S::Memo, net: &mut Net<'_>, least: usize) {
        for (to, peer) in self.peers.iter_mut().enumerate() {
            if peer.outgoing.len() >= least {
                let room = Vec::with_capacity(PARCEL + PARCEL / 8);
                let states = std::mem::replace(&mut peer.outgoing, room);
                let told = match peer.near {
                    true => Vec::new(),
                    false => space.tell(memo, &mut peer.told),
                };
                net.send(to, Content::States { told, states });
            }
        }
    }

    /// Adds each state of a parcel to those seen; pushes what has to be looked at, as it is
    /// encoded here.
    pub fn receive(
        &mut self,
        known: Receiving<'_, S, F>,
        from: usize,
        told: &[u8],
        states: &[u8],
        mut push: impl FnMut(&[u8]),
    ) {
        let Receiving { space, seen, sets } = known;
        let Peers { peers, state, encoded, .. } = self;
        let peer = &mut peers[from];
        space.learn(&mut peer.names, told).expect(SAME_BUILD);
        let mut states = states;
        while let Some((name, mut bytes)) = next(&mut states) {
            let looked_at = if peer.near {
                sets.read(&mut bytes).expect(SAME_BUILD);
                seen.add(space, sets, name, encoded, |encoded| encoded.extend_from_slice(bytes))
            } else {
                let state = state.get_or_insert_with(|| {
                    space.init_states().into_iter().next().expect("a model has an initial state")
                });
                space.read_foreign(&peer.names, &mut bytes, state).expect(SAME_BUILD);
                sets.set(space, state);
                seen.add(space, sets, name, encoded, |encoded| space.write(state, encoded))
            };
            if looked_at {
                push(encoded);
            }
        }
    }
}

/// What a worker knows when states arrive.
pub struct Receiving<'k, S: Space, F> {
    /// The model.
    pub space: &'k S,
    /// The states seen.
    pub seen: &'k mut Seen<F>,
    /// What knows their sets.
    pub sets: &'k mut Sets<S>,
}

/// Hosts shake hands on the build and the scope before they exchange a state.
const SAME_BUILD: &str = "all processes search the same model with the same program";

/// The first state of a parcel.
fn next<'b, F: Fingerprint>(states: &mut &'b [u8]) -> Option<(Name<F>, &'b [u8])> {
    let (state, kin, parent) = (F::read(states)?, F::read(states)?, F::read(states)?);
    let (length, rest) = states.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *states = rest;
    Some((Name { state, kin, parent }, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::timely::tests::Grid;

    /// Numbers that look random: multiples of an odd constant.
    fn random(number: u64) -> u64 {
        (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// A search would come to the same with one worker that owns all, and take as long.
    #[test]
    fn each_worker_owns_its_share() {
        for workers in [1, 2, 3, 5] {
            let narrow = Peers::<Grid, u64>::new(0, workers, workers);
            let wide = Peers::<Grid, u128>::new(0, workers, workers);
            let mut owned = vec![0; workers];
            for number in 0..10_000 {
                let state = random(number);
                owned[narrow.owner(state)] += 1;
                let other = wide.owner(u128::from(random(state)) << 64 | u128::from(state));
                assert_eq!(narrow.owner(state), other, "the low bits decide");
            }
            let fair = 10_000 / workers;
            let near = |count: &usize| (fair * 9 / 10..=fair * 11 / 10).contains(count);
            assert!(owned.iter().all(near), "{owned:?}");
        }
    }
}
