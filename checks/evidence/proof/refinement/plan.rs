//! Which actions a step may consist of. A guess, from what changed and what was sent: nothing is
//! believed of it that the guards and updates do not bear out.

use std::collections::BTreeSet;

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Config, Index, Input, Leader, Message,
    RequestVoteReply, Role, Server, ServerId, TermAt, Timer,
};
use veraft_models::properties::Stepped;

use super::letters::{Heard, Telling};
use super::taken::Given;
use crate::evidence::proof::ready::{ReadyAction, ready};

/// An action that may have been taken.
#[derive(Clone, Debug)]
pub(super) struct Planned<'a> {
    pub(super) action: &'static ReadyAction,
    pub(super) with: Vec<Given<'a>>,
}

impl<'a> Planned<'a> {
    pub(super) fn new(name: &str, with: Vec<Given<'a>>) -> Planned<'a> {
        Planned { action: ready(name), with }
    }
}

/// What `step` may consist of, in which this was heard.
pub(super) fn step<'a>(step: Stepped<'a>, heard: Heard<'a>) -> Vec<Planned<'a>> {
    let id = step.before.config().id;
    let mut guess = Guess { step, id, plan: Vec::new() };
    match step.input {
        Input::Timeout(Timer::Election) => guess.election(),
        // No action compacts a log: a step that does is objected to.
        Input::Timeout(Timer::Heartbeat)
        | Input::Compacted { .. }
        | Input::Repeat { .. }
        | Input::Pipeline { .. } => {}
        Input::Stored { .. } => guess.committed(),
        Input::Propose { .. } => guess.proposal(),
        Input::Receive { .. } => match heard {
            // Of what no server of the cluster says, nothing may come: what was committed before is
            // applied all the same.
            Heard::Nothing => {
                guess.applied();
                return guess.plan;
            }
            Heard::Letter(from, message) => guess.reception(from, message),
        },
    }
    guess.applied();
    guess.sent(heard);
    guess.plan
}

struct Guess<'a> {
    step: Stepped<'a>,
    id: ServerId,
    plan: Vec<Planned<'a>>,
}

