//! What a server answers to a proposal.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veraft::figure2::{Index, Output, Payload, Proposal, Server, ServerId, Term};

use super::logs::first_lost;

/// How an answer to a proposal is not true.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Error,
)]
pub enum UntrueAnswer {
    /// A proposal has no answer.
    #[error("none was given")]
    Missing,
    /// Nothing was proposed.
    #[error("nothing was proposed")]
    Unasked,
    /// A server that does not lead accepts.
    #[error("it accepts, and does not lead")]
    Follows,
    /// A server that leads refuses.
    #[error("it refuses, and leads")]
    Leads,
    /// The answer states another term than the server's.
    #[error("it states term {stated} in term {current}")]
    Term {
        /// What it states.
        stated: Term,
        /// The server's term.
        current: Term,
    },
    /// The accepted entries begin elsewhere than behind the log as it was.
    #[error("it accepts at {stated}, where {free} is free")]
    Place {
        /// The index that the answer states.
        stated: Index,
        /// The first free one.
        free: Index,
    },
    /// The log is not what it was, with the accepted entries behind it.
    #[error("another entry, or none, or one too many stands at {index}")]
    Entry {
        /// The first index at which it differs.
        index: Index,
    },
    /// A refusal changes the server.
    #[error("it refuses, and is changed")]
    Changed,
    /// A refusal owes something else: a record, a message, a timer, an entry to apply, a breach.
    #[error("it refuses, and owes more than the answer")]
    Owes,
    /// A refusal names another leader than the server knows, or itself.
    #[error("it refuses, and names a leader that it does not know")]
    Leader,
}

/// The answer to a proposal is true: see [`TRUE_ANSWERS`](super::TRUE_ANSWERS). `proposed` is the
/// server before the step and what it was asked to append, if it was asked; `output` is what the
/// step returned, and `after` the server behind it.
///
/// # Errors
/// How it is not.
pub fn answer_is_true<M>(
    proposed: Option<(&Server, &[Payload])>,
    output: &Output<M>,
    after: &Server,
) -> Result<(), UntrueAnswer> {
    match (proposed, output.proposal) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(UntrueAnswer::Unasked),
        (Some(_), None) => Err(UntrueAnswer::Missing),
        (Some((before, payloads)), Some(Proposal::Accepted { term, first_index })) => {
            has_the_term(term, before)?;
            is_accepted(before, payloads, first_index, after)
        }
        (Some((before, _)), Some(Proposal::NotLeader { term, leader })) => {
            has_the_term(term, before)?;
            is_refused(before, leader, output, after)
        }
    }
}

fn must(holds: bool, otherwise: UntrueAnswer) -> Result<(), UntrueAnswer> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn has_the_term(stated: Term, before: &Server) -> Result<(), UntrueAnswer> {
    let current = before.current_term();
    must(stated == current, UntrueAnswer::Term { stated, current })
}

fn is_accepted(
    before: &Server,
    payloads: &[Payload],
    first_index: Index,
    after: &Server,
) -> Result<(), UntrueAnswer> {
    let term = before.current_term();
    must(before.is_leader() && after.is_leader(), UntrueAnswer::Follows)?;
    must(after.current_term() == term, UntrueAnswer::Changed)?;
    let free = before.log().last_index() + 1;
    must(first_index == free, UntrueAnswer::Place { stated: first_index, free })?;
    if let Some(index) = first_lost(before.log(), after.log()) {
        return Err(UntrueAnswer::Entry { index });
    }
    let appended = after.log().range(free, after.log().last_index());
    let stands = appended
        .iter()
        .zip(payloads)
        .take_while(|(entry, payload)| entry.term == term && entry.payload == **payload);
    let stands = stands.count();
    let whole = stands == payloads.len() && stands == appended.len();
    must(whole, UntrueAnswer::Entry { index: free + stands as Index })
}

fn is_refused<M>(
    before: &Server,
    leader: Option<ServerId>,
    output: &Output<M>,
    after: &Server,
) -> Result<(), UntrueAnswer> {
    let Output { persist, send, timers, restore, apply, proposal: _, breach } = output;
    let owes = persist.len() + send.len() + timers.len() + apply.len();
    must(!before.is_leader(), UntrueAnswer::Leads)?;
    must(before == after, UntrueAnswer::Changed)?;
    must(owes == 0 && restore.is_none() && breach.is_none(), UntrueAnswer::Owes)?;
    let known = leader == before.leader() && leader != Some(before.config().id);
    must(known, UntrueAnswer::Leader)
}

#[cfg(test)]
mod tests {
    use veraft::figure2::{Message, Record, Timer, TimerDuty};

