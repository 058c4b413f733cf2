//! A server and its letters, as functions of the abstract system: the places at which a step is
//! looked at, and what stands there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use veraft::figure2::{
    AppendEntries, Config, Entry, Index, Leader, Log, Message, Payload, Persistent, Role, Server,
    ServerId, Volatile,
};

use veraft_models::words;

use super::letters::{Heard, Telling};
use super::plan::{Planned, requests};
use super::taken::Given;
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::{Kind, Symbol};

/// Of a log that is no longer than this, every entry is looked at.
const SHORT: Index = 64;

/// A function at some arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) symbol: Symbol,
    args: [Datum; 3],
}

impl Place {
    pub(super) fn new(symbol: Symbol, args: &[Datum]) -> Place {
        let mut all = [0; 3];
        all[..args.len()].copy_from_slice(args);
        Place { symbol, args: all }
    }

    pub(super) fn args(&self) -> &[Datum] {
        &self.args[..self.symbol.args().len()]
    }
}

/// What a server is to the abstract system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) id: ServerId,
    pub(super) persistent: &'a Persistent,
    pub(super) volatile: &'a Volatile,
}

impl<'a> Held<'a> {
    pub(super) fn of(server: &'a Server) -> Held<'a> {
        Held {
            id: server.config().id,
            persistent: server.persistent(),
            volatile: server.volatile(),
        }
    }

    /// Every server that it knows of.
    fn servers(self) -> impl Iterator<Item = ServerId> + use<'a> {
        let counted = match &self.volatile.role {
            Role::Candidate { votes_granted } => Some(votes_granted),
            Role::Follower { .. } | Role::Leader(_) => None,
        };
        let vote = self.persistent.voted_for();
        vote.into_iter().chain(counted.into_iter().flatten().copied())
    }

    fn entry(self, index: Datum) -> Option<&'a Entry> {
        self.persistent.log().get(index)
    }

    /// What a function is for this server, and another.
    fn value(self, symbol: Symbol, other: ServerId) -> Datum {
        let Held { id: _, persistent, volatile } = self;
        let Volatile { role, commit_index, last_applied, floor: _ } = volatile;
        let leader = match role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } | Role::Candidate { .. } => None,
        };
        let of = |map: fn(&Leader) -> &BTreeMap<ServerId, Index>| {
            leader.and_then(|leader| map(leader).get(&other)).copied().unwrap_or(0)
        };
        match symbol {
            Symbol::CurrentTerm => persistent.current_term(),
            Symbol::VotedFor => u64::from(persistent.voted_for() == Some(other)),
            Symbol::Candidate => u64::from(matches!(role, Role::Candidate { .. })),
            Symbol::Leader => u64::from(leader.is_some()),
            Symbol::VotesGranted => match role {
                Role::Candidate { votes_granted } => u64::from(votes_granted.contains(&other)),
                Role::Follower { .. } | Role::Leader(_) => 0,
            },
            Symbol::LastIndex => persistent.log().last_index(),
            Symbol::NextIndex => of(|leader| &leader.next_index),
            Symbol::MatchIndex => of(|leader| &leader.match_index),
            Symbol::CommitIndex => *commit_index,
            Symbol::LastApplied => *last_applied,
            other => panic!("{other:?} is not told of a server and another"),
        }
    }
}

/// A request of the step, and who sent it.
#[derive(Debug)]
struct Carried<'a> {
    from: ServerId,
    request: &'a AppendEntries,
    entries: Vec<&'a Entry>,
}

/// A server and its letters, at a moment of a step.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pub(super) id: ServerId,
    cluster: BTreeSet<ServerId>,
    /// Whoever is spoken of, in the order of their names.
    servers: Vec<ServerId>,
    requests: Vec<Carried<'a>>,
    quorums: Vec<BTreeSet<ServerId>>,
    payloads: RefCell<BTreeMap<&'a Payload, Datum>>,
    log: &'a Log,
    /// What stands where the step is looked at, in the order of the places.
    known: Vec<(Place, Datum)>,
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
        sent: &'a [(ServerId, Message)],
        plan: &[Planned<'a>],
    ) -> Places<'a> {
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
        places.look_at(held, then);
        places.letters(arrived, sent);
        places.known.sort_unstable_by_key(|(place, _)| *place);
        // What goes to several is one letter. None is one that arrived, for that is another's.
        places.known.dedup_by_key(|(place, _)| *place);
        places
    }

    /// All that the server keeps; of long logs, what the step may bear on.
    fn look_at(&mut self, held: Held<'a>, then: Held<'a>) {
        let me = self.datum(self.id);
        let own = Symbol::ALL.iter().filter(|symbol| symbol.kind() == Kind::Server);
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
                    for index in self.indices(held, then) {
                        let value = self.entry(symbol, held.entry(index));
                        self.known.push((Place::new(symbol, &[me, index]), value));
                    }
                }
                other => panic!("{symbol:?} of {other:?}"),
            }
        }
    }

    fn indices(&self, held: Held<'a>, then: Held<'a>) -> Vec<Index> {
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
        indices.extend(log.last_index().min(other.last_index()).max(1)..=most);
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

    fn entry(&self, symbol: Symbol, entry: Option<&'a Entry>) -> Datum {
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
        let places = self.known.iter().map(|(place, _)| place.args[1]);
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

impl Structure for Places<'_> {
    fn size(&self, sort: Sort) -> u64 {
        match sort {
            Sort::Truth => 2,
            Sort::Server => self.servers.len() as u64,
            Sort::Quorum => self.quorums.len() as u64,
            Sort::Request => self.requests.len() as u64,
            // Of these there is no end; formulas bound what they look at.
            Sort::Payload | Sort::Term | Sort::Index => u64::MAX,
        }
    }

    fn value(&self, symbol: Symbol, args: &[Datum]) -> Datum {
        let place = Place::new(symbol, args);
        if let Ok(found) = self.known.binary_search_by_key(&place, |(known, _)| *known) {
            return self.known[found].1;
        }
        let carried = || args.first().and_then(|m| self.requests.get(*m as usize));
        let of = |tell: fn(&AppendEntries) -> Datum| carried().map_or(0, |c| tell(c.request));
        let end = |request: &AppendEntries| {
            request.prev_log_index.saturating_add(request.entries.len() as Index)
        };
        match symbol {
            // The parts of a long log that no step bears on.
            Symbol::LogTerm | Symbol::LogPayload if self.server(args[0]) == Some(self.id) => {
                self.entry(symbol, self.log.get(args[1]))
            }
            Symbol::RequestTerm => of(|request| request.term),
            Symbol::RequestLeader => self.datum(carried().map_or(self.id, |c| c.request.leader_id)),
            Symbol::PrevIndex => of(|request| request.prev_log_index),
            Symbol::PrevTerm => of(|request| request.prev_log_term),
            Symbol::EndIndex => of(end),
            Symbol::LeaderCommit => of(|request| request.leader_commit),
            Symbol::EntryTerm | Symbol::EntryPayload => {
                let entry = carried().and_then(|carried| {
                    let place = args[1].checked_sub(carried.request.prev_log_index + 1)?;
                    carried.entries.get(usize::try_from(place).ok()?).copied()
                });
                self.entry(symbol, entry)
            }
            Symbol::Member => {
                let quorum = self.quorums.get(args[1] as usize);
                let member = self.server(args[0]).zip(quorum);
                u64::from(member.is_some_and(|(server, quorum)| quorum.contains(&server)))
            }
            // Of other servers, of other letters and of history, nothing is known here; no guard
            // and no update of what a server keeps or sends asks.
            _ => 0,
        }
    }
}
