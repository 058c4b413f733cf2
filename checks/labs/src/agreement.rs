//! Commands on their way to being applied, several at once if need be.

use std::time::Duration;

use veraft::figure2::{Command, Index};

use crate::failure::{Failure, Unmet};
use crate::harness::Started;
use crate::lab::Lab;

/// How long a command has in all.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a command has once a leader accepted it.
const ACCEPTED_LIMIT: Duration = Duration::from_secs(2);
/// The pause between looks at an accepted command.
const LOOK: Duration = Duration::from_millis(20);
/// The pause after no server accepted a command.
const NO_LEADER: Duration = Duration::from_millis(50);

/// Commands under way: each with its own clock, as if each had a client of its own.
#[derive(Default)]
pub struct Agreements {
    under_way: Vec<Agreement>,
}

struct Agreement {
    command: Command,
    expected: usize,
    retry: bool,
    began: Duration,
    /// When to look again.
    due: Duration,
    /// Where the command stands, and until when it may take; none while no server accepted
    /// it.
    accepted: Option<(Index, Duration)>,
}

impl Agreements {
    /// Lets a client offer `command`, and does not wait for it.
    pub fn begin(&mut self, lab: &Lab<'_>, command: Command, expected: usize, retry: bool) {
        let now = lab.now();
        let agreement =
            Agreement { command, expected, retry, began: now, due: now, accepted: None };
        self.under_way.push(agreement);
    }

    /// See [`Lab::one`]; those under way go on meanwhile.
    pub fn one(
        &mut self,
        lab: &mut Lab<'_>,
        command: Command,
        expected: usize,
        retry: bool,
    ) -> Result<Index, Failure> {
        self.begin(lab, command.clone(), expected, retry);
        loop {
            for (done, index) in self.look(lab)? {
                if done == command {
                    return Ok(index);
                }
            }
            self.sleep_until_due(lab)?;
        }
    }

    /// Waits until all have been applied.
    pub fn finish(mut self, lab: &mut Lab<'_>) -> Result<(), Failure> {
        while !self.under_way.is_empty() {
            self.look(lab)?;
            self.sleep_until_due(lab)?;
        }
        Ok(())
    }

    fn sleep_until_due(&self, lab: &mut Lab<'_>) -> Result<(), Failure> {
        match self.under_way.iter().map(|agreement| agreement.due).min() {
            Some(due) => lab.sleep(due.saturating_sub(lab.now())),
            None => Ok(()),
        }
    }

    /// Looks at each that is due; those that are done leave, with their index.
    fn look(&mut self, lab: &mut Lab<'_>) -> Result<Vec<(Command, Index)>, Failure> {
        let mut done = Vec::new();
        let mut under_way = Vec::new();
        for mut agreement in self.under_way.drain(..) {
            match agreement.look(lab)? {
                Some(index) => done.push((agreement.command, index)),
                None => under_way.push(agreement),
            }
        }
        self.under_way = under_way;
        Ok(done)
    }
}

impl Agreement {
    fn look(&mut self, lab: &mut Lab<'_>) -> Result<Option<Index>, Failure> {
        if lab.now() < self.due {
            return Ok(None);
        }
        if let Some((index, until)) = self.accepted {
            let (servers, applied) = lab.applied(index);
            if servers >= self.expected && applied.as_ref() == Some(&self.command) {
                return Ok(Some(index));
            }
            if lab.now() < until {
                self.due = lab.now() + LOOK;
                return Ok(None);
            }
            if !self.retry {
                return Err(self.failed(ACCEPTED_LIMIT));
            }
            self.accepted = None;
        }
        if lab.now() >= self.began + LIMIT {
            return Err(self.failed(LIMIT));
        }
        match lab.offer(&self.command)? {
            Some(Started { index, term: _ }) => {
                self.accepted = Some((index, lab.now() + ACCEPTED_LIMIT));
                self.due = lab.now();
            }
            None => self.due = lab.now() + NO_LEADER,
        }
        Ok(None)
    }

    fn failed(&self, after: Duration) -> Failure {
        let command = self.command.clone();
        Unmet::NotApplied { command, expected: self.expected, after }.into()
    }
}
