//! The driver that ships, on virtual time: what happens goes into it, what it owes is done.

use std::time::Duration;

use rand::RngExt;
use veraft::driver::{
    Compactor, Driver, Exits, Fate as Became, ImageName, Outbound, Owed, Run, Standing, weight,
};
use veraft::figure2::{
    AppendEntries, Base, Entry, Index, Input, Message, Output, Payload, Proposal, Server, ServerId,
    Term,
};

use veraft::runtime::recorder::{FORMAT, Line, State};
use veraft_models::Judge;
use veraft_models::properties::answer_is_true;

use super::disk::{Asked, Taken};
use super::images::LabImage;
use super::journal::{Happening, Summary};
use super::network::Delivery;
use super::safety::logs_match;
use super::transfers::Transfers;
use super::{AUDIT_PERIOD, Event, MAX_EVENTS, Node, Process, Simulator};
use crate::failure::Violation;

impl<P: Process> Simulator<P> {
    /// Starts a server from what its disk holds.
    pub(super) fn start_server(&mut self, id: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        node.life += 1;
        let persistent = node.disk.durable().clone();
        let term = persistent.current_term();
        let last_index = persistent.log().last_index();
        let config = node.config.clone();
        let (told, stored) = (config.clone(), persistent.clone());
        let disk = persistent.clone();
        self.record(id, || Line::Start {
            format: FORMAT,
            config: told,
            persistent: stored,
            floor: 0,
        });
        let timing = self.options.timing.clone();
        let (driver, output) = guarded(id, || Driver::<P>::start(config, persistent, 0, timing))?;
        let (run, rate) = (self.rng.random(), self.options.image_rate);
        let node = &mut self.nodes[id];
        node.transfers = Transfers::new(run, rate, node.images.partial());
        node.applied = Base::default();
        let base = node.disk.durable().log().base();
        let image_bytes = node.images.of(base).map_or(0, |image| image.bytes().len() as u64);
        let compactor = |policy| Compactor::new(policy, base, image_bytes);
        node.compactor = self.options.compaction.map(compactor);
        let judge = self.options.judge;
        let judge = judge.filter(|judge| judge.knows(driver.server().figure2(), None));
        let objection = judge.and_then(|judge| judge.restart(&disk, driver.server().figure2()));
        unless_objection(id, objection)?;
        self.safety.started(id, driver.server().figure2())?;
        self.oracle.started(id);
        self.nodes[id].driver = Some(driver);
        self.write(id, Happening::Started { term, last_index });
        self.carry_out(id, output, Vec::new())
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
            Event::ImageWritten { server, life, applied_bytes, image } => {
                self.image_written(server, life, applied_bytes, image)
            }
            Event::Compacts { server, life, last_index } => match self.lives(server, life) {
                true => self.step(server, Input::Compacted { last_index }, Vec::new()),
                false => Ok(()),
            },
            Event::Parcel { from, to, parcel } => self.parcel(from, to, parcel),
            Event::Serve { server, peer, life } => {
                if self.lives(server, life) {
                    self.serve(server, peer);
                }
                Ok(())
            }
            Event::Fetch { server } => self.look_at_fetch(server),
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

    /// The time of a timer may have come: a turn begins, in which nothing arrived.
    fn wake(&mut self, id: usize) -> Result<(), Violation> {
        let now = self.queue.now();
        if self.nodes[id].wakes != Some(now) {
            return Ok(());
        }
        self.nodes[id].wakes = None;
        if let Some(driver) = &mut self.nodes[id].driver {
            driver.begin_turn(now);
        }
        while let Some(input) = self.due(id, now) {
            if let Input::Timeout(timer) = input {
                self.write(id, Happening::TimedOut(timer));
            }
            self.step(id, input, Vec::new())?;
        }
        while let Some(input) = self.repeat(id, now) {
            self.step(id, input, Vec::new())?;
        }
        self.wait_for_timers(id);
        Ok(())
    }

    /// Messages wait for nothing on their way into this network.
    fn repeat(&mut self, id: usize, now: Duration) -> Option<Input> {
        self.nodes[id].driver.as_mut()?.repeat(now, |_| Outbound::Left(Duration::ZERO))
    }

    fn due(&mut self, id: usize, now: Duration) -> Option<Input> {
        self.nodes[id].driver.as_mut()?.due(now)
    }

    /// Sees to it that the server wakes when its next timer fires. A timer that is set later than
    /// that, as most are, costs no event.
    fn wait_for_timers(&mut self, id: usize) {
        let Node { driver, wakes, .. } = &mut self.nodes[id];
        let next = driver.as_ref().and_then(Driver::next);
        if let Some(at) = next.filter(|at| wakes.is_none_or(|wakes| *at < wakes)) {
            *wakes = Some(at);
            self.queue.schedule(at, Event::Wake { server: id });
        }
    }

    fn arrive(&mut self, from: usize, to: usize, message: Message) -> Result<(), Violation> {
        if self.nodes[to].driver.is_none() || !self.network.connects(from, to) {
            return Ok(());
        }
        self.network.arrived(to, &message);
        self.write(to, Happening::Received { from, message: message.clone() });
        match &message {
            Message::InstallSnapshot(message) => return self.install(to, message.clone()),
            Message::AppendEntries(request) if request.entries.is_empty() => {
                let AppendEntries { term, leader_commit, .. } = *request;
                self.nodes[to].transfers.heard(term, leader_commit);
            }
            Message::AppendEntries(_)
            | Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_) => {}
        }
        self.step(to, Input::Receive { from: ServerId(from as u64), message }, Vec::new())
    }

