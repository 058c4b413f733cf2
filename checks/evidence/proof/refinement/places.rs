//! A server and its letters, as functions of the abstract system: the places at which a step is
//! looked at, and what stands there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use veraft::figure2::{
    AppendEntries, Config, Entry, Index, Log, Message, Output, Payload, Record, ServerId,
};

use veraft_models::words;

use super::held::{Held, Place};
use super::letters::{Heard, Telling};
use super::plan::{Planned, requests};
use super::taken::Given;
use crate::evidence::proof::evaluate::Datum;
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::{Subject, Symbol};

/// Of a log that is no longer than this, every entry is looked at.
const SHORT: Index = 64;

/// The first index of `log` that records write anew, or one behind its end.
fn touched(log: &Log, records: &[Record]) -> Index {
    let mut last_index = log.last_index();
    let mut first = last_index + 1;
    for record in records {
        match record {
            Record::Ballot { .. } => {}
            Record::Truncate { last_index: kept } => {
                last_index = last_index.min(*kept);
                first = first.min(last_index + 1);
            }
            Record::Append { entries } => last_index += entries.len() as Index,
            Record::Base(_) => first = 1,
        }
    }
    first
}

/// A request of the step, and who sent it.
#[derive(Debug)]
pub(super) struct Carried<'a> {
    pub(super) from: ServerId,
    pub(super) request: &'a AppendEntries,
    pub(super) entries: Vec<&'a Entry>,
}

/// A server and its letters, at a moment of a step.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pub(super) id: ServerId,
    cluster: BTreeSet<ServerId>,
    /// Whoever is spoken of, in the order of their names.
    pub(super) servers: Vec<ServerId>,
    pub(super) requests: Vec<Carried<'a>>,
    pub(super) quorums: Vec<BTreeSet<ServerId>>,
    payloads: RefCell<BTreeMap<&'a Payload, Datum>>,
    pub(super) log: &'a Log,
    /// What stands where the step is looked at, in the order of the places.
    pub(super) known: Vec<(Place, Datum)>,
    /// What must have been sent in the end.
    pub(super) owed: Vec<(Place, Datum)>,
}

impl<'a> Places<'a> {
    /// Those of a step from `held` to `then`, at its beginning.
    pub(super) fn new(
        config: &Config,
        held: Held<'a>,
        then: Held<'a>,
        heard: Heard<'a>,
        output: &'a Output,
        plan: &[Planned<'a>],
    ) -> Places<'a> {
        let sent = &output.send;
        let id = held.id;
        let arrived = heard.letter();
        let mut servers: BTreeSet<ServerId> = config.servers.iter().copied().collect();
        servers.extend(held.servers().chain(then.servers()).chain([id, then.id]));
        servers.extend(sent.iter().map(|(to, _)| *to));
        let carried = |(from, request): (ServerId, &'a AppendEntries)| Carried {
            from,
            request,
            entries: request.entries.iter().collect(),
        };
        let quorums = plan.iter().flat_map(|planned| &planned.with).filter_map(|given| {
            let Given::Quorum(quorum) = given else { return None };
            Some(quorum.clone())
        });
        let mut places = Places {
            id,
            cluster: config.servers.iter().copied().collect(),
            servers: servers.into_iter().collect(),
            requests: requests(config, heard, sent).map(carried).collect(),
            quorums: quorums.collect(),
            payloads: RefCell::default(),
            log: held.persistent.log(),
            known: Vec::new(),
            owed: Vec::new(),
        };
        let touched = touched(held.persistent.log(), &output.persist);
        places.look_at(held, then, touched);
        places.letters(arrived, sent);
        places.known.sort_unstable_by_key(|(place, _)| *place);
        // What goes to several is one letter. None is one that arrived, for that is another's.
        places.known.dedup_by_key(|(place, _)| *place);
        places
    }

