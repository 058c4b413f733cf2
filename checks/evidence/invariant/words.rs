//! Worlds and what happens in them, in Raft's words.

use std::fmt;

use veraft::figure2::{Entries, Entry, ServerId};
use veraft_models::{Letter, words};

use super::events::WorldEvent;
use super::universe::{payload, quorums};
use super::world::World;
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::Symbol;

impl World {
    /// The members of a sort.
    fn all(&self, sort: Sort) -> std::ops::Range<Datum> {
        0..self.tables().size(sort)
    }

    fn quorum(&self, number: Datum) -> String {
        let members = quorums(self.servers().len()).into_iter().nth(number as usize);
        let names = members.into_iter().flatten().map(|id| id.to_string());
        format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
    }

    fn term_log(&self, term: Datum) -> String {
        let entry = |index| Entry {
            term: self.get(Symbol::TermTerm, [term, index]),
            payload: payload(self.get(Symbol::TermPayload, [term, index])),
        };
        let entries: Entries = (1..=self.get(Symbol::TermLast, [term])).map(entry).collect();
        words::entries_in_words(&entries)
    }

    fn tell_terms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for term in self.all(Sort::Term) {
            for leader in self.all(Sort::Server) {
                if self.is(Symbol::Led, [term, leader]) {
                    let electors = self.quorum(self.get(Symbol::Electors, [term]));
                    let leader = ServerId(leader);
                    writeln!(f, "  term {term} was led by {leader}, elected by {electors}")?;
                }
            }
            if self.is(Symbol::Begun, [term]) || self.get(Symbol::TermLast, [term]) > 0 {
                writeln!(f, "  the log of term {term}: {}", self.term_log(term))?;
            }
            for voter in self.all(Sort::Server) {
                for candidate in self.all(Sort::Server) {
                    if self.is(Symbol::Vote, [voter, term, candidate]) {
                        let (voter, candidate) = (ServerId(voter), ServerId(candidate));
                        writeln!(f, "  in term {term} {voter} voted for {candidate}")?;
                    }
                }
                let held = self.get(Symbol::Held, [voter, term]);
                if held > 0 {
                    let holder = ServerId(voter);
                    writeln!(f, "  {holder} said to hold the log of term {term} up to {held}")?;
                }
                if self.is(Symbol::Asked, [voter, term]) {
                    let last = self.get(Symbol::AskedIndex, [voter, term]);
                    let of = self.get(Symbol::AskedTerm, [voter, term]);
                    let id = ServerId(voter);
                    writeln!(
                        f,
                        "  {id} asked for votes in term {term}, last log {last} of term {of}"
                    )?;
                }
            }
        }
        Ok(())
    }

    fn tell_commits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for term in self.all(Sort::Term) {
            for index in self.all(Sort::Index) {
                if self.is(Symbol::Committed, [term, index]) {
                    let holders = self.quorum(self.get(Symbol::Holders, [term, index]));
                    writeln!(f, "  in term {term} index {index} was committed: {holders} held it")?;
                }
            }
        }
        for (id, server) in self.ids().zip(self.servers()) {
            let applied = server.volatile().last_applied;
            if applied != server.volatile().commit_index {
                writeln!(f, "  {id} has applied its log up to {applied}")?;
            }
            if server.volatile().commit_index > 0 {
                let term = self.get(Symbol::CommitTerm, [id.0]);
                let up_to = self.get(Symbol::CommitUpTo, [id.0]);
                writeln!(
                    f,
                    "  {id} has its commit index from the commit of {up_to} in term {term}"
                )?;
            }
        }
        for index in self.all(Sort::Index) {
            for number in self.all(Sort::Payload) {
                if self.is(Symbol::Applied, [index, number]) {
                    let payload = words::payload(&payload(number));
                    let term = self.get(Symbol::AppliedTerm, [index, number]);
                    let up_to = self.get(Symbol::AppliedUpTo, [index, number]);
                    writeln!(
                        f,
                        "  {payload} was applied at {index}, from the commit of {up_to} in term {term}"
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, server) in self.ids().zip(self.servers()) {
            writeln!(f, "  {id}: {}", words::server(server))?;
        }
        self.tell_terms(f)?;
        self.tell_commits(f)?;
        for Letter { from, to, message, image: _ } in self.letters() {
            writeln!(f, "  {from} to {to}: {}", words::message(message))?;
        }
        Ok(())
    }
}

impl fmt::Display for WorldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorldEvent::Deliver(Letter { from, to, message, image: _ }) => {
                write!(f, "{to} receives from {from}: {}", words::message(message))
            }
            WorldEvent::Timeout(id, timer) => write!(f, "{id}'s {timer:?} timer fires"),
            WorldEvent::Propose(id, numbers) => {
                let payloads = numbers.iter().map(|&number| words::payload(&payload(number)));
                write!(f, "{} is proposed to {id}", payloads.collect::<Vec<_>>().join(", "))
            }
            WorldEvent::Restart(id) => write!(f, "{id} restarts"),
        }
    }
}
