//! The vocabulary of the lab scripts, on top of a [`Harness`]: the constants are those of the
//! public Raft labs.

use std::ops::RangeInclusive;
use std::time::Duration;

use veraft::figure2::{Command, Index, Term};
use veraft_models::properties::one_leader_per_term;

use crate::agreement::Agreements;
use crate::failure::{Failure, Unmet, Violation};
use crate::harness::{Harness, Network, ServerStatus, Started};

/// The unit of time of the scripts: longer than any election timeout.
pub const ELECTION_TIMEOUT: Duration = Duration::from_millis(1000);

/// How often [`Lab::check_one_leader`] looks; at 450 to 550 ms apart this is the 5 seconds
/// within which a cluster has a new leader.
const LEADER_POLLS: u32 = 10;

/// How often to look whether all servers are in one term, and how long to wait before each look.
const TERM_POLLS: u32 = 40;
const TERM_PAUSE: Duration = Duration::from_millis(50);

/// A lab in progress: a cluster, and which of its servers the script has cut off or crashed.
pub struct Lab<'h> {
    harness: &'h mut dyn Harness,
    connected: Vec<bool>,
    /// The server to which the next command is offered first.
    turn: usize,
}

impl<'h> Lab<'h> {
    /// Begins on a fresh cluster.
    pub fn new(harness: &'h mut dyn Harness) -> Lab<'h> {
        let connected = vec![true; harness.servers()];
        Lab { harness, connected, turn: 0 }
    }

    /// How many servers the cluster has.
    pub fn servers(&self) -> usize {
        self.connected.len()
    }

    /// The time since the cluster started.
    pub fn now(&self) -> Duration {
        self.harness.now()
    }

    /// Lets time pass.
    pub fn sleep(&mut self, time: Duration) -> Result<(), Failure> {
        Ok(self.harness.sleep(time)?)
    }

    /// A number from `range`, drawn at random.
    pub fn random(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.harness.random(range)
    }

    /// A command that no other command equals.
    pub fn random_command(&mut self) -> Command {
        command(self.harness.random(1 << 32..=u64::MAX))
    }

    /// The server `steps` places after `server`, round the circle.
    pub fn next(&self, server: usize, steps: usize) -> usize {
        (server + steps) % self.servers()
    }

    /// Offers one command to a server that runs.
    pub fn start(&mut self, server: usize, command: Command) -> Result<Option<Started>, Violation> {
        let answers = self.harness.start(server, &[command])?;
        Ok(answers.into_iter().next().flatten())
    }

    /// Offers commands to a server that runs, all at once.
    pub fn start_all(
        &mut self,
        server: usize,
        commands: &[Command],
    ) -> Result<Vec<Option<Started>>, Violation> {
        self.harness.start(server, commands)
    }

    /// Cuts servers off.
    pub fn disconnect(&mut self, servers: impl IntoIterator<Item = usize>) {
        for server in servers {
            self.connected[server] = false;
            self.harness.set_connected(server, false);
        }
    }

    /// Connects servers again.
    pub fn connect(&mut self, servers: impl IntoIterator<Item = usize>) {
        for server in servers {
            self.connected[server] = true;
            self.harness.set_connected(server, true);
        }
    }

    /// Cuts a server off and stops it.
    pub fn crash(&mut self, server: usize) {
        self.disconnect([server]);
        self.harness.crash(server);
    }

    /// Starts a server from what it has stored, after a crash if it still runs; it stays
    /// disconnected if it was.
    pub fn restart(&mut self, server: usize) -> Result<(), Violation> {
        if self.runs(server) {
            self.harness.crash(server);
        }
        self.harness.restart(server)
    }

    /// Whether a server is up.
    pub fn runs(&self, server: usize) -> bool {
        self.harness.status(server).is_some()
    }

    /// Changes how well messages fare from now on.
    pub fn set_network(&mut self, network: Network) {
        self.harness.set_network(network);
    }

    /// How many requests have arrived at all servers together.
    pub fn requests(&self) -> u64 {
        (0..self.servers()).map(|server| self.harness.requests(server)).sum()
    }

    /// What a server says of itself; none while it is down.
    pub fn status(&self, server: usize) -> Option<ServerStatus> {
        self.harness.status(server)
    }

    fn connected_statuses(&self) -> impl Iterator<Item = (usize, ServerStatus)> + '_ {
        (0..self.servers())
            .filter(|&server| self.connected[server])
            .filter_map(|server| Some((server, self.harness.status(server)?)))
    }

    /// The leader of the highest term among the connected servers, once there is one. Two
    /// leaders in one term fail at once.
    pub fn check_one_leader(&mut self) -> Result<usize, Failure> {
        for _ in 0..LEADER_POLLS {
            let pause = self.harness.random(450..=550);
            self.sleep(Duration::from_millis(pause))?;
            let leaders = self.connected_statuses().filter(|(_, status)| status.leads);
            let led: Vec<(Term, usize)> =
                leaders.map(|(server, status)| (status.term, server)).collect();
            one_leader_per_term(led.iter().copied()).map_err(Violation::from)?;
            if let Some(&(_, leader)) = led.iter().max() {
                return Ok(leader);
            }
        }
        Err(Unmet::NoLeader { polls: LEADER_POLLS }.into())
    }

