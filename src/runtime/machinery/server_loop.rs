//! The thread that owns the server: inputs in, outputs to the gate, timers.

use crate::runtime::std;

use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::arrived::Arrived;
use super::breaches::Logged;
use super::clock::Clock;
use super::compacting::Compacting;
use super::errands::Errands;
use super::gate::Gate;
use super::identity::Progress;
use super::mailbox::{Mailbox, Taken};
use super::outlets::{Gated, Outlets};
use super::reception::Identities;
use super::room::RoomWatch;
use super::watch::Watch;
use crate::driver::{Driver, Owed};
use crate::figure2::{
    Breach, Input, Leader, Message, Output, Payload, Proposal, Role, Server, ServerId, Term, Timer,
};
use crate::runtime::metrics::Counters;
use crate::runtime::proposal::{ProposeError, Waiter};
use crate::runtime::recorder::{Line, Recorder, State};

/// The server loop of one node.
pub(super) struct ServerLoop<R> {
    pub(super) driver: Driver<Server>,
    pub(super) clock: Clock,
    pub(super) arrived: Arc<Mailbox<Arrived<R>>>,
    pub(super) gate: Arc<Gate<Gated<R>>>,
    pub(super) outlets: Arc<Outlets<R>>,
    pub(super) counters: Arc<Counters>,
    pub(super) recorder: Option<Recorder>,
    /// Writes what waits at the gate, for a storage that never blocks; otherwise the disk thread
    /// does.
    pub(super) write_here: Option<Box<dyn FnMut() + Send>>,
    pub(super) identities: Arc<Identities>,
    pub(super) errands: Errands,
    pub(super) watch: Watch,
    /// How far each peer's messages show that it has come.
    pub(super) shown: BTreeMap<ServerId, Progress>,
    /// Whether the server must not go on. The node ends once that is durable.
    pub(super) stops: bool,
    pub(super) logged: Logged,
    /// Whether to append a blank after an election.
    pub(super) blanks: bool,
    pub(super) room: Arc<RoomWatch>,
    pub(super) compacting: Compacting,
    /// With more bytes than this to apply, no more entries are taken.
    pub(super) max_backlog_bytes: u64,
}

impl<R> ServerLoop<R> {
    /// The life of the server thread. `started` is what the start of the server owes.
    pub(super) fn run(mut self, started: Output) {
        self.carry_out(started, Vec::new());
        loop {
            self.driver.begin_turn(self.clock.now());
            let next = self.driver.next().map(|at| self.clock.moment(at));
            if self.driver.awaits_stored() {
                self.arrived.put(|arrived| arrived.awaits_stored = true);
            }
            match self.arrived.take(next) {
                Taken::All(arrived) => self.serve(arrived),
                Taken::TimedOut => self.driver.begin_turn(self.clock.now()),
                Taken::Closed => break,
            }
            let now = self.clock.now();
            while !self.stops
                && let Some(input) = self.driver.due(now)
            {
                if input == Input::Timeout(Timer::Election) && self.may_not_stand() {
                    self.driver.put_election_off(now, |range| self.clock.draw(range));
                } else {
                    self.step(input, Vec::new());
                }
            }
            self.repeat();
            self.look_at_readmissions();
            self.look_at_compaction();
        }
        if let Some(recorder) = &self.recorder {
            recorder.record(Line::Stop { step: self.driver.steps() });
        }
    }

    pub(super) fn server(&self) -> &Server {
        self.driver.server()
    }

    fn serve(&mut self, arrived: Arrived<R>) {
        let Arrived { errands, stored, awaits_stored: _, messages, bytes: _, proposals } = arrived;
        if let Some(input) = stored.and_then(|stored| self.driver.stored(stored)) {
            self.step(input, Vec::new());
        }
        // What a peer's hello said stands before its messages.
        errands.into_iter().for_each(|errand| self.run_errand(errand));
        self.receive(messages);
        match self.stops {
            true => self.wait_for_the_end(proposals),
            false => self.propose(proposals),
        }
    }

    fn receive(&mut self, messages: VecDeque<(ServerId, Message)>) {
        for (from, message) in messages {
            if self.declines(&message) {
                continue;
            }
            let term = message.term();
            let reply = match &message {
                Message::AppendEntriesReply(reply) => Some(reply.clone()),
                Message::AppendEntries(_)
                | Message::RequestVote(_)
                | Message::RequestVoteReply(_)
                | Message::InstallSnapshot(_) => None,
            };
            if let Some(breach) = self.step(Input::Receive { from, message }, Vec::new()) {
                self.breached(from, breach);
                if self.stops {
                    return;
                }
                continue;
            }
            self.note_progress(from, term);
            if let Some(reply) = reply {
                self.watch_reply(from, &reply);
            }
        }
    }

    /// Sends again what was lost on its way to a peer.
    fn repeat(&mut self) {
        let (now, outlets) = (self.clock.now(), self.outlets.clone());
        while !self.stops {
            let clock = &self.clock;
            let outbound = |peer| outlets.outbound(peer, |moment| clock.since_start(moment));
            let Some(input) = self.driver.repeat(now, outbound) else { return };
            self.step(input, Vec::new());
        }
    }

    /// Does nothing more, and keeps the proposals until the node has ended: they are told why.
    fn wait_for_the_end(&mut self, proposals: Vec<(Payload, Waiter<R>)>) {
        let mut rest = Vec::new();
        while let Taken::All(arrived) = self.arrived.take(None) {
            rest.push(arrived);
        }
        drop((rest, proposals));
    }