    fn end_sync(&mut self, id: usize, life: u64) -> Result<(), Violation> {
        if self.nodes[id].life != life || self.nodes[id].driver.is_none() {
            return Ok(());
        }
        self.write(id, Happening::Synced);
        let node = &mut self.nodes[id];
        let released = node.disk.synced();
        node.images.keep_from(node.disk.durable().log().base());
        if let Some(step) = released.last().map(|held| held.step) {
            self.record(id, || Line::Durable { step });
        }
        let stored = released.iter().rev().find_map(|held| held.stored);
        released.into_iter().for_each(|held| held.leave(&mut Leaving { simulator: self, id }));
        self.sound()?;
        self.use_disk(id)?;
        let driver = self.nodes[id].driver.as_mut();
        match driver.zip(stored).and_then(|(driver, stored)| driver.stored(stored)) {
            Some(input) => self.step(id, input, Vec::new()),
            None => Ok(()),
        }
    }

    /// One step; `asked` wait for the answer to a proposal. Leaders append no blanks: the labs
    /// count on every entry being theirs.
    pub(super) fn step(
        &mut self,
        id: usize,
        input: Input,
        asked: Vec<Asked>,
    ) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        let Some(driver) = &mut node.driver else { return Ok(()) };
        let before = Summary::of(driver.server().figure2());
        let recorded = self.options.record.then(|| input.clone());
        let judged = self.options.judge.map(|judge| Judged::new(judge, driver.server(), &input));
        let proposed = match &input {
            Input::Propose { payloads } => {
                Some((driver.server().figure2().clone(), payloads.clone()))
            }
            Input::Timeout(_)
            | Input::Receive { .. }
            | Input::Compacted { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => None,
        };
        let output = guarded(id, || driver.step(input))?;
        let proposed = proposed.as_ref().map(|(before, payloads)| (before, payloads.as_slice()));
        answer_is_true(proposed, &output, driver.server().figure2())
            .map_err(|answer| Violation::UntrueAnswer { server: id, answer })?;
        let after = driver.server().figure2();
        let objection = judged.and_then(|judged| judged.objection(&output, after));
        unless_objection(id, objection)?;
        if let Some(input) = recorded {
            let (output, state) = (output.clone(), State::from(driver.server().figure2()));
            node.recording.push(Line::Step { step: driver.steps(), input, output, state });
        }
        let after = Summary::of(driver.server().figure2());
        let sound = self.safety.stepped(id, driver.server().figure2());
        self.installed += u64::from(output.restore.is_some());
        if before != after {
            self.write(id, Happening::Became(after));
        }
        sound?;
        self.carry_out(id, output, asked)
    }

