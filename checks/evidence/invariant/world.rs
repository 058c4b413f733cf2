//! Servers, letters, and all that happened: a state of the abstract system, with the real servers
//! and letters that it stands for.

use std::collections::BTreeSet;
use std::sync::Arc;

use veraft::figure2::{AppendEntries, Config, Message, Persistent, Server, ServerId};
use veraft_models::{Letter, Raft};

use super::universe;
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::ready::ReadyAction;
use crate::evidence::proof::refinement::Telling;
use crate::evidence::proof::symbols::{Subject, Symbol};
use crate::evidence::proof::tables::Tables;

/// A cluster at a moment. Each letter ever sent may arrive, any number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    servers: Vec<Server>,
    letters: BTreeSet<Letter>,
    /// The requests that were ever sent, each at the place of its number.
    requests: Vec<AppendEntries>,
    /// What lemmas see: of servers what they are, of letters and history what there ever was.
    tables: Tables,
}

impl World {
    /// The world at the first boot.
    pub fn boot(servers: usize) -> World {
        let server = |config| Server::start(config, Persistent::default(), 0).0;
        World {
            servers: configs(servers).map(server).collect(),
            letters: BTreeSet::new(),
            requests: Vec::new(),
            tables: universe::empty(servers),
        }
    }

    /// The servers, each at the place of its id.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server called `id`.
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.0 as usize]
    }

    /// Every name of a server.
    pub fn ids(&self) -> impl Iterator<Item = ServerId> + Clone + use<> {
        (0..self.servers.len() as u64).map(ServerId)
    }

    /// Every letter that was ever sent and may still arrive.
    pub fn letters(&self) -> &BTreeSet<Letter> {
        &self.letters
    }

    /// The requests that were ever sent, each at the place of its number.
    pub fn requests(&self) -> &[AppendEntries] {
        &self.requests
    }

    /// The state of the abstract system that it is.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What `symbol` is at `args`.
    pub fn get<const N: usize>(&self, symbol: Symbol, args: [Datum; N]) -> Datum {
        self.tables.value(symbol, &args)
    }

    /// Whether `symbol` is true at `args`.
    pub fn is<const N: usize>(&self, symbol: Symbol, args: [Datum; N]) -> bool {
        self.get(symbol, args) != 0
    }

    /// Puts something into history, or among what was ever sent.
    ///
    /// # Panics
    /// When it is no such thing, or there is no such place.
    pub fn set<const N: usize>(&mut self, symbol: Symbol, args: [Datum; N], value: Datum) {
        assert!(matches!(symbol.kind(), Subject::History | Subject::Letters), "{symbol:?}");
        self.tables.set(symbol, &args, value);
    }

    /// Whether the state of the abstract system has `server` as it is.
    pub fn shows(&self, server: &Server) -> bool {
        let mut shown = self.tables.clone();
        universe::show(&mut shown, server);
        shown == self.tables
    }

    /// Puts `server` in the place of the one of its name.
    pub fn put(&mut self, server: Server) {
        let id = server.config().id;
        universe::show(&mut self.tables, &server);
        self.servers[id.0 as usize] = server;
    }

    /// Tells what comes of an action, with these parameters.
    pub fn update(&mut self, action: &ReadyAction, parameters: &[Datum]) {
        self.tables.update(action, parameters);
    }

    /// The number of a request; a new one if no world had it so far.
    pub fn request_number(&mut self, request: &AppendEntries) -> Datum {
        let found = self.requests.iter().position(|other| other == request);
        let number = found.unwrap_or(self.requests.len()) as Datum;
        if found.is_none() {
            self.requests.push(request.clone());
            self.tables.grow(Sort::Request, number + 1);
            universe::show_request(&mut self.tables, number, request);
        }
        number
    }

    /// What a letter is to the abstract system: where it is told of. Of some there is nothing to
    /// tell.
    pub fn place(&self, letter: &Letter) -> Option<(Symbol, Vec<Datum>)> {
        let Letter { from, to, message, image: _ } = letter;
        if from == to {
            return None;
        }
        let v = from.0;
        match Telling::of(*from, *to, message) {
            Telling::Nothing => None,
            Telling::Asks(request) => Some((Symbol::Asked, vec![v, request.term])),
            Telling::Grants { term, candidate } => {
                Some((Symbol::Granted, vec![v, term, candidate.0]))
            }
            Telling::Request(request) => {
                let known = self.requests.iter().position(|other| other == request);
                Some((Symbol::Sent, vec![known.unwrap_or(self.requests.len()) as Datum]))
            }
            Telling::Acknowledges { term, index } => {
                Some((Symbol::Acknowledged, vec![v, term, index]))
            }
            Telling::Refuses { term, index } => Some((Symbol::Refused, vec![v, term, index])),
        }
    }

    /// Adds a letter, and tells that it was sent.
    pub fn send(&mut self, letter: Letter) {
        if let Message::AppendEntries(request) = &letter.message {
            self.request_number(request);
        }
        if let Some((symbol, args)) = self.place(&letter) {
            if let Message::RequestVote(request) = &letter.message
                && self.tables.value(symbol, &args) == 0
            {
                self.tables.set(Symbol::AskedIndex, &args, request.last_log_index);
                self.tables.set(Symbol::AskedTerm, &args, request.last_log_term);
            }
            self.tables.set(symbol, &args, 1);
        }
        self.letters.insert(letter);
    }

    /// Takes a letter away: it will not arrive again. It was sent all the same.
    pub fn lose(&mut self, letter: &Letter) {
        self.letters.remove(letter);
    }

    /// The first letter of which it is not told that it was sent.
    pub fn untold(&self) -> Option<&Letter> {
        let told = |letter: &&Letter| {
            let Some((symbol, args)) = self.place(letter) else { return true };
            let said = match &letter.message {
                Message::RequestVote(request) => {
                    self.tables.value(Symbol::AskedIndex, &args) == request.last_log_index
                        && self.tables.value(Symbol::AskedTerm, &args) == request.last_log_term
                }
                Message::RequestVoteReply(_)
                | Message::AppendEntries(_)
                | Message::AppendEntriesReply(_)
                | Message::InstallSnapshot(_) => true,
            };
            said && self.tables.value(symbol, &args) != 0
        };
        self.letters.iter().find(|letter| !told(letter))
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
