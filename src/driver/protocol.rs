//! What a driver drives.

use crate::figure2::{Config, Index, Input, Message, Output, Persistent, Server, WaitsFor};

/// A server as its surroundings see it: Figure 2, or Figure 2 with layers around it. Driver,
/// models, simulator and validator know no more of it than this.
pub trait Protocol: Sized {
    /// What such servers say to each other.
    type Message;

    /// A server that starts, for the first time or after a crash; see [`Server::start`].
    fn start(config: Config, persistent: Persistent, floor: Index)
    -> (Self, Output<Self::Message>);

    /// One input in, everything it causes out; see [`Server::step`].
    fn step(&mut self, input: Input<Self::Message>) -> Output<Self::Message>;

    /// The server of Figure 2 in it: what properties look at.
    fn figure2(&self) -> &Server;

    /// The message of Figure 2 in a message; none in what layers say to each other.
    fn core_message(message: &Self::Message) -> Option<&Message>;

    /// See [`Message::waits_for`].
    fn waits_for(message: &Self::Message) -> WaitsFor;
}

impl Protocol for Server {
    type Message = Message;

    fn start(config: Config, persistent: Persistent, floor: Index) -> (Server, Output) {
        Server::start(config, persistent, floor)
    }

    fn step(&mut self, input: Input) -> Output {
        Server::step(self, input)
    }

    fn figure2(&self) -> &Server {
        self
    }

    fn core_message(message: &Message) -> Option<&Message> {
        Some(message)
    }

    fn waits_for(message: &Message) -> WaitsFor {
        message.waits_for()
    }
}