    /// Notes how far a peer has come: its message states its term, and a leader knows what it
    /// has acknowledged.
    fn note_progress(&mut self, from: ServerId, term: Term) {
        let index = match &self.server().volatile().role {
            Role::Leader(Leader { next_index: _, match_index })
                if term == self.server().current_term() =>
            {
                match_index.get(&from).copied().unwrap_or(0)
            }
            Role::Leader(_) | Role::Follower { .. } | Role::Candidate { .. } => 0,
        };
        let (shown, progress) = (self.shown.entry(from).or_default(), Progress { term, index });
        if *shown < progress {
            *shown = progress;
            self.identities.shown(from, progress);
        }
    }

    /// All proposals that waited enter the log as one batch.
    fn propose(&mut self, mut proposals: Vec<(Payload, Waiter<R>)>) {
        if proposals.iter().any(is_barrier) && !self.may_append_blanks() {
            proposals = refuse_barriers(proposals);
        }
        proposals = self.refuse_without_room(proposals);
        if !proposals.is_empty() {
            let (payloads, waiters) = proposals.into_iter().unzip();
            self.step(Input::Propose { payloads }, waiters);
        }
    }

    /// One step of the server, and what follows it at once; why it was none, if the message is
    /// not one of a correct peer.
    pub(super) fn step(&mut self, input: Input, mut waiters: Vec<Waiter<R>>) -> Option<Breach> {
        let recorded = self.recorder.as_ref().map(|_| input.clone());
        let output = self.driver.step(input);
        if let (Some(recorder), Some(input)) = (&self.recorder, recorded) {
            let (output, state) = (output.clone(), State::from(self.server()));
            recorder.record(Line::Step { step: self.driver.steps(), input, output, state });
        }
        match output.proposal {
            Some(Proposal::Accepted { .. }) => waiters.iter_mut().for_each(Waiter::enter),
            Some(Proposal::NotLeader { .. }) | None => {}
        }
        let breach = self.carry_out(output, waiters);
        if let Some(input) = self.driver.follow_up(self.blanks && self.may_append_blanks()) {
            self.step(input, Vec::new());
        }
        breach
    }

    /// Peers whose transport has no hellos may be as old as wire version 1, and know no blanks.
    fn may_append_blanks(&self) -> bool {
        !self.identities.registry().somebody_speaks_version_1()
    }

    /// Timers, messages of a leader and what is durable at once; all else through the gate.
    fn carry_out(&mut self, output: Output, waiters: Vec<Waiter<R>>) -> Option<Breach> {
        self.compacting.count(&output);
        self.counters.log_bytes.store(self.compacting.compactor.log_bytes(), Ordering::Relaxed);
        let (gate, clock) = (&self.gate, &mut self.clock);
        let now = clock.now();
        let Owed { passing, apply, held, breach } = self.driver.carry_out(
            now,
            output,
            waiters,
            || gate.writing(),
            |range| clock.draw(range),
        );
        let restores = held.as_ref().is_some_and(|held| held.restore.is_some());
        if let Some(recorder) = &self.recorder
            && (restores || !passing.is_empty() || !apply.is_empty())
        {
            // Nothing leaves before the recording says so, and nothing is applied before an image.
            recorder.wait_until_written();
        }
        self.outlets.send(passing);
        self.outlets.apply(apply);
        if let Some(held) = held {
            self.enter(Gated::of(held));
        }
        breach
    }

    /// Brings a step to the gate, or past it if nothing is there to wait for.
    pub(super) fn enter(&mut self, gated: Gated<R>) {
        let recorded = self.recorder.is_none() || gated.held.restore.is_some();
        let has_to_wait = gated.writes() || !recorded;
        if let Some(free) = self.gate.enter(gated, has_to_wait) {
            self.outlets.release(free);
        } else if let Some(write) = &mut self.write_here {
            write();
        }
    }
}

/// Fails the barriers among proposals; the others.
fn refuse_barriers<R>(proposals: Vec<(Payload, Waiter<R>)>) -> Vec<(Payload, Waiter<R>)> {
    let (barriers, others): (Vec<_>, Vec<_>) = proposals.into_iter().partition(is_barrier);
    barriers.into_iter().for_each(|(_, waiter)| waiter.fail(ProposeError::Outdated));
    others
}

fn is_barrier<R>((payload, _): &(Payload, Waiter<R>)) -> bool {
    *payload == Payload::Blank
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use crate::figure2::Command;
    use crate::runtime::machinery::life::{InFlight, Life};
    use crate::runtime::proposal::Place;

    #[test]
    fn barriers_are_refused_and_commands_keep_their_waiters() {
        let life = Arc::new(Life::default());
        let place = || {
            assert_eq!(life.admit(InFlight::NO_LIMIT, 1), Ok(()));
            Place::new(life.clone(), 1)
        };
        let (first, first_waiter) = Waiter::<u8>::command(place());
        let (barrier, barrier_waiter) = Waiter::barrier(place());
        let (second, second_waiter) = Waiter::command(place());
        let command = |text: &'static [u8]| Payload::Command(Command::from(text));
        let (payloads, waiters): (Vec<_>, Vec<_>) = refuse_barriers(Vec::from([
            (command(b"first"), first_waiter),
            (Payload::Blank, barrier_waiter),
            (command(b"second"), second_waiter),
        ]))
        .into_iter()
        .unzip();
        assert_eq!(payloads, [command(b"first"), command(b"second")]);
        assert!(matches!(barrier.wait(), Err(ProposeError::Outdated)));
        let accepted = crate::runtime::Accepted { term: 1, index: 1 };
        for (number, waiter) in (1..).zip(waiters) {
            waiter.applied(accepted, Some(number));
        }
        assert_eq!([first, second].map(|one| one.wait().unwrap().response), [1, 2]);
    }
}