    /// No connected server claims to lead.
    pub fn check_no_leader(&self) -> Result<(), Failure> {
        match self.connected_statuses().find(|(_, status)| status.leads) {
            Some((server, ServerStatus { term, leads: _ })) => {
                Err(Unmet::LeaderWithoutMajority { server, term }.into())
            }
            None => Ok(()),
        }
    }

    /// The term of all connected servers: the same, and at least 1.
    pub fn check_terms(&self) -> Result<Term, Failure> {
        let terms: Vec<(usize, Term)> =
            self.connected_statuses().map(|(server, status)| (server, status.term)).collect();
        match terms.first() {
            Some(&(_, term)) if term >= 1 && terms.iter().all(|&(_, other)| other == term) => {
                Ok(term)
            }
            _ => Err(Unmet::TermsDiffer { terms }.into()),
        }
    }

    /// The term of all connected servers, once they agree: the last of them may hear of its leader
    /// late on a busy machine.
    pub fn agreed_term(&mut self) -> Result<Term, Failure> {
        for _ in 1..TERM_POLLS {
            self.sleep(TERM_PAUSE)?;
            if let Ok(term) = self.check_terms() {
                return Ok(term);
            }
        }
        self.sleep(TERM_PAUSE)?;
        self.check_terms()
    }

    /// Whether all servers that run are in `term`.
    pub fn all_in(&self, term: Term) -> bool {
        (0..self.servers()).filter_map(|server| self.status(server)).all(|s| s.term == term)
    }

    /// How many servers applied a command at `index`, and which.
    ///
    /// That it is the same on all of them is checked at every apply, by the oracle.
    pub fn applied(&self, index: Index) -> (usize, Option<Command>) {
        let mut commands =
            (0..self.servers()).filter_map(|server| self.harness.applied(server, index));
        let first = commands.next();
        (first.iter().count() + commands.count(), first)
    }

    /// Nobody has applied anything at `index`.
    pub fn check_not_applied(&self, index: Index) -> Result<(), Failure> {
        match self.applied(index) {
            (0, _) => Ok(()),
            (servers, _) => Err(Unmet::AppliedEarly { index, servers }.into()),
        }
    }

    /// Waits until `expected` servers applied something at `index`; none if a server that
    /// runs leaves `term` for a later one meanwhile, if a term is given.
    pub fn wait_applied(
        &mut self,
        index: Index,
        expected: usize,
        term: Option<Term>,
    ) -> Result<Option<Command>, Failure> {
        let began = self.now();
        let mut pause = Duration::from_millis(10);
        for _ in 0..30 {
            match self.applied(index) {
                (servers, Some(command)) if servers >= expected => return Ok(Some(command)),
                _ => {}
            }
            self.sleep(pause)?;
            pause = (pause * 2).min(Duration::from_secs(1));
            if let Some(term) = term
                && (0..self.servers()).any(|s| self.status(s).is_some_and(|s| s.term > term))
            {
                return Ok(None);
            }
        }
        let after = self.now() - began;
        let command = self.applied(index).1.unwrap_or_else(|| command(0));
        Err(Unmet::NotApplied { command, expected, after }.into())
    }

    /// The persistent state of each server has fewer bytes than `most`.
    pub fn check_persisted_bytes(&self, most: usize) -> Result<(), Failure> {
        let bytes = (0..self.servers()).map(|server| self.harness.persisted_bytes(server));
        match bytes.enumerate().find(|(_, bytes)| *bytes >= most) {
            Some((server, bytes)) => Err(Unmet::LogTooLong { server, bytes, most }.into()),
            None => Ok(()),
        }
    }

    /// `command` stands where it may.
    pub fn check_index(
        &self,
        command: Command,
        index: Index,
        expected: RangeInclusive<Index>,
    ) -> Result<(), Failure> {
        match expected.contains(&index) {
            true => Ok(()),
            false => Err(Unmet::WrongIndex { command, index, expected }.into()),
        }
    }

    /// Offers `command` until `expected` servers have applied it, and says at which index.
    ///
    /// 10 seconds in all. It is offered to each connected server in turn; once one accepts
    /// it, it has 2 seconds, after which it is offered again, or without `retry` has failed.
    pub fn one(
        &mut self,
        command: Command,
        expected: usize,
        retry: bool,
    ) -> Result<Index, Failure> {
        Agreements::default().one(self, command, expected, retry)
    }

    /// Offers `command` to the connected servers in turn, until one accepts it.
    pub(crate) fn offer(&mut self, command: &Command) -> Result<Option<Started>, Violation> {
        for _ in 0..self.servers() {
            self.turn = self.next(self.turn, 1);
            if self.connected[self.turn] && self.runs(self.turn) {
                let started = self.start(self.turn, command.clone())?;
                if started.is_some() {
                    return Ok(started);
                }
            }
        }
        Ok(None)
    }
}

/// The command that stands for a number: its decimal digits.
pub fn command(number: u64) -> Command {
    Command::from(number.to_string().into_bytes())
}
