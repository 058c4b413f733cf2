//! The driver: what happens goes into the core, what the core owes is done.

use std::time::Duration;

use rand::RngExt;
use veraft::driver::{Fate as Became, Run, lets_heartbeats_pass};
use veraft::figure2::{Entry, Index, Input, Message, Output, Payload, Proposal, ServerId, Timer};

use veraft::runtime::recorder::{FORMAT, Line, State};

use super::disk::{Duties, Taken};
use super::journal::{Happening, Summary};
use super::network::Delivery;
use super::safety::logs_match;
use super::{AUDIT_PERIOD, Event, MAX_EVENTS, Node, Process, Simulator};
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
            Event::Wake { server } => self.wake(server),
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

    /// The time of a timer may have come: the heartbeat's first, as on threads.
    fn wake(&mut self, id: usize) -> Result<(), Violation> {
        let now = self.queue.now();
        if self.nodes[id].wakes != Some(now) {
            return Ok(());
        }
        self.nodes[id].wakes = None;
        for timer in [Timer::Heartbeat, Timer::Election] {
            if self.nodes[id].timers.fires(now, timer) {
                self.write(id, Happening::TimedOut(timer));
                self.step(id, Input::Timeout(timer), None)?;
            }
        }
        self.wait_for_timers(id);
        Ok(())
    }

    /// Sees to it that the server wakes when its next timer fires. A timer that is set later than
    /// that, as most are, costs no event.
    fn wait_for_timers(&mut self, id: usize) {
        let Node { timers, wakes, .. } = &mut self.nodes[id];
        if let Some(at) = timers.next().filter(|at| wakes.is_none_or(|wakes| *at < wakes)) {
            *wakes = Some(at);
            self.queue.schedule(at, Event::Wake { server: id });
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
        let now = self.queue.now();
        for &duty in &timers {
            let draw = |range| self.rng.random_range(range);
            self.nodes[id].timers.obey(now, duty, draw);
        }
        if !timers.is_empty() {
            self.wait_for_timers(id);
        }
        for (to, message) in &send {
            self.safety.owes(id, to.0 as usize, message, now)?;
        }
        // A sync that is slow does not silence a leader, and one that is stuck does.
        let busy = self.nodes[id].disk.busy(now);
        let passes = lets_heartbeats_pass(&self.options.timing.patience(), busy);
        let waits = |(_, message): &(_, Message)| !passes || message.waits_for_records();
        let (send, passing): (Vec<_>, Vec<_>) = send.into_iter().partition(waits);
        for (to, message) in passing {
            self.send(id, to, message);
        }
        let answer = ticket.zip(proposal);
        let step = self.nodes[id].steps;
        if !(persist.is_empty() && send.is_empty() && apply.is_empty() && answer.is_none()) {
            let duties = Duties { step, send, apply, answer };
            if let Some(free) = self.nodes[id].disk.hold(persist, duties) {
                self.discharge(id, free)?;
            }
        }
        self.use_disk(id)
    }

    /// Lets out what waits for nothing any more, and syncs the rest.
    fn use_disk(&mut self, id: usize) -> Result<(), Violation> {
        let now = self.queue.now();
        while let Some(Taken { free, syncs }) = self.nodes[id].disk.take(now) {
            for duties in free {
                self.discharge(id, duties)?;
            }
            if syncs {
                let (chance, longest) = self.options.stalls;
                let stalls = self.rng.random_bool(chance);
                let stall = if stalls { self.rng.random_range(0..=longest) } else { 0 };
                let usual = self.rng.random_range(self.options.sync.clone());
                let takes = Duration::from_micros(usual + stall);
                let life = self.nodes[id].life;
                self.queue.schedule(now + takes, Event::SyncEnds { server: id, life });
            }
        }
        Ok(())
    }

    fn discharge(&mut self, id: usize, duties: Duties) -> Result<(), Violation> {
        let Duties { step: _, send, apply, answer } = duties;
        for (to, message) in send {
            self.send(id, to, message);
        }
        let proposed = answer.and_then(|(ticket, _)| self.proposed.remove(&ticket));
        if let (Some((_, Proposal::Accepted { term, first_index })), Some(command)) =
            (answer, proposed)
        {
            let waiters = [command].into();
            self.nodes[id].waiters.add(Run { term, first_index, waiters });
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
            Delivery::CutOff => {}
            Delivery::Lost => self.write(to, Happening::Lost { from, message }),
            Delivery::Arrives(first, second) => {
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
        let mut answered_another = false;
        self.nodes[id].waiters.applied(index, entry.term, |proposed, became| {
            answered_another |= became == Became::Applied && proposed != *command;
        });
        if answered_another {
            return Err(Violation::AnsweredAnother { server: id, index });
        }
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

/// Lets a server work; one that stops at an assertion is a violation, not the end of the run.
fn guarded<T>(server: usize, work: impl FnOnce() -> T) -> Result<T, Violation> {
    crate::guard::guarded(work).map_err(|message| Violation::Stopped { server, message })
}
