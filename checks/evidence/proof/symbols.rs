//! What the abstract system consists of: the state of its servers, the letters that were ever
//! sent, and history, which no server reads.

use std::collections::BTreeMap;

use super::formula::{Expr, Origin, Shape, Sort, Var};

/// What a function of the system tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What a server keeps.
    Server,
    /// What letters were sent. None is ever lost for good: any may arrive at any time.
    Letters,
    /// What a request says, or who is in a quorum: it never changes.
    Fixed,
    /// What happened. Nobody reads it.
    History,
    /// What is defined by others.
    Defined,
}

macro_rules! symbols {
    ($($(#[doc = $about:literal])+
       $name:ident $method:ident($($arg:ident: $sort:ident),*) -> $result:ident, $kind:ident;)*) => {
        /// A function of the abstract system.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Symbol { $($(#[doc = $about])+ $name,)* }

        impl Symbol {
            /// All of them.
            pub const ALL: &[Symbol] = &[$(Symbol::$name,)*];

            /// Its name, as a solver sees it.
            pub fn name(self) -> &'static str {
                match self { $(Symbol::$name => stringify!($method),)* }
            }

            /// What it is about.
            pub fn about(self) -> &'static str {
                match self { $(Symbol::$name => concat!($($about,)+).trim_ascii(),)* }
            }

            /// The sorts of its arguments.
            pub fn args(self) -> &'static [Sort] {
                match self { $(Symbol::$name => &[$(Sort::$sort,)*],)* }
            }

            /// What it gives.
            pub fn result(self) -> Sort {
                match self { $(Symbol::$name => Sort::$result,)* }
            }

            /// What it tells of.
            pub fn kind(self) -> Subject {
                match self { $(Symbol::$name => Subject::$kind,)* }
            }
        }

        impl AbstractState {
            $($(#[doc = $about])+
              pub fn $method(&self $(, $arg: Expr)*) -> Expr {
                self.apply(Symbol::$name, vec![$($arg,)*])
            })*
        }
    };
}

