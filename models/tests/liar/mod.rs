//! Figure 2, of whose letters the model is told what is not true.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use veraft::driver::Protocol;
use veraft::figure2::{Config, Index, Input, Message, Output, Persistent, Server, Term, WaitsFor};
use veraft_models::orbit::{Rename, Renaming};
use veraft_models::properties::Misstep;
use veraft_models::{Letter, Meaning, ModelNode, Modelled, Shared};

/// A server of Figure 2 of whose letters it is claimed that they all mean this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Liar<const CLAIM: u8>(Server);

/// What is claimed.
pub struct Claim;

impl Claim {
    pub const NOTHING: u8 = 0;
    pub const STALE: u8 = 1;
    pub const NEWS: u8 = 2;
}

impl<const CLAIM: u8> Protocol for Liar<CLAIM> {
    type Message = Message;

    fn start(config: Config, persistent: Persistent, floor: Index) -> (Self, Output) {
        let (server, output) = Server::start(config, persistent, floor);
        (Liar(server), output)
    }

    fn step(&mut self, input: Input) -> Output {
        self.0.step(input)
    }

    fn figure2(&self) -> &Server {
        &self.0
    }

    fn core_message(message: &Message) -> Option<&Message> {
        Some(message)
    }

    fn waits_for(message: &Message) -> WaitsFor {
        message.waits_for()
    }
}

impl<const CLAIM: u8> Rename for Liar<CLAIM> {
    fn rename(&self, renaming: &Renaming) -> Self {
        Liar(self.0.rename(renaming))
    }
}

impl<const CLAIM: u8> Modelled for Liar<CLAIM> {
    fn meaning(letter: &Letter, _: &ModelNode<Self>, _: &ModelNode<Self>, _: Term) -> Meaning {
        let (from, to, term) = (letter.from, letter.to, letter.message.term());
        match CLAIM {
            Claim::NOTHING => Meaning::Nothing,
            Claim::STALE => Meaning::Shared(Shared::Stale { from, to }),
            _ => Meaning::Shared(Shared::News { to, term }),
        }
    }

    fn missteps(before: &Self, input: &Input, output: &Output, after: &Self) -> BTreeSet<Misstep> {
        Server::missteps(&before.0, input, output, &after.0)
    }
}
