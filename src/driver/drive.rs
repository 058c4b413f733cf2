//! A server and its timers, and what its steps owe: what every surrounding does the same way.
//!
//! ```text
//!   begin_turn ──► due, or what arrived ──► step ──► carry_out ──► passing, apply: leave at once
//!       ▲            stored, of the disk     ▲           │    └──► held: to the gate
//!       └──────── the next turn              └─ follow_up┘
//! ```
//!
//! A surrounding takes turns: it says when one begins, brings what arrived, and then what is
//! [due](Driver::due), each as one [`step`](Driver::step), [`carry_out`](Driver::carry_out) and
//! [`follow_up`](Driver::follow_up). What a step owes stands between the first two for whoever
//! records it.

use alloc::vec::Vec;
use core::mem;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::flow::{Flow, Outbound};
use super::held::{Held, Stored};
use super::protocol::Protocol;
use super::standing::Standing;
use super::timers::Timers;
use super::timing::Timing;
use crate::figure2::{
    AppendOutcome, Breach, Config, Entry, Index, Input, Message, Output, Payload, Persistent,
    Record, Role, ServerId, Term, Timer, TimerDuty, WaitsFor,
};

/// A server and its timers.
#[derive(Clone, Debug)]
pub struct Driver<P> {
    server: P,
    timers: Timers,
    flow: Flow,
    /// The answer to a leader that the last step took.
    answered: Option<Answer>,
    /// How many steps there were since the start.
    steps: u64,
    /// Whether the last step made the server a leader.
    elected: bool,
    /// Whether the election timer was due when the turn began.
    overdue: bool,
    /// Where the server stood when a step was last carried out.
    standing: Standing,
    /// The last step with a ballot among its records.
    ballot: u64,
    /// The last step whose records cut the log.
    cut: u64,
    /// The last step whose records are known to be durable.
    stored: u64,
}

/// What a step owes now, but for its timers.
#[derive(Clone, Debug)]
pub struct Owed<M, W> {
    /// Messages that need not wait for what is at the gate.
    pub passing: Vec<(ServerId, M)>,
    /// Entries to apply: durable already, and behind every [`Held::restore`] before them.
    pub apply: Vec<(Index, Entry)>,
    /// What has to go through the gate.
    pub held: Option<Held<M, W>>,
    /// See [`Output::breach`].
    pub breach: Option<Breach>,
}

impl<P: Protocol> Driver<P> {
    /// A server that starts, and what its start owes: see [`Protocol::start`].
    pub fn start(
        config: Config,
        persistent: Persistent,
        floor: Index,
        timing: Timing,
    ) -> (Self, Output<P::Message>) {
        let (server, output) = P::start(config, persistent, floor);
        (Driver::new(server, timing), output)
    }

    /// A server in the middle of its life, whose timers do not run yet.
    pub fn new(server: P, timing: Timing) -> Self {
        let standing = Standing::of(server.figure2());
        let flow = Flow::new(&timing);
        Driver {
            server,
            timers: Timers::new(timing),
            flow,
            answered: None,
            steps: 0,
            elected: false,
            overdue: false,
            standing,
            ballot: 0,
            cut: 0,
            stored: 0,
        }
    }

    /// The same, which has so many batches under way to a peer at most, if this server leads; one at
    /// first.
    #[must_use]
    pub fn with_window(mut self, batches: usize) -> Self {
        self.flow.set_window(batches);
        self
    }

    /// The server.
    pub fn server(&self) -> &P {
        &self.server
    }

    /// Where the server stood when a step was last carried out; at first, as it started.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// How many steps there were since the start.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When the next timer fires, or something is to be [repeated](Self::repeat).
    pub fn next(&self) -> Option<Duration> {
        self.timers.next().into_iter().chain(self.flow.next()).min()
    }

    /// A turn begins. An election timer that is due by now fires in this turn, after what arrived;
    /// one that falls due later gives way to what arrives until the next turn: it may be a sign
    /// of life from the leader.
    pub fn begin_turn(&mut self, now: Duration) {
        self.overdue = self.timers.is_due(now, Timer::Election);
    }

    /// The timer that fires next in this turn, after what arrived: the heartbeat's first.
    pub fn due(&mut self, now: Duration) -> Option<Input<P::Message>> {
        if self.timers.fires(now, Timer::Heartbeat) {
            return Some(Input::Timeout(Timer::Heartbeat));
        }
        let fires = self.overdue && self.timers.fires(now, Timer::Election);
        self.overdue = false;
        fires.then_some(Input::Timeout(Timer::Election))
    }

    /// Sends again, where it is time, what a peer has not acknowledged. `outbound` tells what has
    /// become of what was sent last.
    pub fn repeat(
        &mut self,
        now: Duration,
        outbound: impl Fn(ServerId) -> Outbound,
    ) -> Option<Input<P::Message>> {
        self.flow.due(now, outbound).map(|peer| Input::Repeat { peer })
    }