symbols! {
    /// The latest term that server `s` has seen: `PS.1`.
    CurrentTerm current_term(s: Server) -> Term, Server;
    /// Whether `s` has voted for `c` in its current term: `PS.2`.
    VotedFor voted_for(s: Server, c: Server) -> Truth, Server;
    /// Whether `s` stands for election in its current term.
    Candidate is_candidate(s: Server) -> Truth, Server;
    /// Whether `s` leads its current term.
    Leader is_leader(s: Server) -> Truth, Server;
    /// Whether candidate `c` has counted the vote of `v`.
    VotesGranted votes_granted(c: Server, v: Server) -> Truth, Server;
    /// The last index of the log of `s`: `PS.3`.
    LastIndex last_index(s: Server) -> Index, Server;
    /// The term of the entry at `i` in the log of `s`.
    LogTerm log_term(s: Server, i: Index) -> Term, Server;
    /// What the entry at `i` in the log of `s` is for.
    LogPayload log_payload(s: Server, i: Index) -> Payload, Server;
    /// The index that leader `l` sends `s` next: `LS.1`.
    NextIndex next_index(l: Server, s: Server) -> Index, Server;
    /// The index up to which leader `l` knows `s` to hold its log: `LS.2`.
    MatchIndex match_index(l: Server, s: Server) -> Index, Server;
    /// The highest index that `s` knows to be committed: `VS.1`.
    CommitIndex commit_index(s: Server) -> Index, Server;
    /// The highest index that `s` has handed to its state machine: `VS.2`.
    LastApplied last_applied(s: Server) -> Index, Server;

    /// Candidate `c` has asked for votes in term `t`.
    Asked asked(c: Server, t: Term) -> Truth, Letters;
    /// The last index that it then said its log has.
    AskedIndex asked_index(c: Server, t: Term) -> Index, Letters;
    /// The term that it then said its last entry has.
    AskedTerm asked_term(c: Server, t: Term) -> Term, Letters;
    /// Server `v` has answered candidate `c` in term `t` that it has its vote.
    Granted granted(v: Server, t: Term, c: Server) -> Truth, Letters;
    /// Request `m` was sent.
    Sent sent(m: Request) -> Truth, Letters;
    /// Server `s` has answered the leader of term `t` that their logs agree up to `i`.
    Acknowledged acknowledged(s: Server, t: Term, i: Index) -> Truth, Letters;
    /// Server `s` has refused a request of term `t` with the previous index `i`.
    Refused refused(s: Server, t: Term, i: Index) -> Truth, Letters;

    /// The term of the leader that sends request `m`.
    RequestTerm request_term(m: Request) -> Term, Fixed;
    /// The leader that sends `m`.
    RequestLeader request_leader(m: Request) -> Server, Fixed;
    /// The index before the first entry of `m`.
    PrevIndex prev_index(m: Request) -> Index, Fixed;
    /// The term of the entry there.
    PrevTerm prev_term(m: Request) -> Term, Fixed;
    /// The index of the last entry of `m`; without entries, the one before the first.
    EndIndex end_index(m: Request) -> Index, Fixed;
    /// The term of the entry for index `i` in `m`.
    EntryTerm entry_term(m: Request, i: Index) -> Term, Fixed;
    /// What that entry is for.
    EntryPayload entry_payload(m: Request, i: Index) -> Payload, Fixed;
    /// The commit index that `m` tells of.
    LeaderCommit leader_commit(m: Request) -> Index, Fixed;
    /// Whether `s` is in quorum `q`.
    Member member(s: Server, q: Quorum) -> Truth, Fixed;
    /// A server that is in both.
    Shared shared(q: Quorum, p: Quorum) -> Server, Fixed;

    /// Server `v` has voted for `c` in term `t`, ever.
    Vote vote(v: Server, t: Term, c: Server) -> Truth, History;
    /// Server `c` has led term `t`, ever.
    Led led(t: Term, c: Server) -> Truth, History;
    /// Whether term `t` has had a leader.
    Begun begun(t: Term) -> Truth, History;
    /// The server that was the last to be elected in `t`.
    LeaderOf leader_of(t: Term) -> Server, History;
    /// The quorum that elected it.
    Electors electors(t: Term) -> Quorum, History;
    /// The last index of the log of the leader of term `t`, as long as it got while it led.
    TermLast term_last(t: Term) -> Index, History;
    /// The term of the entry at `i` in that log.
    TermTerm term_term(t: Term, i: Index) -> Term, History;
    /// What that entry is for.
    TermPayload term_payload(t: Term, i: Index) -> Payload, History;
    /// The highest index up to which `s` has said to the leader of `t` that it holds its log; of
    /// the leader, up to which it made entries of its own.
    Held held(s: Server, t: Term) -> Index, History;
    /// Index `i` was committed by counting in term `t`.
    Committed committed(t: Term, i: Index) -> Truth, History;
    /// The quorum that was counted.
    Holders holders(t: Term, i: Index) -> Quorum, History;
    /// The term of the commit from which `s` has its commit index.
    CommitTerm commit_term(s: Server) -> Term, History;
    /// The index of that commit.
    CommitUpTo commit_up_to(s: Server) -> Index, History;
    /// The term of the commit from which request `m` has its commit index.
    ToldTerm told_term(m: Request) -> Term, History;
    /// The index of that commit.
    ToldUpTo told_up_to(m: Request) -> Index, History;
    /// Some state machine, in some life of its server, was given `x` as the entry at `i`.
    Applied applied(i: Index, x: Payload) -> Truth, History;
    /// The term of the commit that allowed it.
    AppliedTerm applied_term(i: Index, x: Payload) -> Term, History;
    /// The index of that commit.
    AppliedUpTo applied_up_to(i: Index, x: Payload) -> Index, History;

    /// Whether quorum `q` may have committed index `i` in term `t`, or may yet: whoever is in it
    /// holds the entry, or has not gone past the term.
    Choosable choosable(q: Quorum, t: Term, i: Index) -> Truth, Defined;
    /// The same after the action.
    ChoosableAfter choosable_after(q: Quorum, t: Term, i: Index) -> Truth, Defined;
}

/// What a function is after an action, by the places that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The places.
    pub places: Vec<Var>,
    /// What is there, told in terms of the state before.
    pub value: Expr,
}

/// A state of the system: the one before an action, or what it becomes.
#[derive(Clone, Debug, Default)]
pub struct AbstractState {
    updates: BTreeMap<Symbol, Update>,
}

const PLACES: [&str; 3] = ["a", "b", "c"];

impl AbstractState {
    /// A function as it is in this state.
    pub fn apply(&self, symbol: Symbol, args: Vec<Expr>) -> Expr {
        let moved = symbol == Symbol::Choosable && self.moves_choosable();
        match self.updates.get(&symbol) {
            Some(Update { places, value }) => {
                let values: Vec<_> = places.iter().copied().zip(args).collect();
                value.with(&values)
            }
            None if moved => Shape::Apply(Symbol::ChoosableAfter, args).into(),
            None => Shape::Apply(symbol, args).into(),
        }
    }

