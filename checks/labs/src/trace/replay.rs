//! Replays the file of one server through the core.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use veraft::driver::Protocol;
use veraft::figure2::{
    Base, Config, Index, Input, Log, Message, Output, Persistent, Record, Server, ServerId,
    WaitsFor,
};
use veraft::runtime::recorder::{FORMAT, Line, State};

use super::cluster::{Facts, LetterDigest};
use super::life::{Life, Past, Waiting};
use super::{Discrepancy, Endings, FileLine, Finding, compare, formats};

/// Replays a file and tells the cluster what its server did.
pub fn file(path: &Path, cluster: &mut Facts) -> Result<(), Finding> {
    let mut at = FileLine { file: path.to_path_buf(), line: 0 };
    let unreadable = |error: std::io::Error| Discrepancy::Unreadable(error.to_string());
    let file = File::open(path).map_err(|error| at.finds(unreadable(error)))?;

    let mut replay = Replay::<Server> { cluster, id: None, format: FORMAT, life: None };
    // Half a line: a crash has cut it off, if the life ends with it.
    let mut half: Option<Finding> = None;
    for line in BufReader::new(file).split(b'\n') {
        at.line += 1;
        let line = line.map_err(|error| at.finds(unreadable(error)))?;
        let line = formats::read(&line);
        if let Some(half) = half.take() {
            match line {
                Ok(Line::Start { .. }) => replay.cluster.cut_off(half.at),
                Ok(_) | Err(_) => return Err(half),
            }
        }
        match line {
            Ok(line) => replay.line(line, &at)?,
            Err(error) if error.is_eof() => half = Some(at.finds(malformed(&error))),
            Err(error) => return Err(at.finds(malformed(&error))),
        }
    }
    half.into_iter().for_each(|half| replay.cluster.cut_off(half.at));
    if replay.id.is_none() {
        return Err(FileLine { line: 0, ..at }.finds(Discrepancy::Empty));
    }
    replay.end_of_life();
    Ok(())
}

fn malformed(error: &serde_json::Error) -> Discrepancy {
    Discrepancy::Malformed(error.to_string())
}

/// The server of a file, at some line.
struct Replay<'c, P> {
    cluster: &'c mut Facts,
    /// The server, in all its lives.
    id: Option<ServerId>,
    /// The format of the life.
    format: u32,
    life: Option<Life<P>>,
}

