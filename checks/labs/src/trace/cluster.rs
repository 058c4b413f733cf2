//! What all servers did, and whether it fits together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use veraft::figure2::{
    Base, Config, Entries, Entry, Index, InstallSnapshot, Log, Message, ServerId, Term,
};
use veraft_models::Judge;
use veraft_models::properties::{Placed, Segment, Two, applied_agrees, one_leader_per_term};

use super::replay;
use super::{Discrepancy, Endings, FileLine, Finding, Validated};

/// The facts of all files so far.
pub struct Facts {
    endings: Endings,
    judge: Option<&'static dyn Judge>,
    validated: Validated,
    findings: Vec<Finding>,
    /// Who recorded where.
    files: BTreeMap<ServerId, FileLine>,
    servers: Option<Arc<BTreeSet<ServerId>>>,
    leaders: BTreeMap<Term, (ServerId, FileLine)>,
    /// For each index and term: the entry, the term before, and where it was seen first.
    entries: HashMap<(Index, Term), (Entry, Term, FileLine)>,
    applied: BTreeMap<Index, (Entry, FileLine)>,
    /// The terms of the last entries that images have in them, and where they were restored.
    restored: BTreeMap<Index, (Term, FileLine)>,
    sent: HashSet<LetterDigest>,
    /// Messages that were still waiting for their records when the life ended.
    held: HashMap<LetterDigest, FileLine>,
    received: Vec<Received>,
    /// Servers whose recording may lack lines.
    incomplete: HashSet<ServerId>,
    /// Servers that were killed: a heartbeat may have left before its line was written.
    killed: HashSet<ServerId>,
}

/// A message that arrived.
struct Received {
    letter: LetterDigest,
    from: ServerId,
    is_heartbeat: bool,
    at: FileLine,
}

/// A digest of sender, receiver and message. That two messages share one would hide a fault,
/// at a chance of one in 2^64 for each pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LetterDigest(u64);

impl LetterDigest {
    /// The digest of a message. That of an InstallSnapshot leaves out the mark: whoever has the
    /// image of a later one, from whomever, takes the message for that.
    pub fn new(from: ServerId, to: ServerId, message: &Message) -> LetterDigest {
        let mut hasher = DefaultHasher::new();
        match message {
            Message::InstallSnapshot(InstallSnapshot { term, leader_id, base: _ }) => {
                (from, to, term, leader_id).hash(&mut hasher);
            }
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntries(_)
            | Message::AppendEntriesReply(_) => (from, to, message).hash(&mut hasher),
        }
        LetterDigest(hasher.finish())
    }
}

impl Facts {
    /// No files yet.
    pub fn new(endings: Endings, judge: Option<&'static dyn Judge>) -> Facts {
        Facts {
            endings,
            judge,
            validated: Validated::default(),
            findings: Vec::new(),
            files: BTreeMap::new(),
            servers: None,
            leaders: BTreeMap::new(),
            entries: HashMap::new(),
            applied: BTreeMap::new(),
            restored: BTreeMap::new(),
            sent: HashSet::new(),
            held: HashMap::new(),
            received: Vec::new(),
            incomplete: HashSet::new(),
            killed: HashSet::new(),
        }
    }

    /// Reads a file up to its first fault.
    pub fn add(&mut self, file: &Path) {
        if let Err(finding) = replay::file(file, self) {
            self.findings.push(finding);
        }
    }

    /// The verdict.
    pub fn finish(mut self) -> Result<Validated, Vec<Finding>> {
        // A file that was not read to its end does not tell all that was sent.
        if self.findings.is_empty() {
            self.check_received();
        }
        if !self.findings.is_empty() {
            return Err(self.findings);
        }
        self.validated.servers = self.files.len();
        self.validated.led_terms = self.leaders.len();
        self.validated.applied = self.applied.len();
        Ok(self.validated)
    }

    fn check_received(&mut self) {
        for Received { letter, from, is_heartbeat, at } in std::mem::take(&mut self.received) {
            if self.sent.contains(&letter) {
                self.validated.received += 1;
                continue;
            }
            let is_unrecorded = !self.files.contains_key(&from)
                || self.incomplete.contains(&from)
                || (is_heartbeat && self.killed.contains(&from));
            if is_unrecorded {
                continue;
            }
            let problem = match self.held.get(&letter) {
                Some(sent) => Discrepancy::LeftEarly { from, at: sent.clone() },
                None => Discrepancy::NeverSent { from },
            };
            self.findings.push(Finding { at, problem });
        }
    }

    /// How the lives in the files ended.
    pub fn endings(&self) -> Endings {
        self.endings
    }

    /// A life begins.
    pub fn life(&mut self, config: &Config, first: bool, at: &FileLine) -> Result<(), Discrepancy> {
        self.validated.lives += 1;
        let servers = self.servers.get_or_insert_with(|| Arc::clone(&config.servers));
        if *servers != config.servers || !config.servers.contains(&config.id) {
            let servers = config.servers.iter().copied().collect();
            return Err(Discrepancy::AnotherServer { id: config.id, servers });
        }
        if first {
            let file = FileLine { file: at.file.clone(), line: 0 };
            if let Some(other) = self.files.insert(config.id, file) {
                return Err(Discrepancy::SameServer { id: config.id, other });
            }
        }
        Ok(())
    }