    /// An election timeout that was [due](Self::due) is not to be: the timer runs anew.
    pub fn put_election_off(
        &mut self,
        now: Duration,
        draw: impl FnOnce(RangeInclusive<Duration>) -> Duration,
    ) {
        self.timers.obey(now, TimerDuty::Set(Timer::Election), draw);
    }

    /// One step of the server. What it returns goes to [`carry_out`](Self::carry_out).
    pub fn step(&mut self, input: Input<P::Message>) -> Output<P::Message> {
        self.steps += 1;
        self.answered = answering::<P>(&input);
        let before = self.led_term();
        let output = self.server.step(input);
        let after = self.led_term();
        self.elected = after.is_some() && after != before;
        output
    }

    /// Records are durable, and what waited for them has left; what the server is to be told of
    /// it. Nothing, if the log was cut since: what is there now may have other entries.
    pub fn stored(&mut self, stored: Stored) -> Option<Input<P::Message>> {
        let Stored { step, last_index, last_term } = stored;
        self.stored = self.stored.max(step);
        (step >= self.cut).then_some(Input::Stored { last_index, last_term })
    }

    /// Whether something waits for the server to be told what is [stored](Self::stored): a leader
    /// counts itself, and what is committed is applied.
    pub fn awaits_stored(&self) -> bool {
        let server = self.server.figure2();
        let awaited = match server.is_leader() {
            true => server.log().last_index(),
            false => server.volatile().commit_index,
        };
        server.volatile().stored < awaited
    }

    fn led_term(&self) -> Option<Term> {
        let server = self.server.figure2();
        server.is_leader().then(|| server.current_term())
    }

    /// Sets the timers of a step, and tells what else it owes. `waiters` wait for the answer to a
    /// proposal; `writing` is how long the write under way has lasted, if one is; `draw` chooses
    /// evenly from a range.
    pub fn carry_out<W>(
        &mut self,
        now: Duration,
        output: Output<P::Message>,
        waiters: Vec<W>,
        writing: impl FnOnce() -> Option<Duration>,
        mut draw: impl FnMut(RangeInclusive<Duration>) -> Duration,
    ) -> Owed<P::Message, W> {
        let Output { persist, mut send, timers, restore, apply, proposal, breach } = output;
        timers.into_iter().for_each(|duty| self.timers.obey(now, duty, &mut draw));
        self.note_records(&persist);
        self.watch_flow(now, &mut send);
        let [passing, send] = self.passing(send, writing);
        let proposal = proposal.map(|outcome| (outcome, waiters));
        let after = Standing::of(self.server.figure2());
        let before = mem::replace(&mut self.standing, after);
        let standing = (after != before).then_some(after);
        let nothing = persist.is_empty()
            && standing.is_none()
            && send.is_empty()
            && restore.is_none()
            && proposal.is_none();
        let (step, log) = (self.steps, self.server.figure2().log());
        let end = Stored { step, last_index: log.last_index(), last_term: log.last_term() };
        let stored = (!persist.is_empty()).then_some(end);
        let held = Held { step, persist, stored, standing, send, restore, proposal };
        Owed { passing, apply, held: (!nothing).then_some(held), breach }
    }