impl<'a> Guess<'a> {
    /// Adds an action of this server.
    fn add<const N: usize>(&mut self, name: &str, with: [Given<'a>; N]) {
        let mut all = vec![Given::Server(self.id)];
        all.extend(with);
        self.plan.push(Planned::new(name, all));
    }

    fn election(&mut self) {
        let asks = |(_, message): &(ServerId, Message)| matches!(message, Message::RequestVote(_));
        let Stepped { before, input: _, output, after } = self.step;
        if after.current_term() != before.current_term() || output.send.iter().any(asks) {
            self.add("stand", []);
            self.election_won();
        }
    }

    /// Of the quorum that elected it, it may remember nothing: whoever it had counted and the last
    /// voter, or, where it has just stood, itself.
    fn election_won(&mut self) {
        let Stepped { before, input, output: _, after } = self.step;
        if !after.is_leader() || before.is_leader() {
            return;
        }
        let heard = match input {
            Input::Receive { from, .. } => Some(*from),
            Input::Timeout(_)
            | Input::Propose { .. }
            | Input::Compacted { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => None,
        };
        let mut electors: BTreeSet<ServerId> = match (&before.volatile().role, heard) {
            (Role::Candidate { votes_granted }, Some(_)) => votes_granted.clone(),
            // It has just stood, and voted for itself.
            (Role::Candidate { .. } | Role::Follower { .. } | Role::Leader(_), _) => {
                BTreeSet::from([self.id])
            }
        };
        electors.extend(heard);
        electors.retain(|server| before.config().servers.contains(server));
        self.add("win", [Given::Quorum(electors)]);
    }

    fn proposal(&mut self) {
        let Stepped { before, input, output: _, after } = self.step;
        let Input::Propose { payloads } = input else { return };
        if after.log().last_index() != before.log().last_index() {
            for payload in payloads {
                self.add("propose", [Given::Payload(payload)]);
            }
        }
        self.committed();
    }

    /// The leader's commit index rose.
    fn committed(&mut self) {
        let Stepped { before, input: _, output: _, after } = self.step;
        let commit_index = after.volatile().commit_index;
        if commit_index == before.volatile().commit_index {
            return;
        }
        let mut holders = BTreeSet::from([self.id]);
        if let Role::Leader(Leader { next_index: _, match_index }) = &after.volatile().role {
            let holding = match_index.iter().filter(|(_, matched)| **matched >= commit_index);
            holders.extend(holding.map(|(server, _)| *server));
        }
        holders.retain(|server| before.config().servers.contains(server));
        self.add("advance", [Given::Quorum(holders), Given::Index(commit_index)]);
    }

    fn reception(&mut self, from: ServerId, message: &'a Message) {
        let Stepped { before, input: _, output: _, after } = self.step;
        if after.current_term() != before.current_term() {
            self.add("adopt", [Given::Term(message.term())]);
        }
        match message {
            Message::RequestVote(_) => self.vote(from),
            Message::RequestVoteReply(reply) => self.voted(from, reply),
            Message::AppendEntries(request) => self.entries(request),
            Message::AppendEntriesReply(reply) => self.answered(from, reply),
            Message::InstallSnapshot(_) => {}
        }
    }

    fn vote(&mut self, from: ServerId) {
        let Stepped { before, input: _, output, after } = self.step;
        let grants = |(to, message): &(ServerId, Message)| {
            matches!(Telling::of(self.id, *to, message), Telling::Grants { .. })
        };
        let (vote, then) = (before.persistent().voted_for(), after.persistent().voted_for());
        let voted = then.is_some() && then != vote;
        if voted || output.send.iter().any(grants) {
            self.add("grant", [Given::Server(from)]);
        }
    }

    fn voted(&mut self, from: ServerId, reply: &RequestVoteReply) {
        let Stepped { before, input: _, output: _, after } = self.step;
        let counted = |server: &Server| match &server.volatile().role {
            Role::Candidate { votes_granted } => votes_granted.contains(&from),
            Role::Follower { .. } | Role::Leader(_) => false,
        };
        let elected = after.is_leader() && !before.is_leader();
        if reply.vote_granted && !counted(before) && (counted(after) || elected) {
            self.add("count", [Given::Server(from)]);
        }
        self.election_won();
    }

    fn entries(&mut self, request: &'a AppendEntries) {
        let Stepped { before, input: _, output, after } = self.step;
        let answer = output.send.iter().find_map(|(_, message)| match message {
            Message::AppendEntriesReply(AppendEntriesReply { term: _, outcome }) => Some(outcome),
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntries(_)
            | Message::InstallSnapshot(_) => None,
        });
        let commits = after.volatile().commit_index != before.volatile().commit_index;
        let request_place = Given::Request(0, request);
        match answer {
            Some(AppendOutcome::Conflict { .. }) => self.add("refuse", [request_place]),
            Some(AppendOutcome::Success { .. }) => self.stored(request),
            Some(AppendOutcome::StaleTerm) | None => {
                if commits || before.log() != after.log() {
                    self.stored(request);
                }
            }
        }
    }

    fn stored(&mut self, request: &'a AppendEntries) {
        let log = self.step.before.log();
        let first = request.prev_log_index.saturating_add(1);
        let held = (first..)
            .zip(request.entries.iter())
            .take_while(|(index, entry)| log.term_at(*index) == TermAt::Term(entry.term))
            .count();
        match held == request.entries.len() {
            true => self.add("keep", [Given::Request(0, request)]),
            false => {
                let agreed = request.prev_log_index.saturating_add(held as Index);
                if agreed < log.last_index() {
                    self.add("truncate", [Given::Request(0, request), Given::Index(agreed)]);
                }
                self.add("write", [Given::Request(0, request), Given::Index(agreed)]);
            }
        }
    }

    fn answered(&mut self, from: ServerId, reply: &AppendEntriesReply) {
        let Stepped { before, input: _, output: _, after } = self.step;
        let known = |server: &Server| match &server.volatile().role {
            Role::Leader(Leader { next_index, match_index }) => {
                Some((next_index.get(&from).copied(), match_index.get(&from).copied()))
            }
            Role::Follower { .. } | Role::Candidate { .. } => None,
        };
        let (then, Some(now)) = (known(before), known(after)) else { return };
        let same = then == Some(now);
        match reply.outcome {
            AppendOutcome::Success { match_index } if !same => {
                self.add("acknowledged", [Given::Server(from), Given::Index(match_index)]);
            }
            AppendOutcome::Conflict { prev_log_index, .. } if !same => {
                let next = now.0.unwrap_or_default();
                let places = [Given::Index(prev_log_index), Given::Index(next)];
                let [refused, next] = places;
                self.add("back up", [Given::Server(from), refused, next]);
            }
            AppendOutcome::Success { .. }
            | AppendOutcome::Conflict { .. }
            | AppendOutcome::StaleTerm => {}
        }
        self.committed();
    }

    fn applied(&mut self) {
        for _ in &self.step.output.apply {
            self.add("apply", []);
        }
    }

    /// Requests are counted on from the one that arrived.
    fn sent(&mut self, heard: Heard<'a>) {
        let arrived = requests(self.step.before.config(), heard, &[]).count();
        let sent = requests(self.step.before.config(), Heard::Nothing, &self.step.output.send);
        for (number, (_, request)) in (arrived..).zip(sent) {
            self.add("send", [Given::Request(number, request)]);
        }
    }
}

/// The requests of a step, each with its sender: first the one that arrived, if one did.
pub(super) fn requests<'a>(
    config: &Config,
    heard: Heard<'a>,
    sent: &'a [(ServerId, Message)],
) -> impl Iterator<Item = (ServerId, &'a AppendEntries)> {
    let id = config.id;
    let heard = heard.letter().map(|(from, message)| (from, Telling::of(from, id, message)));
    let sent = sent.iter().map(move |(to, message)| (id, Telling::of(id, *to, message)));
    heard.into_iter().chain(sent).filter_map(|(from, telling)| match telling {
        Telling::Request(request) => Some((from, request)),
        Telling::Nothing
        | Telling::Asks(_)
        | Telling::Grants { .. }
        | Telling::Acknowledges { .. }
        | Telling::Refuses { .. } => None,
    })
}