    /// All that the server keeps; of long logs, what the step may bear on.
    fn look_at(&mut self, held: Held<'a>, then: Held<'a>, touched: Index) {
        let me = self.datum(self.id);
        let own = Symbol::ALL.iter().filter(|symbol| symbol.kind() == Subject::Server);
        for &symbol in own {
            match symbol.args() {
                [Sort::Server] => {
                    let value = held.value(symbol, self.id);
                    self.known.push((Place::new(symbol, &[me]), value));
                }
                [Sort::Server, Sort::Server] => {
                    for other in 0..self.servers.len() {
                        let value = held.value(symbol, self.servers[other]);
                        self.known.push((Place::new(symbol, &[me, other as Datum]), value));
                    }
                }
                [Sort::Server, Sort::Index] => {
                    for index in self.indices(held, then, touched) {
                        let value = self.entry(symbol, held.entry(index));
                        self.known.push((Place::new(symbol, &[me, index]), value));
                    }
                }
                other => panic!("{symbol:?} of {other:?}"),
            }
        }
    }

    fn indices(&self, held: Held<'a>, then: Held<'a>, touched: Index) -> Vec<Index> {
        let (log, other) = (held.persistent.log(), then.persistent.log());
        let most = log.last_index().max(other.last_index());
        if most <= SHORT {
            return (1..=most).collect();
        }
        // Logs share what they hold: where both have the very same entry, nothing need be compared.
        let pairs = log.entries().iter().zip(other.entries().iter());
        let differs = |(a, b): (&Entry, &Entry)| !std::ptr::eq(a, b) && a != b;
        let mut indices: BTreeSet<Index> =
            (1..).zip(pairs).filter(|(_, pair)| differs(*pair)).map(|(index, _)| index).collect();
        indices.extend(log.last_index().min(other.last_index()).min(touched).max(1)..=most);
        for Carried { request, entries, .. } in &self.requests {
            let end = request.prev_log_index.saturating_add(entries.len() as Index);
            indices.extend(request.prev_log_index.max(1)..=end.min(most));
        }
        indices.into_iter().collect()
    }

    fn letters(&mut self, arrived: Option<(ServerId, &Message)>, sent: &[(ServerId, Message)]) {
        let id = self.id;
        if let Some((from, message)) = arrived {
            let telling = Telling::of(from, id, message);
            let places = telling.places(from, |server| self.datum(server));
            self.known.extend(places);
        }
        for (number, carried) in self.requests.iter().enumerate() {
            let place = Place::new(Symbol::Sent, &[number as Datum]);
            let own = carried.from == id;
            self.known.push((place, u64::from(!own)));
            if own {
                self.owed.push((place, 1));
            }
        }
        for (to, message) in sent {
            let telling = Telling::of(id, *to, message);
            let places = telling.places(id, |server| self.datum(server));
            self.known.extend(places.iter().map(|(place, _)| (*place, 0)));
            self.owed.extend(places);
        }
    }

    /// A server, as a member of its sort.
    pub(super) fn datum(&self, server: ServerId) -> Datum {
        self.servers.binary_search(&server).map_or(Datum::MAX, |place| place as Datum)
    }

    /// The server that is this member of its sort.
    pub(super) fn server(&self, datum: Datum) -> Option<ServerId> {
        self.servers.get(usize::try_from(datum).ok()?).copied()
    }

    /// Whether a server is in the cluster.
    pub(super) fn is_member(&self, server: ServerId) -> bool {
        self.cluster.contains(&server)
    }

    /// Whether these are more than half of the cluster: any two such sets share a server.
    pub(super) fn is_majority(&self, servers: &BTreeSet<ServerId>) -> bool {
        servers.is_subset(&self.cluster) && 2 * servers.len() > self.cluster.len()
    }

    fn payload(&self, payload: &'a Payload) -> Datum {
        let mut payloads = self.payloads.borrow_mut();
        let next = payloads.len() as Datum + 1;
        *payloads.entry(payload).or_insert(next)
    }

