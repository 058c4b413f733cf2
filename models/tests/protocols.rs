//! The model hosts any protocol: Figure 2 in an envelope has the states of Figure 2.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stateright::{Checker, Model};
use veraft::driver::Protocol;
use veraft::figure2::{Config, Index, Input, Message, Output, Persistent, Server, Term};
use veraft_models::orbit::{Rename, Renaming};
use veraft_models::{
    Bounds, Cluster, Environment, Letter, Meaning, Memo, ModelNode, Modelled, Move, Names, Said,
    Told,
};

/// A server of Figure 2 that writes the term of each message on its envelope, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Enveloped(Server);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Wrapped {
    message: Message,
    round: u64,
}

fn wrapped(output: Output) -> Output<Wrapped> {
    let Output { persist, send, timers, apply, proposal, breach } = output;
    let wrap = |message: Message| Wrapped { round: message.term(), message };
    let send = send.into_iter().map(|(to, message)| (to, wrap(message))).collect();
    Output { persist, send, timers, apply, proposal, breach }
}

impl Protocol for Enveloped {
    type Message = Wrapped;

    fn start(config: Config, persistent: Persistent, floor: Index) -> (Self, Output<Wrapped>) {
        let (server, output) = Server::start(config, persistent, floor);
        (Enveloped(server), wrapped(output))
    }

    fn step(&mut self, input: Input<Wrapped>) -> Output<Wrapped> {
        wrapped(self.0.step(match input {
            Input::Timeout(timer) => Input::Timeout(timer),
            Input::Receive { from, message: Wrapped { message, round } } => {
                assert_eq!(round, message.term(), "an envelope of another message");
                Input::Receive { from, message }
            }
            Input::Propose { payloads } => Input::Propose { payloads },
        }))
    }

    fn figure2(&self) -> &Server {
        &self.0
    }

    fn core_message(wrapped: &Wrapped) -> Option<&Message> {
        Some(&wrapped.message)
    }

    fn waits_for_records(wrapped: &Wrapped) -> bool {
        wrapped.message.waits_for_records()
    }
}

impl Rename for Enveloped {
    fn rename(&self, renaming: &Renaming) -> Self {
        Enveloped(self.0.rename(renaming))
    }
}

impl Rename for Wrapped {
    fn rename(&self, renaming: &Renaming) -> Self {
        let Wrapped { message, round } = self;
        Wrapped { message: message.rename(renaming), round: *round }
    }
}

impl Said for Wrapped {
    fn in_words(&self) -> String {
        format!("round {}: {}", self.round, self.message.in_words())
    }
}

impl Modelled for Enveloped {
    fn meaning(_: &Letter<Wrapped>, _: &ModelNode<Self>, _: &ModelNode<Self>, _: Term) -> Meaning {
        Meaning::Itself
    }
}

const BOUNDS: Bounds = Bounds { servers: 2, terms: 2, entries: 1, restarts: 1 };

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