    /// The lives of a server start with a past that was not recorded.
    pub fn unrecorded_past(&mut self, at: FileLine) {
        self.validated.unrecorded_past.push(at);
    }

    /// A line was cut off by a crash.
    pub fn cut_off(&mut self, at: FileLine) {
        self.validated.cut_off.push(at);
    }

    /// The recording of a server may lack lines.
    pub fn incomplete(&mut self, id: ServerId) {
        self.incomplete.insert(id);
    }

    /// A life of a server ended without a `stop`.
    pub fn killed(&mut self, id: ServerId) {
        self.killed.insert(id);
    }

    /// Who looks at steps and starts, if somebody does.
    pub fn judge(&self) -> Option<&'static dyn Judge> {
        self.judge
    }

    /// The judge has looked at a step, or a start.
    pub fn judged(&mut self, objection: Option<String>) -> Result<(), Discrepancy> {
        match objection {
            Some(objection) => Err(Discrepancy::Objection(objection)),
            None => {
                self.validated.judged += 1;
                Ok(())
            }
        }
    }

    /// A step was replayed.
    pub fn step(&mut self) {
        self.validated.steps += 1;
    }

    /// Election Safety: a server leads a term.
    pub fn leads(
        &mut self,
        leader: ServerId,
        term: Term,
        at: &FileLine,
    ) -> Result<(), Discrepancy> {
        let seen = self.leaders.entry(term).or_insert_with(|| (leader, at.clone()));
        one_leader_per_term([(term, seen.0), (term, leader)]).map_err(
            |Two { of: term, values: [other, leader] }| Discrepancy::TwoLeaders {
                leader,
                term,
                other,
                at: seen.1.clone(),
            },
        )
    }

    /// Log Matching: entries enter a log at its end.
    pub fn enter_log(
        &mut self,
        log: &Log,
        entries: &Entries,
        at: &FileLine,
    ) -> Result<(), Discrepancy> {
        let behind = Segment { prev_index: log.last_index(), prev_term: log.last_term(), entries };
        behind.placed().try_for_each(|placed| self.enters_log(placed, at))
    }

    fn enters_log(&mut self, placed: Placed<'_>, at: &FileLine) -> Result<(), Discrepancy> {
        let Placed { index, prev_term, entry } = placed;
        let seen = self
            .entries
            .entry((index, entry.term))
            .or_insert_with(|| (entry.clone(), prev_term, at.clone()));
        let first = Placed { index, prev_term: seen.1, entry: &seen.0 };
        placed.matches(first).map_err(|_| Discrepancy::LogsDiffer {
            index,
            term: entry.term,
            at: seen.2.clone(),
        })
    }

    /// State Machine Safety: an entry is applied.
    pub fn applies(
        &mut self,
        index: Index,
        entry: &Entry,
        at: &FileLine,
    ) -> Result<(), Discrepancy> {
        let seen = self.applied.entry(index).or_insert_with(|| (entry.clone(), at.clone()));
        applied_agrees([(index, entry)], |_| Some(&seen.0))
            .map_err(|index| Discrepancy::AppliedDiffers { index, at: seen.1.clone() })?;
        match self.restored.get(&index) {
            Some((term, at)) if *term != entry.term => {
                Err(Discrepancy::AppliedDiffers { index, at: at.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same of the last entry that an image has in it. Of the others, and of what they made of
    /// the state machine, a recording says nothing.
    pub fn restores(&mut self, base: Base, at: &FileLine) -> Result<(), Discrepancy> {
        let Base { last_index: index, last_term } = base;
        let (term, first) = self.restored.entry(index).or_insert_with(|| (last_term, at.clone()));
        let applied = self.applied.get(&index).map(|(entry, at)| (entry.term, at));
        let others = [(*term, &*first)].into_iter().chain(applied);
        match others.into_iter().find(|(term, _)| *term != last_term) {
            Some((_, at)) => Err(Discrepancy::AppliedDiffers { index, at: at.clone() }),
            None => Ok(()),
        }
    }

    /// A message may have left its sender.
    pub fn sent(&mut self, letter: LetterDigest) {
        self.sent.insert(letter);
    }

    /// A message cannot have left its sender: its records were never durable.
    pub fn held(&mut self, letter: LetterDigest, at: &FileLine) {
        self.held.insert(letter, at.clone());
    }

    /// A message arrived.
    pub fn received(&mut self, from: ServerId, to: ServerId, message: &Message, at: &FileLine) {
        let letter = LetterDigest::new(from, to, message);
        let is_heartbeat = match message {
            Message::AppendEntries(request) => request.entries.is_empty(),
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntriesReply(_)
            | Message::InstallSnapshot(_) => false,
        };
        self.received.push(Received { letter, from, is_heartbeat, at: at.clone() });
    }
}
