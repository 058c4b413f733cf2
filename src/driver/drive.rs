//! A server and its timers, and what its steps owe: what every surrounding does the same way.
//!
//! ```text
//!   begin_turn ──► due, or what arrived ──► step ──► carry_out ──► passing: leaves at once
//!       ▲                                    ▲           │    └──► held: to the gate
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

use super::gate::lets_heartbeats_pass;
use super::held::Held;
use super::protocol::Protocol;
use super::standing::Standing;
use super::timers::Timers;
use super::timing::Timing;
use crate::figure2::{
    Breach, Config, Index, Input, Output, Payload, Persistent, ServerId, Term, Timer, TimerDuty,
};

/// A server and its timers.
#[derive(Clone, Debug)]
pub struct Driver<P> {
    server: P,
    timers: Timers,
    /// How many steps there were since the start.
    steps: u64,
    /// Whether the last step made the server a leader.
    elected: bool,
    /// Whether the election timer was due when the turn began.
    overdue: bool,
    /// Where the server stood when a step was last carried out.
    standing: Standing,
}

/// What a step owes now, but for its timers.
#[derive(Clone, Debug)]
pub struct Owed<M, W> {
    /// Heartbeats that pass what waits at the gate.
    pub passing: Vec<(ServerId, M)>,
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
        let (timers, standing) = (Timers::new(timing), Standing::of(server.figure2()));
        Driver { server, timers, steps: 0, elected: false, overdue: false, standing }
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

    /// When the next timer fires.
    pub fn next(&self) -> Option<Duration> {
        self.timers.next()
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
        let before = self.led_term();
        let output = self.server.step(input);
        let after = self.led_term();
        self.elected = after.is_some() && after != before;
        output
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
        let Output { persist, send, timers, restore, apply, proposal, breach } = output;
        timers.into_iter().for_each(|duty| self.timers.obey(now, duty, &mut draw));
        let waits = |(_, message): &(ServerId, P::Message)| P::waits_for_records(message);
        let passes = !send.iter().all(waits)
            && lets_heartbeats_pass(&self.timers.timing().patience(), writing());
        let (send, passing) = match passes {
            true => send.into_iter().partition(waits),
            false => (send, Vec::new()),
        };
        let proposal = proposal.map(|outcome| (outcome, waiters));
        let after = Standing::of(self.server.figure2());
        let before = mem::replace(&mut self.standing, after);
        let standing = (after != before).then_some(after);
        let nothing = persist.is_empty()
            && standing.is_none()
            && send.is_empty()
            && restore.is_none()
            && apply.is_empty()
            && proposal.is_none();
        let held = Held { step: self.steps, persist, standing, send, restore, apply, proposal };
        Owed { passing, held: (!nothing).then_some(held), breach }
    }

    /// What a driver does at once after a step, before anything else, where it is configured so: a
    /// new leader appends a blank, so that what came before its term is committed.
    pub fn follow_up(&mut self, blanks: bool) -> Option<Input<P::Message>> {
        let appends = mem::take(&mut self.elected) && blanks;
        appends.then(|| Input::Propose { payloads: Vec::from([Payload::Blank]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    use crate::figure2::{Message, RequestVoteReply, Server};

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
        let owed = carry_out(&mut driver, 50 * MS, output);
        assert_eq!(owed.passing.len(), 2, "heartbeats pass a slow write");
        driver
    }

    #[test]
    fn heartbeats_wait_like_all_else_while_no_write_is_slow_and_entries_always() {
        let mut driver = elected();
        let mut owed = |input, writing: Option<Duration>| {
            let output = driver.step(input);
            driver.carry_out::<()>(50 * MS, output, Vec::new(), || writing, |_| 40 * MS)
        };
        for (writing, passing) in [(None, 0), (Some(4 * MS), 0), (Some(20 * MS), 2)] {
            let heartbeats = owed(Input::Timeout(Timer::Heartbeat), writing);
            assert_eq!(heartbeats.passing.len(), passing, "{writing:?}");
            assert_eq!(heartbeats.held.map_or(0, |held| held.send.len()), 2 - passing);
        }
        let entry = owed(Input::Propose { payloads: Vec::from([Payload::Blank]) }, Some(20 * MS));
        assert_eq!((entry.passing.len(), entry.held.unwrap().send.len()), (0, 2));
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