    fn note_records(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Ballot { .. } => self.ballot = self.steps,
                Record::Truncate { .. } | Record::Base(_) => self.cut = self.steps,
                Record::Append { .. } => {}
            }
        }
    }

    /// What peers have not acknowledged, and since when. What is under way to one does not leave
    /// again.
    fn watch_flow(&mut self, now: Duration, send: &mut Vec<(ServerId, P::Message)>) {
        let (flow, server) = (&mut self.flow, self.server.figure2());
        let Role::Leader(leader) = &server.volatile().role else { return flow.clear() };
        if let Some(Answer { from, refuses }) = self.answered.take() {
            let matched = leader.match_index.get(&from).copied();
            let refuses = refuses.is_some_and(|prev| matched.is_some_and(|known| known < prev));
            flow.answered(now, from, leader, server.log().last_index(), refuses);
        }
        send.retain(|(to, message)| match P::core_message(message) {
            Some(Message::AppendEntries(request)) if !request.entries.is_empty() => {
                let after = request.prev_log_index;
                flow.lets_pass(now, *to, after, after + request.entries.len() as Index)
            }
            Some(Message::InstallSnapshot(_)) => {
                flow.mark_sent(now, *to);
                true
            }
            Some(
                Message::AppendEntries(_)
                | Message::AppendEntriesReply(_)
                | Message::RequestVote(_)
                | Message::RequestVoteReply(_),
            )
            | None => true,
        });
    }

    /// Parts what need not wait at the gate from what has to. Behind a write that is stuck, all of
    /// it has to: a leader whose disk stalls is to lose its office.
    fn passing(
        &self,
        send: Vec<(ServerId, P::Message)>,
        writing: impl FnOnce() -> Option<Duration>,
    ) -> [Vec<(ServerId, P::Message)>; 2] {
        let ballots_are_stored = self.ballot <= self.stored;
        let passes = |(_, message): &(ServerId, P::Message)| match P::waits_for(message) {
            WaitsFor::Nothing => true,
            WaitsFor::Ballots => ballots_are_stored,
            WaitsFor::Records => false,
        };
        let patience = self.timers.timing().patience();
        match send.iter().any(passes) && writing().is_none_or(|age| age < patience) {
            true => send.into_iter().partition(passes).into(),
            false => [Vec::new(), send],
        }
    }

    /// What a driver does at once after a step, before anything else: a new leader appends a blank,
    /// where it is configured so, so that what came before its term is committed; and sends its
    /// peers more, as long as the window has room.
    pub fn follow_up(&mut self, blanks: bool) -> Option<Input<P::Message>> {
        if mem::take(&mut self.elected) && blanks {
            return Some(Input::Propose { payloads: Vec::from([Payload::Blank]) });
        }
        let server = self.server.figure2();
        let Role::Leader(leader) = &server.volatile().role else { return None };
        let ahead = self.flow.ahead(leader, server.log());
        ahead.map(|(peer, after)| Input::Pipeline { peer, after })
    }
}

/// An answer to a leader.
#[derive(Clone, Copy, Debug)]
struct Answer {
    from: ServerId,
    /// The request that it refuses for inconsistency, by the index before its entries.
    refuses: Option<Index>,
}

