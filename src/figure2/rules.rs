//! Rules for Servers, the last box of Figure 2.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::breach::LIMIT;
use super::log::{Entries, Entry, Index, Payload, Term, TermAt};
use super::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Config, InstallSnapshot, Leader, Message,
    Output, Persistent, Proposal, Record, RequestVote, RequestVoteReply, Role, Server, ServerId,
    Timer, TimerDuty, Volatile,
};

/// All servers.
impl Server {
    /// `ALL.1`: what is committed and not yet applied goes to the state machine, in the order
    /// of the log. `PD.3`: as far as it is durable here.
    pub(super) fn apply_committed(&mut self, output: &mut Output) {
        let Volatile { commit_index, last_applied, stored, .. } = self.volatile;
        let (first, last) = (last_applied + 1, commit_index.min(stored).max(last_applied));
        let entries = self.log().range(first, last);
        output.apply.extend((first..).zip(entries.iter().cloned()));
        self.volatile.last_applied = last;
    }

    /// The log is durable up to this entry. `PD.4`: unless the log does not hold it any more.
    pub(super) fn stored(&mut self, last_index: Index, last_term: Term) {
        if self.log().term_at(last_index) == TermAt::Term(last_term) {
            self.volatile.stored = self.volatile.stored.max(last_index);
            if let Some(mut leading) = self.leading() {
                leading.advance_commit_index();
            }
        }
    }

    /// `ALL.2`: whoever hears of a greater term adopts it and follows.
    pub(super) fn update_term(&mut self, term: Term, output: &mut Output) {
        if term > self.current_term() {
            self.write(Record::Ballot { current_term: term, voted_for: None }, output);
            if self.is_leader() {
                output.timers.push(TimerDuty::Cancel(Timer::Heartbeat));
                output.timers.push(TimerDuty::Set(Timer::Election));
            }
            self.volatile.role = Role::Follower { leader: None };
        }
    }
}

/// Followers and candidates.
impl Server {
    /// `FO.2`: a follower that heard from no leader and granted no vote becomes a candidate.
    /// `CA.4`: a candidate whose election did not end starts another.
    pub(super) fn election_timeout(&mut self, output: &mut Output) {
        match self.volatile.role {
            Role::Follower { .. } | Role::Candidate { .. } => self.start_election(output),
            Role::Leader(_) => {}
        }
    }

    /// Conversion to candidate. `CA.1a`: the term rises. `CA.1b`: the candidate votes for
    /// itself. `CA.1c`: the election timer starts again. `CA.1d`: every peer is asked for its
    /// vote.
    fn start_election(&mut self, output: &mut Output) {
        let id = self.config.id;
        assert!(self.current_term() < LIMIT, "there are no more terms");
        let term = self.current_term() + 1;
        self.write(Record::Ballot { current_term: term, voted_for: Some(id) }, output);
        self.volatile.role = Role::Candidate { votes_granted: BTreeSet::new() };
        output.timers.push(TimerDuty::Set(Timer::Election));
        let request = Message::RequestVote(RequestVote {
            term,
            candidate_id: id,
            last_log_index: self.log().last_index(),
            last_log_term: self.log().last_term(),
        });
        output.send.extend(self.config.peers().map(|peer| (peer, request.clone())));
        self.collect_vote(id, output);
    }

    /// A peer answered a RequestVote. Answers to elections of older terms mean nothing.
    pub(super) fn receive_request_vote_reply(
        &mut self,
        from: ServerId,
        reply: RequestVoteReply,
        output: &mut Output,
    ) {
        if reply.term == self.current_term() && reply.vote_granted {
            self.collect_vote(from, output);
        }
    }

    /// `CA.2`: a candidate with votes from a majority leads. Votes are a set: one that arrives
    /// twice counts once.
    fn collect_vote(&mut self, voter: ServerId, output: &mut Output) {
        let Role::Candidate { votes_granted } = &mut self.volatile.role else { return };
        votes_granted.insert(voter);
        if self.config.is_quorum(|server| votes_granted.contains(&server)) {
            self.become_leader(output);
        }
    }
}