    /// Whether `choosable` may differ from what it was before.
    pub fn moves_choosable(&self) -> bool {
        [Symbol::Held, Symbol::CurrentTerm].iter().any(|moved| self.updates.contains_key(moved))
    }

    /// What differs from the state before.
    pub fn updates(&self) -> &BTreeMap<Symbol, Update> {
        &self.updates
    }

    /// The same state, with `symbol` as `value` tells by the places that are asked for.
    pub fn put<const N: usize>(
        mut self,
        symbol: Symbol,
        value: impl Fn(&AbstractState, [Expr; N]) -> Expr,
    ) -> AbstractState {
        assert_eq!(symbol.args().len(), N, "{symbol:?}");
        let place =
            |n: usize| Var { name: PLACES[n], sort: symbol.args()[n], origin: Origin::Place };
        let places: [Var; N] = std::array::from_fn(place);
        let value = value(&AbstractState::default(), places.map(Expr::from));
        let before = self.updates.insert(symbol, Update { places: places.to_vec(), value });
        assert!(before.is_none(), "{symbol:?} is put twice");
        self
    }

    /// The same state, with `symbol` as it was before.
    ///
    /// # Panics
    /// When it does not differ.
    pub fn leave(mut self, symbol: Symbol) -> AbstractState {
        assert!(self.updates.remove(&symbol).is_some(), "{symbol:?} is as it was");
        self
    }

    /// The same state, with what `change` puts in the place of a part of its updates.
    pub fn map(&self, change: &dyn Fn(Expr) -> Option<Expr>) -> AbstractState {
        let mapped = |(&symbol, update): (&Symbol, &Update)| {
            let Update { places, value } = update.clone();
            (symbol, Update { places, value: value.map(change) })
        };
        AbstractState { updates: self.updates.iter().map(mapped).collect() }
    }

    /// The same state, with another value of `symbol` at one place.
    pub fn set<const N: usize>(
        self,
        symbol: Symbol,
        at: [Expr; N],
        value: impl Into<Expr>,
    ) -> AbstractState {
        let value = value.into();
        self.put(symbol, |before, places: [Expr; N]| {
            value.when(same(places, at), before.apply(symbol, places.to_vec()))
        })
    }

    /// The same state, in which `symbol` is true at one more place.
    pub fn add<const N: usize>(self, symbol: Symbol, at: [Expr; N]) -> AbstractState {
        self.put(symbol, |before, places: [Expr; N]| {
            same(places, at) | before.apply(symbol, places.to_vec())
        })
    }
}

fn same<const N: usize>(places: [Expr; N], at: [Expr; N]) -> Expr {
    let each = places.into_iter().zip(at).map(|(place, at)| place.is(at));
    super::formula::and(each)
}

#[cfg(test)]
mod tests {
    use super::super::formula::vars;
    use super::*;

    #[test]
    fn a_function_is_what_was_put_and_else_what_it_was() {
        let [s, r] = vars(["s", "r"]);
        let before = AbstractState::default();
        let after = AbstractState::default().set(Symbol::CommitIndex, [s], 7);
        let expected = Expr::from(7).when(r.is(s), before.commit_index(r));
        // Of one place, the condition is a conjunction of one.
        let Shape::If(condition, then, other) = after.commit_index(r).node() else {
            panic!("{after:?}")
        };
        assert_eq!(condition.conjuncts(), [r.is(s)]);
        assert_eq!(Expr::from(Shape::If(r.is(s), *then, *other)), expected);
        assert_eq!(after.last_index(r), before.last_index(r));
    }

    #[test]
    fn what_may_be_committed_moves_with_terms_and_with_what_is_held() {
        let [s, q, t, i] = vars(["s", "q", "t", "i"]);
        let symbol = |state: &AbstractState| state.choosable(q, t, i).symbols();
        let still = AbstractState::default().set(Symbol::CommitIndex, [s], 7);
        assert_eq!(symbol(&still), [Symbol::Choosable].into());
        for moved in [
            AbstractState::default().set(Symbol::CurrentTerm, [s], 7),
            AbstractState::default().set(Symbol::Held, [s, t], 7),
        ] {
            assert_eq!(symbol(&moved), [Symbol::ChoosableAfter].into());
        }
    }

    #[test]
    #[should_panic(expected = "is put twice")]
    fn an_action_changes_a_function_once() {
        let [s] = vars(["s"]);
        let _ = AbstractState::default().set(Symbol::CommitIndex, [s], 7).set(
            Symbol::CommitIndex,
            [s],
            8,
        );
    }
}
