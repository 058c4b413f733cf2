//! What a step owes while it waits at the gate, and how it leaves.

use alloc::vec::Vec;

use super::standing::Standing;
use super::waiters::Run;
use crate::figure2::{Base, Index, Proposal, Record, ServerId, Term};

/// What a step owes, but for its timers and what passes the gate. `W` is whoever waits for a
/// proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<M, W> {
    /// The number of the step since the start.
    pub step: u64,
    /// Records to make durable before anything else of it leaves.
    pub persist: Vec<Record>,
    /// What is durable once they are; none if there are none.
    pub stored: Option<Stored>,
    /// Where the server stands from here on, if that has changed.
    pub standing: Option<Standing>,
    /// Messages to send.
    pub send: Vec<(ServerId, M)>,
    /// What the state machine is to become before anything is applied; see [`Output::restore`].
    ///
    /// [`Output::restore`]: crate::figure2::Output::restore
    pub restore: Option<Base>,
    /// What became of proposals, and who waits for them, in the order of their entries.
    pub proposal: Option<(Proposal, Vec<W>)>,
}

/// What is durable once the records of a step, and of all earlier ones, are: the end of the log
/// behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The number of the step since the start.
    pub step: u64,
    /// The index of the last entry.
    pub last_index: Index,
    /// Its term.
    pub last_term: Term,
}

/// The ways out of a node.
pub trait Exits<M, W> {
    /// Users are told where the server stands: before any message or answer, so that whoever hears
    /// of what a step did finds it here too.
    fn tell(&mut self, standing: Standing);

    /// Messages leave.
    fn send(&mut self, messages: Vec<(ServerId, M)>);

    /// Proposals stand durably in the leader's log. Who made them waits on, until their entries
    /// are applied.
    fn accepted(&mut self, run: Run<W>);

    /// Proposals that nothing came of: this server does not lead `term`.
    fn refused(&mut self, term: Term, leader: Option<ServerId>, waiters: Vec<W>);

    /// The state machine becomes the image of a mark.
    fn restore(&mut self, base: Base);
}

impl<M, W> Default for Held<M, W> {
    fn default() -> Self {
        Held {
            step: 0,
            persist: Vec::new(),
            stored: None,
            standing: None,
            send: Vec::new(),
            restore: None,
            proposal: None,
        }
    }
}

impl<M, W> Held<M, W> {
    /// Lets it out, in the order of duty.
    ///
    /// # Panics
    /// When it still holds records: nobody made them durable.
    pub fn leave(self, exits: &mut impl Exits<M, W>) {
        let Held { step: _, persist, stored: _, standing, send, restore, proposal } = self;
        assert!(persist.is_empty(), "nobody made its records durable");
        if let Some(standing) = standing {
            exits.tell(standing);
        }
        exits.send(send);
        match proposal {
            Some((Proposal::Accepted { term, first_index }, waiters)) => {
                exits.accepted(Run { term, first_index, waiters: waiters.into() });
            }
            Some((Proposal::NotLeader { term, leader }, waiters)) => {
                exits.refused(term, leader, waiters);
            }
            None => {}
        }
        if let Some(base) = restore {
            exits.restore(base);
        }
    }
}
