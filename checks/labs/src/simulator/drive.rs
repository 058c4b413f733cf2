//! The driver: what happens goes into the core, what the core owes is done.

use std::time::Duration;

use rand::RngExt;
use veraft::figure2::{
    Entry, Index, Input, Message, Output, Payload, Proposal, ServerId, Timer, TimerDuty,
};

use veraft::runtime::recorder::{FORMAT, Line, State};

use super::disk::Duties;
use super::journal::{Happening, Summary};
use super::network::Fate;
use super::safety::logs_match;
use super::{AUDIT_PERIOD, Event, MAX_EVENTS, Process, Simulator};
use crate::failure::Violation;

impl<P: Process> Simulator<P> {
    /// Starts a server from what its disk holds.
    pub(super) fn start_server(&mut self, id: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        node.life += 1;
        node.steps = 0;
        let persistent = node.disk.durable().clone();
        let term = persistent.current_term();
        let last_index = persistent.log().last_index();
        let config = node.config.clone();
        let (told, stored) = (config.clone(), persistent.clone());
        self.record(id, || Line::Start {
            format: FORMAT,
            config: told,
            persistent: stored,
            floor: 0,
        });
        let (process, output) = guarded(id, || P::start(config, persistent))?;
        self.safety.started(id, process.server())?;
        self.oracle.started(id);
        self.nodes[id].process = Some(process);
        self.write(id, Happening::Started { term, last_index });
        self.interpret(id, output, None)
    }

    /// Lets an event happen.
    pub(super) fn happen(&mut self, event: Event) {
        self.events += 1;
        if self.events > MAX_EVENTS {
            self.note(Err(Violation::Runaway { events: self.events }));
            return;
        }
        let outcome = match event {
            Event::Timer { server, timer, ticket } => self.fire(server, timer, ticket),
            Event::Arrival { from, to, message } => self.arrive(from, to, message),
            Event::SyncEnds { server, life } => self.end_sync(server, life),
            Event::Audit => {
                let next = self.queue.now() + AUDIT_PERIOD;
                self.queue.schedule(next, Event::Audit);
                self.events = 0;
                self.compare_logs()
            }
        };
        self.note(outcome);
    }

    /// The answer to a proposal, once it leaves its server.
    pub(super) fn answer(&mut self, ticket: u64) -> Result<Proposal, Violation> {
        loop {
            self.sound()?;
            if let Some(answer) = self.answers.remove(&ticket) {
                return Ok(answer);
            }
            if let Some(event) = self.queue.next(Duration::MAX) {
                self.happen(event);
            }
        }
    }

    fn fire(&mut self, id: usize, timer: Timer, ticket: u64) -> Result<(), Violation> {
        let running = self.running(id, timer);
        if *running != Some(ticket) {
            return Ok(());
        }
        *running = None;
        self.write(id, Happening::TimedOut(timer));
        self.step(id, Input::Timeout(timer), None)
    }

    /// The ticket of a timer, if it runs.
    fn running(&mut self, id: usize, timer: Timer) -> &mut Option<u64> {
        match timer {
            Timer::Election => &mut self.nodes[id].election,
            Timer::Heartbeat => &mut self.nodes[id].heartbeat,
        }
    }

    fn arrive(&mut self, from: usize, to: usize, message: Message) -> Result<(), Violation> {
        if self.nodes[to].process.is_none() || !self.network.connects(from, to) {
            return Ok(());
        }
        self.network.arrived(to, &message);
        self.write(to, Happening::Received { from, message: message.clone() });
        self.step(to, Input::Receive { from: ServerId(from as u64), message }, None)
    }

    fn end_sync(&mut self, id: usize, life: u64) -> Result<(), Violation> {
        if self.nodes[id].life != life || self.nodes[id].process.is_none() {
            return Ok(());
        }
        self.write(id, Happening::Synced);
        let released = self.nodes[id].disk.synced();
        if let Some(&Duties { step, .. }) = released.last() {
            self.record(id, || Line::Durable { step });
        }
        for duties in released {
            self.discharge(id, duties)?;
        }
        self.use_disk(id)
    }

