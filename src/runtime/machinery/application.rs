//! The application's state machine, on a thread of its own, and the proposals that wait for it.

use crate::runtime::std;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::mailbox::{Mailbox, Queue, Taken};
use crate::driver::{Fate, Run, Waiters};
use crate::figure2::{Entry, Index, Payload, Term};
use crate::runtime::metrics::Counters;
use crate::runtime::proposal::{Accepted, ProposeError, Waiter};
use crate::runtime::state_machine::StateMachine;

/// Work for the application thread.
pub(super) struct Work<R> {
    /// Proposals of this node whose commands stand in its log, not committed yet.
    pub(super) accepted: Vec<Run<Waiter<R>>>,
    /// Entries to apply.
    pub(super) committed: Vec<(Index, Entry)>,
}

impl<R> Default for Work<R> {
    fn default() -> Self {
        Work { accepted: Vec::new(), committed: Vec::new() }
    }
}

/// The thread sleeps until an entry is committed: nobody can be answered before.
impl<R> Queue for Work<R> {
    fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }
}

/// The queue of the application thread.
pub(super) type Jobs<R> = Mailbox<Work<R>>;

/// The life of the application thread.
pub(super) fn run<S: StateMachine>(
    mut machine: S,
    jobs: &Jobs<S::Response>,
    counters: &Arc<Counters>,
) {
    let mut waiting = Waiters::default();
    while let Taken::All(Work { accepted, committed }) = jobs.take(None) {
        // What was committed before a proposal was accepted stands before it in the log, and in
        // no later term: that the proposal waits already changes nothing for it.
        accepted.into_iter().for_each(|run| waiting.add(run));
        for (index, entry) in committed {
            let response = match &entry.payload {
                Payload::Command(command) => Some(machine.apply(index, command)),
                Payload::Blank => None,
            };
            counters.applied_index.store(index, Ordering::Release);
            answer(&mut waiting, index, entry.term, response);
        }
    }
}

/// An entry was applied: whoever waits for it, or waits in vain, is told.
fn answer<R>(waiting: &mut Waiters<Waiter<R>>, index: Index, term: Term, mut response: Option<R>) {
    waiting.applied(index, term, |waiter, fate| match fate {
        Fate::Applied => waiter.applied(Accepted { term, index }, response.take()),
        Fate::Superseded { term, index } => waiter.fail(ProposeError::Superseded { term, index }),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::machinery::life::Life;
    use crate::runtime::proposal::{Applied, PendingProposal};

    type Pending = PendingProposal<&'static str>;

    fn run(
        term: Term,
        first_index: Index,
        waiters: Vec<Waiter<&'static str>>,
    ) -> Run<Waiter<&'static str>> {
        Run { term, first_index, waiters: waiters.into() }
    }

    fn waiters(count: usize) -> (Vec<Pending>, Vec<Waiter<&'static str>>) {
        let life = Arc::new(Life::default());
        let waiter = |_| {
            assert!(life.admit(usize::MAX));
            Waiter::command(life.clone())
        };
        (0..count).map(waiter).unzip()
    }

    fn superseded(pending: Pending) -> (Term, Index) {
        match pending.wait() {
            Err(ProposeError::Superseded { term, index }) => (term, index),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proposal_gets_the_response_of_its_own_entry() {
        let (pending, ends) = waiters(2);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        answer(&mut waiting, 4, 2, Some("older"));
        assert!(pending.iter().all(|pending| !pending.is_done()));
        answer(&mut waiting, 5, 3, Some("first"));
        answer(&mut waiting, 6, 3, Some("second"));
        let answers: Vec<_> = pending.into_iter().map(|one| one.wait().unwrap()).collect();
        assert_eq!(answers[0], Applied { term: 3, index: 5, response: "first" });
        assert_eq!(answers[1], Applied { term: 3, index: 6, response: "second" });
    }

    #[test]
    fn an_entry_of_a_later_term_supersedes_all_of_earlier_ones() {
        let (mut pending, ends) = waiters(3);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        answer(&mut waiting, 5, 3, Some("mine"));
        answer(&mut waiting, 6, 4, Some("another's"));
        assert_eq!(superseded(pending.pop().unwrap()), (3, 7));
        assert_eq!(superseded(pending.pop().unwrap()), (3, 6));
        assert!(pending.pop().unwrap().wait().is_ok());
    }

    #[test]
    fn an_entry_of_an_earlier_term_supersedes_what_stood_at_its_index() {
        let (mut pending, ends) = waiters(2);
        let (mut later, later_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        waiting.add(run(6, 5, later_ends));
        answer(&mut waiting, 5, 2, Some("an old one"));
        assert_eq!(superseded(later.pop().unwrap()), (6, 5));
        assert!(!pending.pop().unwrap().is_done());
        assert_eq!(superseded(pending.pop().unwrap()), (3, 5));
    }

    #[test]
    fn a_blank_between_two_proposals_moves_no_answer() {
        let (mut pending, ends) = waiters(1);
        let (later, later_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        waiting.add(run(3, 7, later_ends));
        answer(&mut waiting, 5, 3, Some("first"));
        answer(&mut waiting, 6, 3, None);
        answer(&mut waiting, 7, 3, Some("second"));
        pending.extend(later);
        let answers: Vec<_> = pending.into_iter().map(|one| one.wait().unwrap()).collect();
        assert_eq!((answers[0].index, answers[0].response), (5, "first"));
        assert_eq!((answers[1].index, answers[1].response), (7, "second"));
    }

    #[test]
    fn the_same_index_in_two_terms_is_told_apart() {
        let (mut old, old_ends) = waiters(1);
        let (mut new, new_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(1, 5, old_ends));
        waiting.add(run(3, 5, new_ends));
        answer(&mut waiting, 5, 3, Some("new"));
        assert_eq!(superseded(old.pop().unwrap()), (1, 5));
        assert_eq!(new.pop().unwrap().wait().unwrap().response, "new");
    }
}
