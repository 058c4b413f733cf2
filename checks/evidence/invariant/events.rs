//! What can happen in a world, and the world after it: the step is that of the real server, and
//! history follows from the actions that the step consists of.

use std::panic::{AssertUnwindSafe, catch_unwind};

use veraft::figure2::{Input, Output, Server, ServerId, Timer};
use veraft_models::Letter;
use veraft_models::properties::Stepped;

use super::universe::{payload, payload_number, quorums};
use super::world::World;
use crate::evidence::proof::evaluate::Datum;
use crate::evidence::proof::refinement::{self, Concrete, TakenAction};

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorldEvent {
    /// A letter arrives.
    Deliver(Letter),
    /// A timer fires.
    Timeout(ServerId, Timer),
    /// A client proposes payloads of these numbers.
    Propose(ServerId, &'static [Datum]),
    /// A server crashes and starts again. Every record that a letter depends on is durable by
    /// then: see `torn` for the crash between the two.
    Restart(ServerId),
}

/// What a client, or the driver, proposes: an entry, a blank, or two at once.
const PROPOSALS: [&[Datum]; 3] = [&[1], &[0], &[2, 3]];

/// Why there is no world after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWorld {
    /// An assertion failed, which said this.
    Assertion(String),
    /// The step is no sequence of actions, for this reason.
    NoAction(String),
}

impl WorldEvent {
    fn server(&self) -> ServerId {
        match self {
            WorldEvent::Deliver(letter) => letter.to,
            WorldEvent::Timeout(id, _) | WorldEvent::Propose(id, _) | WorldEvent::Restart(id) => {
                *id
            }
        }
    }

    /// What it is to the server; nothing if that only starts again.
    fn input(&self) -> Option<Input> {
        match self {
            WorldEvent::Deliver(Letter { from, to: _, message, image: _ }) => {
                Some(Input::Receive { from: *from, message: message.clone() })
            }
            WorldEvent::Timeout(_, timer) => Some(Input::Timeout(*timer)),
            WorldEvent::Propose(_, numbers) => {
                let payloads = numbers.iter().map(|&number| payload(number)).collect();
                Some(Input::Propose { payloads })
            }
            WorldEvent::Restart(_) => None,
        }
    }
}

/// A step on a disk that has written before anything else happens, as in [`WorldEvent::Restart`];
/// and a heartbeat behind which the driver repeats what is not acknowledged.
fn durable_step(server: &mut Server, input: Input) -> Output {
    let beats = input == Input::Timeout(Timer::Heartbeat);
    let mut output = server.step(input);
    if beats {
        for peer in server.config().clone().peers() {
            output.send.extend(server.step(Input::Repeat { peer }).send);
        }
    }
    if !output.persist.is_empty() {
        let (last_index, last_term) = (server.log().last_index(), server.log().last_term());
        output.apply.extend(server.step(Input::Stored { last_index, last_term }).apply);
    }
    output
}

impl World {
    /// Everything that can happen now.
    pub fn events(&self) -> Vec<WorldEvent> {
        let mut events: Vec<WorldEvent> =
            self.letters().iter().cloned().map(WorldEvent::Deliver).collect();
        for id in self.ids() {
            events.push(WorldEvent::Timeout(id, Timer::Election));
            events.push(WorldEvent::Timeout(id, Timer::Heartbeat));
            // To whoever does not lead, one is like another.
            let proposals =
                if self.server(id).is_leader() { &PROPOSALS[..] } else { &PROPOSALS[..1] };
            events.extend(proposals.iter().map(|numbers| WorldEvent::Propose(id, numbers)));
            events.push(WorldEvent::Restart(id));
        }
        events
    }

    /// The world after `event`; the very same if nothing came of it.
    ///
    /// # Errors
    /// When an assertion fails in the server, or the step is no sequence of actions.
    pub fn after(&self, event: &WorldEvent) -> Result<World, NoWorld> {
        let step = || self.step(event);
        catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
            Err(NoWorld::Assertion(veraft_models::panic_message(panic.as_ref())))
        })
    }

    fn step(&self, event: &WorldEvent) -> Result<World, NoWorld> {
        let id = event.server();
        let before = self.server(id);
        let (after, sent, taken) = match event.input() {
            Some(input) => {
                let mut after = before.clone();
                let output = durable_step(&mut after, input.clone());
                let stepped = Stepped { before, input: &input, output: &output, after: &after };
                let taken = refinement::actions_of(stepped);
                let Output {
                    persist: _,
                    send,
                    timers: _,
                    restore: _,
                    apply: _,
                    proposal: _,
                    breach: _,
                } = output;
                (after, send, taken)
            }
            None => {
                let (config, disk) = (before.config().clone(), before.persistent());
                let (after, _) = Server::start(config, disk.clone(), 0);
                let taken = refinement::restart(disk, &after);
                (after, Vec::new(), taken)
            }
        };
        let taken = taken.map_err(|problem| NoWorld::NoAction(problem.to_string()))?;
        let mut next = self.clone();
        taken.iter().for_each(|taken| next.take(taken));
        assert!(next.shows(&after), "the actions make another server of it than it is");
        next.put(after);
        for (to, message) in sent {
            next.send(Letter { from: id, to, message, image: None });
        }
        Ok(next)
    }

    /// Tells what comes of an action.
    fn take(&mut self, taken: &TakenAction) {
        let TakenAction { action, with } = taken;
        let with: Vec<Datum> = with.iter().map(|concrete| self.datum(concrete)).collect();
        self.update(action, &with);
    }

    fn datum(&mut self, concrete: &Concrete) -> Datum {
        match concrete {
            Concrete::Server(id) => id.0,
            Concrete::Quorum(servers) => {
                let all = quorums(self.servers().len());
                let within = all.iter().position(|quorum| quorum.is_subset(servers));
                within.unwrap_or_else(|| panic!("no majority: {servers:?}")) as Datum
            }
            Concrete::Request(request) => self.request_number(request),
            Concrete::Payload(payload) => payload_number(payload),
            Concrete::Term(number) | Concrete::Index(number) => *number,
        }
    }
}