/// Leaders: how a server comes to lead, and what is for leaders only.
impl Server {
    /// `LE.1a`: a new leader shows itself at once with an empty AppendEntries to each peer.
    fn become_leader(&mut self, output: &mut Output) {
        let next_index = self.log().last_index() + 1;
        self.volatile.role = Role::Leader(Leader {
            next_index: self.config.peers().map(|peer| (peer, next_index)).collect(),
            match_index: self.config.peers().map(|peer| (peer, 0)).collect(),
        });
        output.timers.push(TimerDuty::Cancel(Timer::Election));
        self.heartbeat_timeout(output);
    }

    /// `LE.1b`: a leader repeats its heartbeat, so that no election timeout passes without it.
    pub(super) fn heartbeat_timeout(&mut self, output: &mut Output) {
        if let Some(leading) = self.leading() {
            leading.send_heartbeats(output);
        }
    }

    /// `LE.2`: a leader appends the commands of clients to its log. The answer follows once
    /// they are applied: see [`Proposal::Accepted`].
    pub(super) fn propose(&mut self, payloads: Vec<Payload>, output: &mut Output) {
        let (term, leader) = (self.current_term(), self.leader());
        output.proposal = Some(match self.leading() {
            Some(leading) => leading.append(payloads, output),
            None => Proposal::NotLeader { term, leader },
        });
    }

    /// `FC.2`: what a peer has not acknowledged is sent again: the RPCs that are retried (§5.5).
    pub(super) fn repeat(&mut self, peer: ServerId, output: &mut Output) {
        if let Some(leading) = self.leading() {
            leading.replicate(peer, output);
        }
    }

    /// `FC.3`: entries are sent before those before them are acknowledged. A peer that lacks those
    /// refuses, and `next_index` stays where the logs agree.
    pub(super) fn pipeline(&mut self, peer: ServerId, after: Index, output: &mut Output) {
        if let Some(leading) = self.leading() {
            leading.replicate_behind(peer, after, output);
        }
    }

    /// A peer answered an AppendEntries. Answers to a leader of an older term mean nothing,
    /// and so does the refusal of a request that a later one has overtaken.
    pub(super) fn receive_append_entries_reply(
        &mut self,
        from: ServerId,
        reply: AppendEntriesReply,
        output: &mut Output,
    ) {
        if reply.term != self.current_term() {
            return;
        }
        let Some(leading) = self.leading() else { return };
        match reply.outcome {
            AppendOutcome::Success { match_index } => {
                leading.acknowledged(from, match_index, output);
            }
            AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                leading.back_up(from, prev_log_index, conflict_term, conflict_index, output);
            }
            AppendOutcome::StaleTerm => {}
        }
    }

    /// The one door to what only leaders do.
    fn leading(&mut self) -> Option<Leading<'_>> {
        let Server { config, persistent, volatile } = self;
        let Volatile { role, commit_index, last_applied: _, stored, floor: _ } = volatile;
        let stored = *stored;
        match role {
            Role::Leader(leader) => {
                Some(Leading { config, persistent, commit_index, stored, leader })
            }
            Role::Follower { .. } | Role::Candidate { .. } => None,
        }
    }
}

/// A server that leads.
struct Leading<'a> {
    config: &'a Config,
    persistent: &'a mut Persistent,
    commit_index: &'a mut Index,
    stored: Index,
    leader: &'a mut Leader,
}

