//! A protocol that is not Figure 2, and behaves like it: for tests of what hosts any protocol.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use veraft::driver::Protocol;
use veraft::figure2::{Config, Index, Input, Message, Output, Persistent, Server, Term, WaitsFor};
use veraft_models::orbit::{Rename, Renaming};
use veraft_models::properties::Misstep;
use veraft_models::{Letter, Meaning, ModelNode, Modelled, Said};

/// A server of Figure 2 that writes the term of each message on its envelope, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enveloped(Server);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wrapped {
    message: Message,
    /// Its term.
    pub round: u64,
}

fn wrapped(output: Output) -> Output<Wrapped> {
    let Output { persist, send, timers, restore, apply, proposal, breach } = output;
    let wrap = |message: Message| Wrapped { round: message.term(), message };
    let send = send.into_iter().map(|(to, message)| (to, wrap(message))).collect();
    Output { persist, send, timers, restore, apply, proposal, breach }
}

fn bare_input(input: Input<Wrapped>) -> Input {
    match input {
        Input::Timeout(timer) => Input::Timeout(timer),
        Input::Receive { from, message: Wrapped { message, round } } => {
            assert_eq!(round, message.term(), "an envelope of another message");
            Input::Receive { from, message }
        }
        Input::Propose { payloads } => Input::Propose { payloads },
        Input::Compacted { last_index } => Input::Compacted { last_index },
        Input::Stored { last_index, last_term } => Input::Stored { last_index, last_term },
        Input::Repeat { peer } => Input::Repeat { peer },
        Input::Pipeline { peer, after } => Input::Pipeline { peer, after },
    }
}

fn bare_output(output: Output<Wrapped>) -> Output {
    let Output { persist, send, timers, restore, apply, proposal, breach } = output;
    let send = send.into_iter().map(|(to, wrapped)| (to, wrapped.message)).collect();
    Output { persist, send, timers, restore, apply, proposal, breach }
}

impl Protocol for Enveloped {
    type Message = Wrapped;

    fn start(config: Config, persistent: Persistent, floor: Index) -> (Self, Output<Wrapped>) {
        let (server, output) = Server::start(config, persistent, floor);
        (Enveloped(server), wrapped(output))
    }

    fn step(&mut self, input: Input<Wrapped>) -> Output<Wrapped> {
        wrapped(self.0.step(bare_input(input)))
    }

    fn figure2(&self) -> &Server {
        &self.0
    }

    fn core_message(wrapped: &Wrapped) -> Option<&Message> {
        Some(&wrapped.message)
    }

    fn waits_for(wrapped: &Wrapped) -> WaitsFor {
        wrapped.message.waits_for()
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

    /// Those of the server in the envelope.
    fn missteps(
        before: &Self,
        input: &Input<Wrapped>,
        output: &Output<Wrapped>,
        after: &Self,
    ) -> BTreeSet<Misstep> {
        let (input, output) = (bare_input(input.clone()), bare_output(output.clone()));
        Server::missteps(&before.0, &input, &output, &after.0)
    }
}