    use super::super::fixtures::{entry, server, stored};
    use super::*;

    const A: ServerId = ServerId(0);
    const B: ServerId = ServerId(1);

    fn payloads(numbers: &[u64]) -> Vec<Payload> {
        numbers.iter().map(|&number| entry(2, number).payload).collect()
    }

    fn answer(proposal: Proposal) -> Output<Message> {
        Output { proposal: Some(proposal), ..Output::default() }
    }

    /// A leader of term 2 that holds entry 1:7 and is asked for 8 and 9.
    fn accepts(term: Term, first_index: Index, log: &[(Term, u64)]) -> Result<(), UntrueAnswer> {
        let (before, after) =
            (server(A, true, stored(2, &[(1, 7)])), server(A, true, stored(2, log)));
        let output = answer(Proposal::Accepted { term, first_index });
        answer_is_true(Some((&before, &payloads(&[8, 9]))), &output, &after)
    }

    #[test]
    fn what_is_accepted_stands_where_the_answer_says_whole_and_in_order() {
        use UntrueAnswer::{Entry, Place, Term};
        assert_eq!(accepts(2, 2, &[(1, 7), (2, 8), (2, 9)]), Ok(()));
        let sound = [(1, 7), (2, 8), (2, 9)];
        assert_eq!(accepts(1, 2, &sound), Err(Term { stated: 1, current: 2 }));
        assert_eq!(accepts(2, 3, &sound), Err(Place { stated: 3, free: 2 }));
        let entry = |index| Err(Entry { index });
        assert_eq!(accepts(2, 2, &[(1, 7), (2, 9), (2, 8)]), entry(2));
        assert_eq!(accepts(2, 2, &[(1, 7), (1, 8), (2, 9)]), entry(2));
        assert_eq!(accepts(2, 2, &[(1, 7), (2, 8)]), entry(3));
        assert_eq!(accepts(2, 2, &[(1, 7), (2, 8), (2, 9), (2, 9)]), entry(4));
        assert_eq!(accepts(2, 2, &[(1, 6), (2, 8), (2, 9)]), entry(1));
    }

    #[test]
    fn who_leads_accepts_and_who_does_not_refuses() {
        let (leads, follows) = (server(A, true, stored(2, &[])), server(A, false, stored(2, &[])));
        let accepted = answer(Proposal::Accepted { term: 2, first_index: 1 });
        let refused = answer(Proposal::NotLeader { term: 2, leader: None });
        let judge = |server: &Server, output| answer_is_true(Some((server, &[])), output, server);
        assert_eq!(judge(&leads, &accepted), Ok(()));
        assert_eq!(judge(&follows, &accepted), Err(UntrueAnswer::Follows));
        assert_eq!(judge(&follows, &refused), Ok(()));
        assert_eq!(judge(&leads, &refused), Err(UntrueAnswer::Leads));
        assert_eq!(judge(&leads, &Output::default()), Err(UntrueAnswer::Missing));
        assert_eq!(answer_is_true(None, &accepted, &leads), Err(UntrueAnswer::Unasked));
        assert_eq!(answer_is_true(None, &Output::<Message>::default(), &leads), Ok(()));
    }

    #[test]
    fn a_refusal_changes_nothing_owes_nothing_and_names_who_is_known() {
        let follower = server(A, false, stored(2, &[]));
        let judge = |output: &Output, after: &Server| {
            answer_is_true(Some((&follower, &payloads(&[8]))), output, after)
        };
        let refusal = |term, leader| answer(Proposal::NotLeader { term, leader });
        let sound = refusal(2, None);
        assert_eq!(judge(&sound, &follower), Ok(()));
        let changed = server(A, false, stored(2, &[(2, 8)]));
        assert_eq!(judge(&sound, &changed), Err(UntrueAnswer::Changed));
        let timers = vec![TimerDuty::Set(Timer::Election)];
        let owes = Output { timers, ..sound.clone() };
        assert_eq!(judge(&owes, &follower), Err(UntrueAnswer::Owes));
        let persist = vec![Record::Ballot { current_term: 2, voted_for: None }];
        let owes = Output { persist, ..sound.clone() };
        assert_eq!(judge(&owes, &follower), Err(UntrueAnswer::Owes));
        assert_eq!(judge(&refusal(2, Some(A)), &follower), Err(UntrueAnswer::Leader));
        assert_eq!(judge(&refusal(2, Some(B)), &follower), Err(UntrueAnswer::Leader));
        let stated = Err(UntrueAnswer::Term { stated: 3, current: 2 });
        assert_eq!(judge(&refusal(3, None), &follower), stated);
    }
}