/// The answer to a leader that an input is, if it is one.
fn answering<P: Protocol>(input: &Input<P::Message>) -> Option<Answer> {
    match input {
        Input::Receive { from, message } => match P::core_message(message)? {
            Message::AppendEntriesReply(reply) => Some(Answer {
                from: *from,
                refuses: match reply.outcome {
                    AppendOutcome::Conflict { prev_log_index, .. } => Some(prev_log_index),
                    AppendOutcome::Success { .. } | AppendOutcome::StaleTerm => None,
                },
            }),
            Message::AppendEntries(_)
            | Message::InstallSnapshot(_)
            | Message::RequestVote(_)
            | Message::RequestVoteReply(_) => None,
        },
        Input::Timeout(_)
        | Input::Propose { .. }
        | Input::Compacted { .. }
        | Input::Stored { .. }
        | Input::Repeat { .. }
        | Input::Pipeline { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    use crate::figure2::{AppendEntries, RequestVoteReply, Server};

    const MS: Duration = Duration::from_millis(1);

    fn started() -> Driver<Server> {
        let servers = Arc::new([1, 2, 3].map(ServerId).into());
        let config = Config { id: ServerId(1), servers, max_append_bytes: 1024 };
        let timing = Timing::new(30 * MS..=60 * MS, 10 * MS).unwrap();
        let (mut driver, output) = Driver::start(config, Persistent::default(), 0, timing);
        carry_out(&mut driver, Duration::ZERO, output);
        driver
    }

    /// Election timers run for 40 ms, and the write under way has lasted for 20.
    fn carry_out(
        driver: &mut Driver<Server>,
        now: Duration,
        output: Output,
    ) -> Owed<Message, &'static str> {
        driver.carry_out(now, output, Vec::from(["client"]), || Some(20 * MS), |_| 40 * MS)
    }

    fn elected() -> Driver<Server> {
        let mut driver = started();
        let output = driver.step(Input::Timeout(Timer::Election));
        let owed = carry_out(&mut driver, 50 * MS, output);
        let held = owed.held.unwrap();
        assert_eq!((held.step, held.persist.len(), held.send.len()), (1, 1, 2));
        assert_eq!(driver.follow_up(true), None, "a candidate");
        let vote = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
        let output = driver.step(Input::Receive { from: ServerId(2), message: vote });
        assert!(driver.stored(held.stored.unwrap()).is_some());
        let owed = carry_out(&mut driver, 50 * MS, output);
        assert_eq!(owed.passing.len(), 2, "heartbeats");
        driver
    }

    #[test]
    fn what_a_leader_sends_passes_the_gate_unless_its_disk_is_stuck() {
        let mut driver = elected();
        let mut owed = |input, writing: Option<Duration>| {
            let output = driver.step(input);
            driver.carry_out::<()>(50 * MS, output, Vec::new(), || writing, |_| 40 * MS)
        };
        for (writing, passing) in [(None, 2), (Some(29 * MS), 2), (Some(30 * MS), 0)] {
            let heartbeats = owed(Input::Timeout(Timer::Heartbeat), writing);
            assert_eq!(heartbeats.passing.len(), passing, "{writing:?}");
            assert_eq!(heartbeats.held.map_or(0, |held| held.send.len()), 2 - passing);
        }
        let entry = owed(Input::Propose { payloads: Vec::from([Payload::Blank]) }, None);
        assert_eq!((entry.passing.len(), entry.held.unwrap().send.len()), (2, 0));
    }

    #[test]
    fn what_states_a_term_waits_for_the_ballot() {
        let mut driver = started();
        let output = driver.step(Input::Timeout(Timer::Election));
        carry_out(&mut driver, 50 * MS, output);
        let vote = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
        let output = driver.step(Input::Receive { from: ServerId(2), message: vote });
        let owed = carry_out(&mut driver, 50 * MS, output);
        assert_eq!((owed.passing.len(), owed.held.unwrap().send.len()), (0, 2));
    }

    #[test]
    fn what_is_stored_is_told_unless_the_log_was_cut_since() {
        let mut driver = elected();
        assert!(!driver.awaits_stored());
        let output = driver.step(Input::Propose { payloads: Vec::from([Payload::Blank]) });
        let stored = carry_out(&mut driver, 50 * MS, output).held.unwrap().stored.unwrap();
        assert_eq!((stored.last_index, stored.last_term), (1, 1));
        assert!(driver.awaits_stored());
        let told = Input::Stored { last_index: 1, last_term: 1 };
        assert_eq!(driver.clone().stored(stored), Some(told));
        // The leader of the next term has another entry there.
        let request = Message::AppendEntries(AppendEntries {
            term: 2,
            leader_id: ServerId(2),
            prev_log_index: 0,
            prev_log_term: 0,
            entries: [Entry { term: 2, payload: Payload::Blank }].into_iter().collect(),
            leader_commit: 1,
        });
        let output = driver.step(Input::Receive { from: ServerId(2), message: request });
        let owed = carry_out(&mut driver, 50 * MS, output);
        assert!(owed.apply.is_empty() && driver.awaits_stored());
        assert_eq!(driver.stored(stored), None);
        let input = driver.stored(owed.held.unwrap().stored.unwrap()).unwrap();
        let output = driver.step(input);
        assert_eq!(carry_out(&mut driver, 50 * MS, output).apply.len(), 1);
        assert!(!driver.awaits_stored());
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_after_a_while() {
        let mut driver = elected();
        let output = driver.step(Input::Propose { payloads: Vec::from([Payload::Blank]) });
        carry_out(&mut driver, 50 * MS, output);
        let left = |_| Outbound::Left(50 * MS);
        assert_eq!(driver.repeat(69 * MS, left), None);
        let again = [2, 3].map(|_| driver.repeat(70 * MS, left).unwrap());
        assert_eq!(again, [2, 3].map(|id| Input::Repeat { peer: ServerId(id) }));
        let output = driver.step(again[0].clone());
        assert_eq!(carry_out(&mut driver, 70 * MS, output).passing.len(), 1);
        assert_eq!(driver.repeat(70 * MS, left), None);
    }

    #[test]
    fn a_new_leader_appends_a_blank_where_it_is_to_and_only_once() {
        assert_eq!(elected().follow_up(false), None);
        let mut driver = elected();
        let blank = driver.follow_up(true).unwrap();
        assert_eq!(driver.follow_up(true), None);
        let output = driver.step(blank);
        let held = carry_out(&mut driver, 50 * MS, output).held.unwrap();
        assert_eq!(held.proposal.unwrap().1, ["client"]);
        assert_eq!(driver.follow_up(true), None, "it leads the same term");
    }

    #[test]
    fn an_election_timer_gives_way_once_to_what_arrived() {
        let mut driver = started();
        driver.begin_turn(39 * MS);
        assert_eq!(driver.due(41 * MS), None, "it fell due during the turn");
        driver.begin_turn(41 * MS);
        assert_eq!(driver.due(41 * MS), Some(Input::Timeout(Timer::Election)));
        assert_eq!(driver.due(41 * MS), None);
        // The same, but what arrived was a sign of life.
        let mut driver = started();
        driver.begin_turn(41 * MS);
        driver.timers.obey(41 * MS, crate::figure2::TimerDuty::Set(Timer::Election), |_| 40 * MS);
        assert_eq!(driver.due(41 * MS), None);
    }

    #[test]
    fn a_heartbeat_is_due_before_an_election_and_without_a_turn() {
        let mut driver = elected();
        assert_eq!(driver.next(), Some(60 * MS));
        assert_eq!(driver.due(59 * MS), None);
        assert_eq!(driver.due(60 * MS), Some(Input::Timeout(Timer::Heartbeat)));
    }
}