impl<P: Protocol<Message = Message>> Replay<'_, P> {
    fn line(&mut self, line: Line, at: &FileLine) -> Result<(), Finding> {
        let recorded = match line {
            Line::Start { format, config, persistent, floor } => {
                self.start(format, config, persistent, floor, at)
            }
            Line::Step { step, input, output, state } => self.step(step, input, output, state, at),
            // A write that was under way when the server stopped may end later.
            Line::Durable { step } => match &mut self.life {
                Some(life) => life.durable(step),
                None => Err(Discrepancy::OutsideALife),
            },
            Line::Stop { step } => living(&mut self.life).and_then(|life| life.stop(step)),
        };
        recorded.map_err(|problem| at.finds(problem))?;
        if let Some(life) = &mut self.life {
            life.release(self.cluster);
        }
        Ok(())
    }

    fn start(
        &mut self,
        format: u32,
        config: Config,
        persistent: Persistent,
        floor: Index,
        at: &FileLine,
    ) -> Result<(), Discrepancy> {
        if !formats::READ.contains(&format) {
            return Err(Discrepancy::Format { found: format, expected: FORMAT });
        }
        self.format = format;
        let first = self.id.is_none();
        self.cluster.life(&config, first, at)?;
        let id = config.id;
        if *self.id.get_or_insert(id) != id {
            let servers = config.servers.iter().copied().collect();
            return Err(Discrepancy::AnotherServer { id, servers });
        }
        let past = self.end_of_life();
        if first && persistent != Persistent::default() {
            self.cluster.unrecorded_past(at.clone());
            self.cluster.enter_log(&before(persistent.log()), persistent.log().entries(), at)?;
        } else if !past.leads_to(&persistent) {
            return Err(Discrepancy::PastDiffers);
        }
        let durable = persistent.clone();
        let (server, _timers) = guarded(|| P::start(config, persistent, floor))?;
        let judge = self.cluster.judge();
        if let Some(judge) = judge.filter(|judge| judge.knows(server.figure2(), None)) {
            self.cluster.judged(judge.restart(&durable, server.figure2()))?;
        }
        self.life = Some(Life::new(server, durable));
        Ok(())
    }

    fn step(
        &mut self,
        step: u64,
        input: Input,
        output: Output,
        state: State,
        at: &FileLine,
    ) -> Result<(), Discrepancy> {
        let life = living(&mut self.life)?;
        numbered(life.steps + 1, step)?;
        life.steps = step;
        let id = life.server.figure2().config().id;
        match &input {
            Input::Receive { from, message } => self.cluster.received(*from, id, message, at),
            Input::Stored { last_index, last_term } => life.stored(*last_index, *last_term)?,
            Input::Timeout(_)
            | Input::Propose { .. }
            | Input::Compacted { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => {}
        }
        let mut stored = life.server.figure2().persistent().clone();
        let judge = self.cluster.judge();
        let judge = judge.filter(|judge| judge.knows(life.server.figure2(), Some(&input)));
        let judged = judge.map(|judge| (judge, life.server.figure2().clone(), input.clone()));
        let serial = self.format <= formats::SERIAL;
        let returned = guarded(|| match serial {
            true => formats::serial_step(&mut life.server, input),
            false => life.server.step(input),
        })?;
        compare::outputs(&returned, &output)?;
        let mut now = State::from(life.server.figure2());
        if serial {
            now.volatile.stored = state.volatile.stored;
        }
        compare::states(&now, &state)?;
        if let Some((judge, before, input)) = judged {
            let after = life.server.figure2();
            if judge.knows(after, Some(&input)) {
                self.cluster.judged(judge.step(&before, &input, &output, after))?;
            }
        }
        self.cluster.step();
        let server = life.server.figure2();
        if server.is_leader() {
            self.cluster.leads(id, server.current_term(), at)?;
        }

        let Output { persist, send, timers: _, restore, apply, proposal: _, breach: _ } = output;
        for record in &persist {
            if let Record::Append { entries } = record {
                self.cluster.enter_log(stored.log(), entries, at)?;
            }
            stored.write(record.clone());
        }
        let mut letters = Vec::new();
        for (to, message) in send {
            let letter = LetterDigest::new(id, to, &message);
            match message.waits_for() {
                WaitsFor::Records => letters.push(letter),
                WaitsFor::Ballots | WaitsFor::Nothing => self.cluster.sent(letter),
            }
        }
        life.stepped(Waiting { step, at: at.clone(), records: persist, letters }, self.cluster);
        life.apply(restore, apply, at, self.cluster)
    }

    /// What the next life may start with.
    fn end_of_life(&mut self) -> Past {
        let Some(mut life) = self.life.take() else { return Past::default() };
        let id = life.server.figure2().config().id;
        let lossy = self.cluster.endings() == Endings::MayBeLost && !life.stopped;
        if !life.stopped {
            self.cluster.killed(id);
        }
        if lossy {
            self.cluster.incomplete(id);
        }
        let mut unsure = Vec::new();
        for Waiting { step: _, at, records, letters } in life.end() {
            letters.into_iter().for_each(|letter| self.cluster.held(letter, &at));
            unsure.extend(records);
        }
        Past { durable: life.durable, unsure, lossy }
    }
}

/// The empty log that a log continues: it begins where that one does.
fn before(log: &Log) -> Log {
    let base = Some(log.base()).filter(|base| *base != Base::default());
    let records = base.into_iter().map(Record::Base);
    records.collect::<Persistent>().log().clone()
}

fn living<P>(life: &mut Option<Life<P>>) -> Result<&mut Life<P>, Discrepancy> {
    life.as_mut().filter(|life| !life.stopped).ok_or(Discrepancy::OutsideALife)
}

fn numbered(expected: u64, found: u64) -> Result<(), Discrepancy> {
    match found == expected {
        true => Ok(()),
        false => Err(Discrepancy::Numbering { expected, found }),
    }
}

fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Discrepancy> {
    crate::guard::guarded(work).map_err(Discrepancy::Assertion)
}