impl Leading<'_> {
    /// A heartbeat to each peer. `FC.1`: it repeats nothing.
    fn send_heartbeats(&self, output: &mut Output) {
        let base = self.persistent.log().base();
        for (&peer, &next_index) in &self.leader.next_index {
            let prev_log_index = base.last_index.max(next_index - 1);
            self.send_append_entries(peer, prev_log_index, Entries::default(), output);
        }
        output.timers.push(TimerDuty::Set(Timer::Heartbeat));
    }

    /// Appends entries; who lacks nothing but them is sent them at once.
    fn append(self, payloads: Vec<Payload>, output: &mut Output) -> Proposal {
        let term = self.persistent.current_term();
        let first_index = self.persistent.log().last_index() + 1;
        let accepted = Proposal::Accepted { term, first_index };
        if payloads.is_empty() {
            return accepted;
        }
        assert!(first_index <= LIMIT, "there are no more indices");
        let entries = payloads.into_iter().map(|payload| Entry { term, payload }).collect();
        self.persistent.record(Record::Append { entries }, output);
        for (&peer, &next_index) in &self.leader.next_index {
            if next_index == first_index {
                self.replicate(peer, output);
            }
        }
        accepted
    }

    /// `LE.3`: if the log reaches to `next_index`, the peer is sent the entries from there on.
    /// `SN.5`: if those are compacted, it is sent a snapshot.
    fn replicate(&self, peer: ServerId, output: &mut Output) {
        let first = self.leader.next_index[&peer];
        let log = self.persistent.log();
        if first < log.first_index() {
            let (term, leader_id) = (self.persistent.current_term(), self.config.id);
            let request = InstallSnapshot { term, leader_id, base: log.base() };
            output.send.push((peer, Message::InstallSnapshot(request)));
            return;
        }
        self.replicate_behind(peer, first - 1, output);
    }

    fn replicate_behind(&self, peer: ServerId, after: Index, output: &mut Output) {
        let log = self.persistent.log();
        if after < log.base().last_index || after >= log.last_index() {
            return;
        }
        let entries = log.batch(after + 1, self.config.max_append_bytes);
        self.send_append_entries(peer, after, entries, output);
    }

    /// `SN.15`: the term right before the first entry is that of the base.
    fn send_append_entries(
        &self,
        peer: ServerId,
        prev_log_index: Index,
        entries: Entries,
        output: &mut Output,
    ) {
        let prev_log_term = self.persistent.log().term_at(prev_log_index).held();
        let request = AppendEntries {
            term: self.persistent.current_term(),
            leader_id: self.config.id,
            prev_log_index,
            prev_log_term: prev_log_term
                .expect("a leader's log reaches from its base to every next_index - 1"),
            entries,
            leader_commit: *self.commit_index,
        };
        output.send.push((peer, Message::AppendEntries(request)));
    }

    /// `LE.3a`: success moves `next_index` and `match_index` of the peer forward, and the next
    /// batch follows.
    fn acknowledged(mut self, peer: ServerId, match_index: Index, output: &mut Output) {
        if match_index <= self.leader.match_index[&peer] {
            return;
        }
        self.leader.match_index.insert(peer, match_index);
        self.leader.next_index.insert(peer, match_index + 1);
        self.advance_commit_index();
        self.replicate(peer, output);
    }

    /// `LE.3b`: a refusal for inconsistency moves `next_index` of the peer back, past the whole
    /// conflicting term, and the leader tries again.
    ///
    /// If the leader has entries of that term too, the logs may agree up to the last of those;
    /// otherwise none of the term's entries can stand.
    fn back_up(
        self,
        peer: ServerId,
        prev_log_index: Index,
        conflict_term: Option<Term>,
        conflict_index: Index,
        output: &mut Output,
    ) {
        let match_index = self.leader.match_index[&peer];
        if prev_log_index <= match_index {
            return;
        }
        let next = conflict_term
            .and_then(|term| self.persistent.log().last_index_of_term(term))
            .filter(|&last| last < prev_log_index)
            .map_or(conflict_index, |last| last + 1);
        self.leader.next_index.insert(peer, next.max(match_index + 1));
        self.replicate(peer, output);
    }

    /// `LE.4`: an index that a quorum has replicated is committed, if its entry is of the
    /// leader's own term; entries of earlier terms are committed with it, never by counting
    /// (§5.4.2, Figure 8). `PD.2`: the leader counts itself as far as its own disk has the log.
    fn advance_commit_index(&mut self) {
        let Leader { next_index: _, match_index } = &*self.leader;
        let log = self.persistent.log();
        // The leader itself is no peer of its own.
        let replicated = |server, index| *match_index.get(&server).unwrap_or(&self.stored) >= index;
        let newly = match_index.values().copied().chain([self.stored]).filter(|&index| {
            index > *self.commit_index
                && self.config.is_quorum(|server| replicated(server, index))
                && log.term_at(index) == TermAt::Term(self.persistent.current_term())
        });
        *self.commit_index = newly.max().unwrap_or(*self.commit_index);
    }
}
