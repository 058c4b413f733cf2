//! Digests of state machines at agreed indices, which must be the same on every server: what
//! differs shows a state machine that is not deterministic, or memory or a disk that is wrong.

use alloc::collections::BTreeMap;

use crate::figure2::{Index, ServerId};

/// The indices behind which servers tell each other digests of their state machines are the
/// multiples of this. All must use the same, so it is no setting.
pub const DIGEST_EVERY: Index = 4096;

/// Of how many indices digests are kept. Who lags behind by more misses a comparison, not the
/// next one.
const KEPT: usize = 256;

/// What one server knows of the digests of all.
#[derive(Clone, Debug)]
pub struct Digests {
    own: ServerId,
    /// How many servers the cluster has, this one included.
    servers: usize,
    told: BTreeMap<Index, BTreeMap<ServerId, u64>>,
    /// Nothing is judged up to this index any more.
    judged: Index,
}

/// What the digests behind one index say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// A majority of the servers say the same, and this one too.
    Same {
        /// Behind which index.
        index: Index,
    },
    /// A majority of the servers say the same, and this one something else: it is wrong.
    Alone {
        /// Behind which index.
        index: Index,
        /// What this server says.
        own: u64,
        /// What the majority say.
        theirs: u64,
    },
    /// All have told theirs, and no majority says the same: who is wrong, nobody knows.
    NoMajority {
        /// Behind which index.
        index: Index,
    },
}

impl Digests {
    /// For the server `own` of a cluster of so many.
    pub fn new(own: ServerId, servers: usize) -> Digests {
        Digests { own, servers, told: BTreeMap::new(), judged: 0 }
    }

    /// A server says what its state machine comes to behind `index`. Tells what follows, once
    /// something does.
    pub fn told(&mut self, by: ServerId, index: Index, digest: u64) -> Option<Comparison> {
        if index <= self.judged {
            return None;
        }
        let digests = self.told.entry(index).or_default();
        digests.insert(by, digest);
        let own = digests.get(&self.own).copied();
        let all_told = digests.len() >= self.servers;
        let of_most = digests.values().copied().find(|one| {
            let same = digests.values().filter(|other| *other == one).count();
            same > self.servers / 2
        });
        let comparison = match (own, of_most) {
            (Some(own), Some(theirs)) if own == theirs => Comparison::Same { index },
            (Some(own), Some(theirs)) => Comparison::Alone { index, own, theirs },
            (Some(_), None) if all_told => Comparison::NoMajority { index },
            (Some(_), None) | (None, Some(_) | None) => {
                if self.told.len() > KEPT {
                    self.told.pop_first();
                }
                return None;
            }
        };
        self.judged = index;
        self.told.retain(|later, _| *later > index);
        Some(comparison)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ServerId = ServerId(1);
    const N: Index = DIGEST_EVERY;

    fn peer(id: u64) -> ServerId {
        ServerId(id)
    }

    #[test]
    fn who_differs_from_a_majority_knows_it_whoever_tells_last() {
        let alone = Some(Comparison::Alone { index: N, own: 7, theirs: 8 });
        for last in [OWN, peer(2), peer(3)] {
            let mut digests = Digests::new(OWN, 3);
            let tells = |id: ServerId| if id == OWN { 7 } else { 8 };
            for id in [OWN, peer(2), peer(3)].into_iter().filter(|id| *id != last) {
                assert_eq!(digests.told(id, N, tells(id)), None, "{id}");
            }
            assert_eq!(digests.told(last, N, tells(last)), alone, "{last}");
            assert_eq!(digests.told(last, N, tells(last)), None, "it is told once");
        }
    }

    #[test]
    fn a_majority_that_agrees_need_not_wait_for_the_others() {
        let mut digests = Digests::new(OWN, 5);
        assert_eq!(digests.told(peer(4), N, 9), None, "another one that is wrong");
        assert_eq!(digests.told(OWN, N, 8), None);
        assert_eq!(digests.told(peer(2), N, 8), None);
        assert_eq!(digests.told(peer(3), N, 8), Some(Comparison::Same { index: N }));
        assert_eq!(digests.told(peer(5), N, 9), None, "it is judged");
        assert!(digests.told.is_empty());
    }

    #[test]
    fn two_of_five_convict_nobody() {
        let mut digests = Digests::new(OWN, 5);
        let tells = [(OWN, 7), (peer(2), 8), (peer(3), 8), (peer(4), 9)];
        for (id, digest) in tells {
            assert_eq!(digests.told(id, N, digest), None, "{id}");
        }
        assert_eq!(digests.told(peer(5), N, 9), Some(Comparison::NoMajority { index: N }));
    }

    #[test]
    fn of_two_that_differ_neither_is_known_to_be_wrong() {
        let mut digests = Digests::new(OWN, 2);
        assert_eq!(digests.told(OWN, N, 7), None);
        assert_eq!(digests.told(peer(2), N, 8), Some(Comparison::NoMajority { index: N }));
        assert_eq!(digests.told(OWN, 2 * N, 7), None);
        assert_eq!(digests.told(peer(2), 2 * N, 7), Some(Comparison::Same { index: 2 * N }));
    }

    #[test]
    fn a_server_that_lags_is_judged_when_it_gets_there() {
        let mut digests = Digests::new(OWN, 3);
        for round in 1..=3 {
            assert_eq!(digests.told(peer(2), round * N, round), None);
            assert_eq!(digests.told(peer(3), round * N, round), None);
        }
        assert_eq!(digests.told(OWN, N, 1), Some(Comparison::Same { index: N }));
        // It was restored behind the second one.
        let alone = Comparison::Alone { index: 3 * N, own: 4, theirs: 3 };
        assert_eq!(digests.told(OWN, 3 * N, 4), Some(alone));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut digests = Digests::new(OWN, 3);
        for round in 1..=10 * KEPT as Index {
            assert_eq!(digests.told(peer(2), round * N, 0), None);
            assert_eq!(digests.told(peer(3), round * N, 0), None);
        }
        assert_eq!(digests.told.len(), KEPT);
    }
}