    /// Does what a step owes, or hands it to the disk.
    fn carry_out(&mut self, id: usize, output: Output, asked: Vec<Asked>) -> Result<(), Violation> {
        let now = self.queue.now();
        for (to, message) in &output.send {
            self.safety.owes(id, to.0 as usize, message, now)?;
        }
        let Node { driver, disk, .. } = &mut self.nodes[id];
        let Some(driver) = driver else { return Ok(()) };
        // A sync that is slow does not silence a leader, and one that is stuck does.
        let draw = |range| self.rng.random_range(range);
        let Owed { passing, apply, held, breach } =
            driver.carry_out(now, output, asked, || disk.busy(now), draw);
        if let Some(breach) = breach {
            return Err(Violation::Breach { server: id, breach });
        }
        let free = held.and_then(|held| disk.hold(held));
        self.wait_for_timers(id);
        let mut leaving = Leaving { simulator: self, id };
        leaving.send(passing);
        for (index, entry) in apply {
            let applied = leaving.simulator.apply_durable(id, index, entry);
            leaving.simulator.note(applied);
        }
        if let Some(free) = free {
            free.leave(&mut leaving);
        }
        self.sound()?;
        self.use_disk(id)
    }

    /// Lets out what waits for nothing any more, and syncs the rest.
    fn use_disk(&mut self, id: usize) -> Result<(), Violation> {
        let now = self.queue.now();
        while let Some(Taken { free, syncs }) = self.nodes[id].disk.take(now) {
            free.into_iter().for_each(|held| held.leave(&mut Leaving { simulator: self, id }));
            self.sound()?;
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

    fn send(&mut self, from: usize, to: ServerId, message: Message) {
        let objection = self.leaving(from, to, &message);
        self.note(unless_objection(from, objection));
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

    /// The image of a mark on the disk of a server, which needs it.
    fn image(&mut self, id: usize, base: Base) -> Option<LabImage> {
        let image = self.nodes[id].images.of(base).cloned();
        if image.is_none() {
            self.note(Err(Violation::NoImage { server: id, index: base.last_index }));
        }
        image
    }

    /// The state machine of a server becomes the image of a mark.
    fn restore(&mut self, id: usize, base: Base) -> Result<(), Violation> {
        let Some(image) = self.image(id, base) else { return Ok(()) };
        let index = base.last_index;
        let Some(commands) = image.commands() else {
            return Err(Violation::ImageDiffers { server: id, index });
        };
        self.nodes[id].applied = base;
        if let Some(compactor) = &mut self.nodes[id].compactor {
            compactor.restored(base);
            compactor.image_has(image.bytes().len() as u64);
        }
        self.write(id, Happening::Restored(index));
        self.nodes[id].waiters.restored(base, |_, _| {});
        self.oracle.restore(id, index, &commands)
    }

    fn lives(&self, id: usize, life: u64) -> bool {
        self.nodes[id].life == life && self.nodes[id].driver.is_some()
    }

    /// Begins an image if one is due, and lets the log begin at one if it can.
    fn look_at_compaction(&mut self, id: usize) {
        let now = self.queue.now();
        let node = &mut self.nodes[id];
        let travels = node.transfers.serves(now);
        let Some(compactor) = &mut node.compactor else { return };
        let (server, life) = (id, node.life);
        if let Some(last_index) = compactor.ready(false, travels) {
            self.queue.schedule(now, Event::Compacts { server, life, last_index });
        }
        if compactor.begin(false) {
            let applied_bytes = compactor.applied_bytes();
            let name = ImageName { base: node.applied, number: self.rng.random() };
            let image = LabImage::new(name, self.oracle.held(id));
            let takes = Duration::from_micros(self.rng.random_range(self.options.image.clone()));
            let written = Event::ImageWritten { server, life, applied_bytes, image };
            self.queue.schedule(now + takes, written);
        }
    }

    /// An image is durable, so the log need not reach back behind it.
    fn image_written(
        &mut self,
        id: usize,
        life: u64,
        applied_bytes: u64,
        image: LabImage,
    ) -> Result<(), Violation> {
        if !self.lives(id, life) {
            return Ok(());
        }
        let (base, bytes) = (image.name().base, image.bytes().len() as u64);
        let node = &mut self.nodes[id];
        node.images.add(image);
        if let Some(compactor) = &mut node.compactor {
            compactor.written(base.last_index, applied_bytes, bytes);
        }
        self.write(id, Happening::ImageWritten(base.last_index));
        self.look_at_compaction(id);
        Ok(())
    }

    /// What the judge says against a message that leaves.
    fn leaving(&self, from: usize, to: ServerId, message: &Message) -> Option<String> {
        let (judge, server) = (self.options.judge?, self.server(from)?);
        let disk = self.nodes[from].disk.durable();
        judge.knows(server, None).then(|| judge.leaving(disk, server, &[(to, message.clone())]))?
    }

    /// Applies an entry, if it is durable here.
    fn apply_durable(&mut self, id: usize, index: Index, entry: Entry) -> Result<(), Violation> {
        let log = self.nodes[id].disk.durable().log();
        if !log.term_at(index).agrees_with(entry.term) {
            return Err(Violation::AppliedEarly { server: id, index });
        }
        self.apply(id, index, entry)
    }

    fn apply(&mut self, id: usize, index: Index, entry: Entry) -> Result<(), Violation> {
        let Payload::Command(command) = &entry.payload else {
            return Err(Violation::Blank { server: id, index });
        };
        self.write(id, Happening::Applied { index, command: command.clone() });
        let mut answered_another = false;
        self.nodes[id].waiters.applied(index, entry.term, |asked, became| {
            answered_another |= became == Became::Applied && asked.command != *command;
        });
        if answered_another {
            return Err(Violation::AnsweredAnother { server: id, index });
        }
        if self.oracle.apply(id, index, command)? {
            let term = self.server(id).map_or(entry.term, |server| server.current_term());
            let disks = self.nodes.iter().map(|node| node.disk.durable());
            self.safety.committed(id, term, index, &entry, disks)?;
        }
        let node = &mut self.nodes[id];
        node.applied = Base { last_index: index, last_term: entry.term };
        if let Some(compactor) = &mut node.compactor {
            compactor.applied(index, weight(&entry));
        }
        self.look_at_compaction(id);
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

/// A step that is going to be judged.
struct Judged {
    judge: &'static dyn Judge,
    before: Server,
    input: Input,
}

impl Judged {
    fn new<P: Process>(judge: &'static dyn Judge, before: &P, input: &Input) -> Judged {
        Judged { judge, before: before.figure2().clone(), input: input.clone() }
    }

    fn objection(self, output: &Output, after: &Server) -> Option<String> {
        let known = |server| self.judge.knows(server, Some(&self.input));
        let known = known(&self.before) && known(after);
        known.then(|| self.judge.step(&self.before, &self.input, output, after))?
    }
}

fn unless_objection(server: usize, objection: Option<String>) -> Result<(), Violation> {
    match objection {
        None => Ok(()),
        Some(objection) => Err(Violation::Objection { server, objection }),
    }
}

/// The ways out of a simulated server.
struct Leaving<'s, P> {
    simulator: &'s mut Simulator<P>,
    id: usize,
}

impl<P: Process> Leaving<'_, P> {
    fn answer(&mut self, ticket: u64, answer: Proposal) {
        self.simulator.write(self.id, Happening::Answered(answer));
        self.simulator.answers.insert(ticket, answer);
    }
}

impl<P: Process> Exits<Message, Asked> for Leaving<'_, P> {
    fn tell(&mut self, standing: Standing) {
        self.simulator.safety.told(self.id, standing.term);
    }

    fn send(&mut self, messages: Vec<(ServerId, Message)>) {
        for (to, message) in messages {
            self.simulator.send(self.id, to, message);
        }
    }

    fn accepted(&mut self, run: Run<Asked>) {
        for (first_index, asked) in (run.first_index..).zip(&run.waiters) {
            self.answer(asked.ticket, Proposal::Accepted { term: run.term, first_index });
        }
        self.simulator.nodes[self.id].waiters.add(run);
    }

    fn refused(&mut self, term: Term, leader: Option<ServerId>, waiters: Vec<Asked>) {
        for asked in waiters {
            self.answer(asked.ticket, Proposal::NotLeader { term, leader });
        }
    }

    fn restore(&mut self, base: Base) {
        let restored = self.simulator.restore(self.id, base);
        self.simulator.note(restored);
    }
}

/// Lets a server work; one that stops at an assertion is a violation, not the end of the run.
fn guarded<T>(server: usize, work: impl FnOnce() -> T) -> Result<T, Violation> {
    crate::guard::guarded(work).map_err(|message| Violation::Stopped { server, message })
}
