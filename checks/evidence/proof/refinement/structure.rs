//! The places of a step as data for formulas.

use veraft::figure2::Index;

use super::held::Place;
use super::places::{Carried, Places};
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::Sort;
use crate::evidence::proof::symbols::{Subject, Symbol};

impl<'a> Places<'a> {
    /// What a request says.
    fn of_request(&self, symbol: Symbol, carried: &Carried<'a>, args: &[Datum]) -> Datum {
        let Carried { from: _, request, entries } = carried;
        let prev = request.prev_log_index;
        let entry = || {
            let place = args.get(1)?.checked_sub(prev.checked_add(1)?)?;
            entries.get(usize::try_from(place).ok()?).copied()
        };
        let said = [
            (Symbol::RequestTerm, request.term),
            (Symbol::RequestLeader, self.datum(request.leader_id)),
            (Symbol::PrevIndex, prev),
            (Symbol::PrevTerm, request.prev_log_term),
            (Symbol::EndIndex, prev.saturating_add(entries.len() as Index)),
            (Symbol::LeaderCommit, request.leader_commit),
        ];
        let said = said.into_iter().find(|(known, _)| *known == symbol);
        said.map_or_else(|| self.entry(symbol, entry()), |(_, value)| value)
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
        let own_log = matches!(symbol, Symbol::LogTerm | Symbol::LogPayload)
            && self.server(args[0]) == Some(self.id);
        if own_log {
            // A part of a long log that no step bears on.
            return self.entry(symbol, self.log.get(args[1]));
        }
        if symbol == Symbol::Member {
            let quorum = self.quorums.get(args[1] as usize);
            let member = self.server(args[0]).zip(quorum);
            return u64::from(member.is_some_and(|(server, quorum)| quorum.contains(&server)));
        }
        let of_request = symbol.kind() == Subject::Fixed;
        let carried = of_request.then(|| self.requests.get(args[0] as usize)).flatten();
        // Of other servers, of other letters and of history, nothing is known here; no guard and
        // no update of what a server keeps or sends asks.
        carried.map_or(0, |carried| self.of_request(symbol, carried, args))
    }
}
