//! What runs on a simulated server.

use veraft::figure2::{Config, Input, Output, Persistent, Server};

/// The core, or in a test the core with something wrong around it.
pub trait Process: Sized {
    /// Starts with what is stored.
    fn start(config: Config, persistent: Persistent) -> (Self, Output);

    /// Takes one step.
    fn step(&mut self, input: Input) -> Output;

    /// The state.
    fn server(&self) -> &Server;
}

impl Process for Server {
    fn start(config: Config, persistent: Persistent) -> (Server, Output) {
        Server::start(config, persistent, 0)
    }

    fn step(&mut self, input: Input) -> Output {
        Server::step(self, input)
    }

    fn server(&self) -> &Server {
        self
    }
}
