//! The model hosts any protocol: Figure 2 in an envelope has the states of Figure 2.

mod enveloped;

use std::collections::BTreeSet;

use enveloped::Enveloped;
use stateright::{Checker, Model};
use veraft::figure2::Server;
use veraft_models::{Bounds, Cluster, Environment, Memo, Modelled, Move, Names, Told};

const BOUNDS: Bounds = Bounds { servers: 2, terms: 2, entries: 1, restarts: 1, compactions: 0 };

/// How many states there are, how many were generated, how deep they lie, what is found.
fn explore<P: Modelled>(environment: Environment) -> (usize, usize, usize, BTreeSet<String>) {
    let found = Cluster::<P>::of(BOUNDS, environment).checker().spawn_bfs().join();
    let names = found.discoveries().into_keys().map(str::to_owned).collect();
    (found.unique_state_count(), found.state_count(), found.max_depth(), names)
}

#[test]
fn an_envelope_changes_no_count() {
    let full = Environment { symmetry: false, keep_dead_letters: true, ..Environment::default() };
    let environments = [
        full,
        Environment { torn: true, ..full },
        Environment { symmetry: true, torn: true, ..full },
        Environment { blanks: true, ..full },
    ];
    for environment in environments {
        let bare = explore::<Server>(environment);
        println!("{bare:?}");
        assert!(bare.0 > 100, "{environment:?}");
        assert_eq!(explore::<Enveloped>(environment), bare, "{environment:?}");
        // Every letter of the envelope means what it says, so there is nothing to drop.
        let reduced = Environment { keep_dead_letters: false, ..environment };
        assert_eq!(explore::<Enveloped>(reduced), bare, "{environment:?}");
        assert!(explore::<Server>(reduced).0 < bare.0, "{environment:?}");
    }
}

#[test]
fn another_protocol_is_told_and_tells_other_processes() {
    let environment = Environment { torn: true, ..Environment::default() };
    let [here, there] = [(); 2].map(|()| Cluster::<Enveloped>::of(BOUNDS, environment));
    let mut state = here.init_states().remove(0);
    for _ in 0..6 {
        let mut last = None;
        here.successors(&mut Memo::default(), &state, |next| last = Some(next.clone()));
        state = last.expect("a cluster always goes on");
    }
    assert!(format!("{state:?}").contains("round 1: RequestVote term 1"), "{state:?}");
    let letter = state.letters().next().expect("a letter");
    let round = format!("round {}: ", letter.message.round);
    assert!(Move::Deliver(letter.value.clone()).to_string().contains(&round), "{round}");

    let (mut bytes, mut names) = (Vec::new(), Names::default());
    here.write_state(&state, &mut bytes);
    let told = here.tell(&mut Names::default(), &mut Told::default());
    there.learn(&mut names, &told).unwrap();
    let mut read = there.init_states().remove(0);
    there.read_state(&names, &mut bytes.as_slice(), &mut read).unwrap();
    assert_eq!(format!("{read:?}"), format!("{state:?}"));
    assert_eq!(read.fingerprint(), state.fingerprint());
}