    /// What a function of an entry is.
    pub(super) fn entry(&self, symbol: Symbol, entry: Option<&'a Entry>) -> Datum {
        match (entry, symbol) {
            (None, _) => 0,
            (Some(entry), Symbol::LogTerm | Symbol::EntryTerm) => entry.term,
            (Some(entry), _) => self.payload(&entry.payload),
        }
    }

    /// What is given, as data.
    pub(super) fn data(&self, with: &[Given<'a>]) -> Vec<Datum> {
        let datum = |given: &Given<'a>| match given {
            Given::Server(id) => self.datum(*id),
            Given::Quorum(quorum) => {
                let place = self.quorums.iter().position(|other| other == quorum);
                place.map_or(Datum::MAX, |place| place as Datum)
            }
            Given::Request(number, _) => *number as Datum,
            Given::Payload(payload) => self.payload(payload),
            Given::Term(number) | Given::Index(number) => *number,
        };
        with.iter().map(datum).collect()
    }

    /// A member of a sort, in words.
    pub(super) fn in_words(&self, sort: Sort, datum: Datum) -> String {
        match sort {
            Sort::Server => self.server(datum).map_or("nobody".to_owned(), |id| id.to_string()),
            Sort::Payload => {
                let payloads = self.payloads.borrow();
                let found = payloads.iter().find(|(_, number)| **number == datum);
                found.map_or("nothing".to_owned(), |(payload, _)| words::payload(payload))
            }
            Sort::Quorum => "the quorum".to_owned(),
            Sort::Request => "the request".to_owned(),
            Sort::Term | Sort::Index | Sort::Truth => datum.to_string(),
        }
    }

    /// No index at or above this one is looked at.
    pub(super) fn looked_at(&self) -> Index {
        let ends = self.requests.iter().map(|carried| {
            carried.request.prev_log_index.saturating_add(carried.entries.len() as Index)
        });
        let places = self.known.iter().map(|(place, _)| place.args().get(1).copied().unwrap_or(0));
        ends.chain(places).max().unwrap_or(0).saturating_add(2)
    }

    /// Everything that is looked at.
    pub(super) fn known(&self) -> &[(Place, Datum)] {
        &self.known
    }

    /// Takes over what `change` makes of each place.
    pub(super) fn change(&mut self, change: impl Fn(&Self, Place) -> Option<Datum>) {
        let changed: Vec<(usize, Datum)> = self
            .known
            .iter()
            .enumerate()
            .filter_map(|(number, (place, _))| Some((number, change(self, *place)?)))
            .collect();
        for (number, value) in changed {
            self.known[number].1 = value;
        }
    }

    /// What a disk has at this place. What stands in its log need not be known to the step.
    pub(super) fn of_disk(&self, disk: Held<'_>, place: Place) -> Datum {
        let entry = |index| disk.entry(index);
        let payloads = self.payloads.borrow();
        let known: &BTreeMap<&Payload, Datum> = &payloads;
        match (place.symbol, place.args()) {
            (Symbol::LogTerm, [_, index]) => entry(*index).map_or(0, |entry| entry.term),
            (Symbol::LogPayload, [_, index]) => entry(*index)
                .map_or(0, |entry| known.get(&entry.payload).copied().unwrap_or(Datum::MAX)),
            (symbol, [_]) => disk.value(symbol, self.id),
            (symbol, [_, other]) => {
                self.server(*other).map_or(0, |other| disk.value(symbol, other))
            }
            (symbol, other) => panic!("{symbol:?} of {other:?}"),
        }
    }

    /// What `server` has at this place.
    pub(super) fn of(&self, server: Held<'a>, place: Place) -> Datum {
        match *place.args() {
            [_] => server.value(place.symbol, self.id),
            [_, second] if place.symbol.args()[1] == Sort::Index => {
                self.entry(place.symbol, server.entry(second))
            }
            [_, second] => self.server(second).map_or(0, |other| server.value(place.symbol, other)),
            ref other => panic!("{:?} of {other:?}", place.symbol),
        }
    }
}
