//! How many servers, terms and so on there are where a state is looked for.

use std::fmt;

use super::super::evaluate::Datum;
use super::super::formula::Sort;
use super::super::symbols::Symbol;
use super::super::tables::Tables;

/// How many of each there are. Quorums are the smallest majorities of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Servers.
    pub servers: u64,
    /// Requests.
    pub requests: u64,
    /// Payloads.
    pub payloads: u64,
    /// The last term that the state speaks of.
    pub terms: u64,
    /// The last index that it speaks of.
    pub indices: u64,
}

/// The sizes that are tried, one after the other: the first state is found where it is smallest.
pub const GROWING: &[Sizes] = &[
    Sizes { servers: 2, requests: 1, payloads: 1, terms: 1, indices: 1 },
    Sizes { servers: 3, requests: 1, payloads: 2, terms: 2, indices: 1 },
    Sizes { servers: 3, requests: 1, payloads: 2, terms: 2, indices: 2 },
    Sizes { servers: 3, requests: 1, payloads: 2, terms: 3, indices: 2 },
    Sizes { servers: 3, requests: 2, payloads: 2, terms: 4, indices: 3 },
];

/// The sizes up to which nothing is to be found where none is claimed to be. Beyond, a solver takes
/// minutes to say so, and of one lemma (`vote_held_was_cast`) z3 gives up.
pub const ABSENT: &[Sizes] = GROWING.split_at(GROWING.len() - 1).0;

impl Sizes {
    /// How many members a sort has. Of numbers there is one more than the state speaks of: so far
    /// an action may go, and all that lie beyond are like it.
    pub fn members(self, sort: Sort) -> u64 {
        match sort {
            Sort::Server => self.servers,
            Sort::Quorum => self.quorums().len() as u64,
            Sort::Request => self.requests,
            Sort::Payload => self.payloads,
            Sort::Term => self.terms + 2,
            Sort::Index => self.indices + 2,
            Sort::Truth => 2,
        }
    }

    /// How many members of a sort the state speaks of.
    pub fn spoken_of(self, sort: Sort) -> u64 {
        self.members(sort) - u64::from(sort.is_number())
    }

    /// The smallest majorities.
    pub fn quorums(self) -> Vec<Vec<Datum>> {
        let majority = self.servers / 2 + 1;
        let all = 0..1_u64 << self.servers;
        let members = |set: u64| (0..self.servers).filter(move |server| set >> server & 1 == 1);
        all.filter(|set| u64::from(set.count_ones()) == majority)
            .map(|set| members(set).collect())
            .collect()
    }

    /// The state in which all is 0, but for who is in which quorum.
    pub fn tables(self) -> Tables {
        let sorts = [Sort::Server, Sort::Quorum, Sort::Request, Sort::Payload];
        let numbers = [Sort::Term, Sort::Index];
        let size = |sort| (sort, self.members(sort));
        let mut tables = Tables::new(sorts.into_iter().chain(numbers).map(size));
        let quorums = self.quorums();
        for (q, members) in quorums.iter().enumerate() {
            for &server in members {
                tables.set(Symbol::Member, &[server, q as u64], 1);
            }
            for (p, others) in quorums.iter().enumerate() {
                let shared = members.iter().find(|server| others.contains(server));
                let shared = shared.copied().unwrap_or_default();
                tables.set(Symbol::Shared, &[q as u64, p as u64], shared);
            }
        }
        tables
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sizes { servers, requests, payloads, terms, indices } = self;
        let few = |n: &u64, of: &str| match n {
            1 => format!("1 {of}"),
            n => format!("{n} {of}s"),
        };
        let [servers, requests, payloads] =
            [few(servers, "server"), few(requests, "request"), few(payloads, "payload")];
        write!(f, "{servers}, {requests}, {payloads}, terms to {terms}, indices to {indices}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::proof::evaluate::Ready;
    use crate::evidence::proof::obligations::quorums_share;

    #[test]
    fn any_two_quorums_share_a_server() {
        let share = Ready::new(quorums_share(), &[]);
        for servers in 1..=5 {
            let sizes = Sizes { servers, ..GROWING[0] };
            assert!(share.holds(&sizes.tables(), &[]), "{servers}");
        }
        assert_eq!(GROWING[1].quorums(), [[0, 1], [0, 2], [1, 2]]);
    }
}