    /// One step of the core; `ticket` numbers a proposal.
    pub(super) fn step(
        &mut self,
        id: usize,
        input: Input,
        ticket: Option<u64>,
    ) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        let Some(process) = &mut node.process else { return Ok(()) };
        node.steps += 1;
        let before = Summary::of(process.server());
        let recorded = self.options.record.then(|| input.clone());
        let output = guarded(id, || process.step(input))?;
        if let Some(input) = recorded {
            let (output, state) = (output.clone(), State::from(process.server()));
            node.recording.push(Line::Step { step: node.steps, input, output, state });
        }
        let after = Summary::of(process.server());
        let sound = self.safety.stepped(id, process.server());
        if before != after {
            self.write(id, Happening::Became(after));
        }
        sound?;
        self.interpret(id, output, ticket)
    }

    /// Does what a step owes, or hands it to the disk.
    fn interpret(
        &mut self,
        id: usize,
        output: Output,
        ticket: Option<u64>,
    ) -> Result<(), Violation> {
        let Output { persist, send, timers, apply, proposal, breach } = output;
        if let Some(breach) = breach {
            return Err(Violation::Breach { server: id, breach });
        }
        for duty in timers {
            match duty {
                TimerDuty::Set(timer) => self.set_timer(id, timer),
                TimerDuty::Cancel(timer) => *self.running(id, timer) = None,
            }
        }
        let now = self.queue.now();
        for (to, message) in &send {
            self.safety.owes(id, to.0 as usize, message, now)?;
        }
        // A sync that is slow does not silence a leader, and one that is stuck does.
        let busy = self.nodes[id].disk.busy(now);
        let passes = busy.is_some_and(|busy| self.options.timing.patience().contains(&busy));
        let waits = |(_, message): &(_, Message)| !passes || message.waits_for_records();
        let (send, passing): (Vec<_>, Vec<_>) = send.into_iter().partition(waits);
        for (to, message) in passing {
            self.send(id, to, message);
        }
        let answer = ticket.zip(proposal);
        let step = self.nodes[id].steps;
        if !(persist.is_empty() && send.is_empty() && apply.is_empty() && answer.is_none()) {
            self.nodes[id].disk.hold(persist, Duties { step, send, apply, answer });
        }
        self.use_disk(id)
    }

    fn set_timer(&mut self, id: usize, timer: Timer) {
        let timing = &self.options.timing;
        let lasts = match timer {
            Timer::Election => self.rng.random_range(timing.election().clone()),
            Timer::Heartbeat => timing.heartbeat(),
        };
        let fires = on_grid(self.queue.now() + lasts, timing.resolution());
        let ticket = self.ticket();
        *self.running(id, timer) = Some(ticket);
        self.queue.schedule(fires, Event::Timer { server: id, timer, ticket });
    }

    /// Lets out what waits for nothing any more, and syncs the rest.
    fn use_disk(&mut self, id: usize) -> Result<(), Violation> {
        while let Some(duties) = self.nodes[id].disk.release() {
            self.discharge(id, duties)?;
        }
        let now = self.queue.now();
        if self.nodes[id].disk.start_sync(now) {
            let (chance, longest) = self.options.stalls;
            let stalls = self.rng.random_bool(chance);
            let stall = if stalls { self.rng.random_range(0..=longest) } else { 0 };
            let usual = self.rng.random_range(self.options.sync.clone());
            let takes = Duration::from_micros(usual + stall);
            let life = self.nodes[id].life;
            self.queue.schedule(now + takes, Event::SyncEnds { server: id, life });
        }
        Ok(())
    }

    fn discharge(&mut self, id: usize, duties: Duties) -> Result<(), Violation> {
        let Duties { step: _, send, apply, answer } = duties;
        for (to, message) in send {
            self.send(id, to, message);
        }
        for (index, entry) in apply {
            self.apply(id, index, entry)?;
        }
        if let Some((ticket, answer)) = answer {
            self.write(id, Happening::Answered(answer));
            self.answers.insert(ticket, answer);
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: ServerId, message: Message) {
        let (to, now) = (to.0 as usize, self.queue.now());
        self.safety.sent(from, &message);
        match self.network.send(from, to, &mut self.rng) {
            Fate::CutOff => {}
            Fate::Lost => self.write(to, Happening::Lost { from, message }),
            Fate::Arrives(first, second) => {
                for delay in second.into_iter().chain([first]) {
                    let message = message.clone();
                    self.queue.schedule(now + delay, Event::Arrival { from, to, message });
                }
            }
        }
    }

    fn apply(&mut self, id: usize, index: Index, entry: Entry) -> Result<(), Violation> {
        let Payload::Command(command) = &entry.payload else {
            return Err(Violation::Blank { server: id, index });
        };
        self.write(id, Happening::Applied { index, command: command.clone() });
        if self.oracle.apply(id, index, command)? {
            let term = self.server(id).map_or(entry.term, |server| server.current_term());
            let disks = self.nodes.iter().map(|node| node.disk.durable());
            self.safety.committed(id, term, index, &entry, disks)?;
        }
        Ok(())
    }

    /// Log Matching between all servers that run.
    pub(super) fn compare_logs(&self) -> Result<(), Violation> {
        let running = || (0..self.nodes.len()).filter_map(|id| Some((id, self.server(id)?)));
        for one in running() {
            for other in running().filter(|&(id, _)| id > one.0) {
                logs_match(one, other)?;
            }
        }
        Ok(())
    }
}

/// The first moment at or after `at` on a grid.
fn on_grid(at: Duration, grid: Duration) -> Duration {
    match at.as_nanos() % grid.as_nanos().max(1) {
        0 => at,
        past => at + grid - Duration::from_nanos(past as u64),
    }
}

/// Lets a server work; one that stops at an assertion is a violation, not the end of the run.
fn guarded<T>(server: usize, work: impl FnOnce() -> T) -> Result<T, Violation> {
    crate::guard::guarded(work).map_err(|message| Violation::Stopped { server, message })
}
