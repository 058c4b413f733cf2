//! States as bytes, for this process and for another.

use std::collections::{HashSet, VecDeque};

use stateright::Model;
use veraft_models::{Bounds, Cluster, Environment, Memo, Names, Told};

/// With letters that share a meaning, letters kept for an audit, writes that wait, and history.
#[test]
fn every_state_is_read_as_it_was_written_here_and_elsewhere() {
    let of_two = Bounds { servers: 2, terms: 2, entries: 1, restarts: 1, compactions: 0 };
    // With images, and letters that they go along with.
    let of_three = Bounds { servers: 3, terms: 1, entries: 1, restarts: 1, compactions: 1 };
    for (bounds, torn) in [(of_two, false), (of_two, true), (of_three, false)] {
        let environment = Environment { audit: true, torn, ..Environment::default() };
        let [here, there] = [(); 2].map(|()| Cluster::new(bounds, environment));
        let mut queue: VecDeque<_> = here.init_states().into();
        let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
        let (mut memo, mut names, mut told) = (Memo::default(), Names::default(), Told::default());
        let (mut own, mut foreign) = (queue[0].clone(), there.init_states().remove(0));
        let (mut shared, mut dropped, mut committed, mut images) = (0, 0, 0, 0);
        while let Some(state) = queue.pop_front() {
            let mut bytes = Vec::new();
            here.write_state(&state, &mut bytes);
            bytes.push(7);
            let mut rest = bytes.as_slice();
            here.read_own_state(&mut memo, &mut rest, &mut own).unwrap();
            assert_eq!(rest, [7], "it ends where it ends");
            assert_eq!((&own, own.fingerprint()), (&state, state.fingerprint()));

            there.learn(&mut names, &here.tell(memo.names(), &mut told)).unwrap();
            there.read_state(&names, &mut bytes.as_slice(), &mut foreign).unwrap();
            assert_eq!(format!("{foreign:?}"), format!("{state:?}"));
            assert_eq!(foreign.fingerprint(), state.fingerprint());
            assert_eq!(foreign.visible.history.restarts, state.visible.history.restarts);
            assert_eq!(foreign.visible.history.compactions, state.visible.history.compactions);
            images += state.letters().filter(|letter| letter.image.is_some()).count();
            for (there, here) in foreign.letters().zip(state.letters()) {
                assert_eq!(there.image, here.image);
            }
            assert_eq!(foreign.dropped.len(), state.dropped.len());

            shared += state.posts().filter(|post| post.shared.is_some()).count();
            dropped += state.dropped.len();
            committed += state.visible.history.committed.len();
            for next in here.next_states(&state) {
                if seen.insert(next.fingerprint()) {
                    queue.push_back(next);
                }
            }
        }
        assert!(dropped > 0 && committed > 0, "{dropped}, {committed}");
        assert!(shared > 0 || bounds == of_three, "in one term nothing is stale");
        assert_eq!(images > 0, bounds == of_three);
    }
}
