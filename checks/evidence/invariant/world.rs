//! Servers, the letters under way, and the votes and leaders of all terms: as much of a cluster
//! as Election Safety and Log Matching depend on.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use veraft::figure2::{
    Config, Input, Output, Payload, Persistent, Server, ServerId, Term, Timer, Volatile,
};
use veraft_models::words;
use veraft_models::{Letter, Raft};

/// A cluster at a moment. Each letter ever sent may arrive, any number of times.
///
/// Nothing is committed in it: no rule reads `commit_index` to change a term, a vote, a role or a
/// log, so after each step it is forgotten. What `leader_commit` a letter carries is arbitrary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// The servers, each at the place of its id.
    pub servers: Vec<Server>,
    /// Every letter that was ever sent.
    pub letters: BTreeSet<Letter>,
    /// Every vote ever cast. History: no server reads it.
    pub votes: BTreeSet<Vote>,
    /// Who ever led which term. History, too.
    pub led: BTreeSet<(Term, ServerId)>,
}

/// A vote that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// The term in which it counts.
    pub term: Term,
    /// Who cast it.
    pub voter: ServerId,
    /// Who got it.
    pub candidate: ServerId,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorldEvent {
    /// A letter arrives.
    Deliver(Letter),
    /// A timer fires.
    Timeout(ServerId, Timer),
    /// A client proposes a command.
    Propose(ServerId),
    /// A server crashes and starts again. Every record that a letter depends on is durable by
    /// then: see `torn` for the crash between the two.
    Restart(ServerId),
}

impl WorldEvent {
    fn server(&self) -> ServerId {
        match self {
            WorldEvent::Deliver(letter) => letter.to,
            WorldEvent::Timeout(id, _) | WorldEvent::Propose(id) | WorldEvent::Restart(id) => *id,
        }
    }
}

impl World {
    /// The world at the first boot.
    pub fn boot(servers: usize) -> World {
        let all = configs(servers);
        let server = |config| Server::start(config, Persistent::default(), 0).0;
        World {
            servers: all.map(server).collect(),
            letters: BTreeSet::new(),
            votes: BTreeSet::new(),
            led: BTreeSet::new(),
        }
    }

    /// The server called `id`.
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.0 as usize]
    }

    /// Every name of a server.
    pub fn ids(&self) -> impl Iterator<Item = ServerId> + Clone + use<> {
        (0..self.servers.len() as u64).map(ServerId)
    }

    /// Everything that can happen now.
    pub fn events(&self) -> Vec<WorldEvent> {
        let mut events: Vec<WorldEvent> =
            self.letters.iter().cloned().map(WorldEvent::Deliver).collect();
        for id in self.ids() {
            events.push(WorldEvent::Timeout(id, Timer::Election));
            events.push(WorldEvent::Timeout(id, Timer::Heartbeat));
            events.push(WorldEvent::Propose(id));
            events.push(WorldEvent::Restart(id));
        }
        events
    }

    /// The world after `event`; or what the assertion said that failed in it.
    pub fn after(&self, event: &WorldEvent) -> Result<World, String> {
        let step = || self.step(event);
        catch_unwind(AssertUnwindSafe(step))
            .map_err(|panic| veraft_models::panic_message(panic.as_ref()))
    }

    fn step(&self, event: &WorldEvent) -> World {
        let mut next = self.clone();
        let id = event.server();
        let server = &mut next.servers[id.0 as usize];
        let input = match event {
            WorldEvent::Deliver(Letter { from, to: _, message }) => {
                Some(Input::Receive { from: *from, message: message.clone() })
            }
            WorldEvent::Timeout(_, timer) => Some(Input::Timeout(*timer)),
            WorldEvent::Propose(_) => {
                let command = Raft::command_to(id, server.log().last_index() + 1);
                Some(Input::Propose { payloads: vec![Payload::Command(command)] })
            }
            WorldEvent::Restart(_) => None,
        };
        let Output { persist: _, send, timers: _, apply: _, proposal: _, breach: _ } = match input {
            Some(input) => server.step(input),
            None => {
                let (started, output) =
                    Server::start(server.config().clone(), server.persistent().clone(), 0);
                *server = started;
                output
            }
        };
        let forgetful = Volatile { role: server.volatile().role.clone(), ..Volatile::default() };
        *server =
            Server::from_parts(server.config().clone(), server.persistent().clone(), forgetful);
        let term = server.current_term();
        if server.is_leader() {
            next.led.insert((term, id));
        }
        let vote = server.persistent().voted_for();
        next.votes.extend(vote.map(|candidate| Vote { term, voter: id, candidate }));
        next.letters.extend(send.into_iter().map(|(to, message)| Letter { from: id, to, message }));
        next
    }
}

/// What each of `servers` servers is told at its start.
pub fn configs(servers: usize) -> impl Iterator<Item = Config> {
    let all = Raft::cluster(servers, usize::MAX).servers;
    let each: Vec<ServerId> = all.iter().copied().collect();
    each.into_iter().map(move |id| Config {
        id,
        servers: Arc::clone(&all),
        max_append_bytes: usize::MAX,
    })
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, server) in self.ids().zip(&self.servers) {
            writeln!(f, "  {id}: {}", words::server(server))?;
        }
        for Vote { term, voter, candidate } in &self.votes {
            writeln!(f, "  in term {term} {voter} voted for {candidate}")?;
        }
        for (term, leader) in &self.led {
            writeln!(f, "  term {term} was led by {leader}")?;
        }
        for Letter { from, to, message } in &self.letters {
            writeln!(f, "  {from} to {to}: {}", words::message(message))?;
        }
        Ok(())
    }
}

impl fmt::Display for WorldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorldEvent::Deliver(Letter { from, to, message }) => {
                write!(f, "{to} receives from {from}: {}", words::message(message))
            }
            WorldEvent::Timeout(id, timer) => write!(f, "{id}'s {timer:?} timer fires"),
            WorldEvent::Propose(id) => write!(f, "a client proposes to {id}"),
            WorldEvent::Restart(id) => write!(f, "{id} restarts"),
        }
    }
}
