//! Figure 2 as the model sees it: what its letters mean, how they are renamed and told.

mod meaning;
mod rename;

use std::collections::BTreeSet;

use veraft::figure2::{Input, Message, Output, Server, Term};

pub use meaning::meaning;

use crate::letters::{Letter, Meaning};
use crate::modelled::{Modelled, Said};
use crate::node::ModelNode;
use crate::properties::{self, Misstep, Stepped};
use crate::words;

impl Said for Message {
    fn in_words(&self) -> String {
        words::message(self)
    }
}

impl Modelled for Server {
    fn meaning(
        letter: &Letter,
        sender: &ModelNode,
        receiver: &ModelNode,
        last_term: Term,
    ) -> Meaning {
        let Letter { from, to, message, image: _ } = letter;
        let bare = Letter { from: *from, to: *to, message, image: None };
        meaning(&bare, sender, receiver, last_term)
    }

    fn missteps(
        before: &Server,
        input: &Input,
        output: &Output,
        after: &Server,
    ) -> BTreeSet<Misstep> {
        properties::missteps(Stepped { before, input, output, after })
    }
}
