//! What Figure 2 demands of one server, through its one door. The files here are the boxes of the
//! figure, as those in `src/figure2/` are; what no correct peer sends is in `tests/breaches.rs`.

mod append_entries;
mod candidates;
mod install_snapshot;
mod leaders;
mod request_vote;
mod state;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use veraft::figure2::{
    AppendEntries, AppendEntriesReply, AppendOutcome, Command, Config, Entries, Entry, Index,
    Input, Message, Output, Payload, Persistent, Record, RequestVote, RequestVoteReply, Server,
    ServerId, Term, Timer, TimerDuty,
};

const S1: ServerId = ServerId(1);
const S2: ServerId = ServerId(2);
const S3: ServerId = ServerId(3);

const SET_ELECTION: TimerDuty = TimerDuty::Set(Timer::Election);
const CANCEL_ELECTION: TimerDuty = TimerDuty::Cancel(Timer::Election);
const SET_HEARTBEAT: TimerDuty = TimerDuty::Set(Timer::Heartbeat);
const CANCEL_HEARTBEAT: TimerDuty = TimerDuty::Cancel(Timer::Heartbeat);

/// S1 of so many servers, whose messages carry four entries.
fn config(servers: u64) -> Config {
    let servers: BTreeSet<_> = (1..=servers).map(ServerId).collect();
    Config { id: S1, servers: Arc::new(servers), max_append_bytes: 4 }
}

/// One byte each, and the same for the same term.
fn entries(terms: &[Term]) -> Entries {
    terms.iter().map(|&term| Entry::command(term, vec![term as u8])).collect()
}

fn ballot(current_term: Term, voted_for: Option<ServerId>) -> Record {
    Record::Ballot { current_term, voted_for }
}

fn persistent(term: Term, voted_for: Option<ServerId>, log: &[Term]) -> Persistent {
    let append = Record::Append { entries: entries(log) };
    Persistent::fold([ballot(term, voted_for), append]).unwrap()
}

/// S1 of three, in `term`, with entries of these terms, as it starts: it knows of no leader, and
/// has not voted.
fn follower(term: Term, log: &[Term]) -> Server {
    Server::start(config(3), persistent(term, None, log), 0).0
}

/// The same, after its election timeout.
fn candidate(term: Term, log: &[Term]) -> Server {
    let mut server = follower(term - 1, log);
    let _ = step(&mut server, Input::Timeout(Timer::Election));
    server
}

/// The same, after S2's vote.
fn leader(term: Term, log: &[Term]) -> Server {
    let mut server = candidate(term, log);
    let _ = receive(&mut server, S2, vote(term, true));
    assert!(server.is_leader());
    server
}

/// A step, of which the records say all that changed of what survives a crash; on a disk that has
/// them at once.
fn step(server: &mut Server, input: Input) -> Output {
    let mut output = unstored_step(server, input);
    if !output.persist.is_empty() {
        output.apply.extend(store(server).apply);
    }
    output
}

/// The same, on a disk that takes its time.
fn unstored_step(server: &mut Server, input: Input) -> Output {
    let mut recorded = server.persistent().clone();
    let output = server.step(input);
    output.persist.iter().for_each(|record| recorded.write(record.clone()));
    assert_eq!(&recorded, server.persistent());
    assert_eq!(output.breach, None);
    output
}

/// The disk has all.
fn store(server: &mut Server) -> Output {
    let (last_index, last_term) = (server.log().last_index(), server.log().last_term());
    let output = server.step(Input::Stored { last_index, last_term });
    let apply = output.apply.clone();
    assert_eq!(output, Output { apply, ..Output::default() });
    output
}

fn receive(server: &mut Server, from: ServerId, message: Message) -> Output {
    step(server, Input::Receive { from, message })
}

fn timeout(server: &mut Server, timer: Timer) -> Output {
    step(server, Input::Timeout(timer))
}

/// Proposes so many commands.
fn propose(server: &mut Server, count: usize) -> Output {
    let command = |_| Payload::Command(Command::from(&b"c"[..]));
    step(server, Input::Propose { payloads: (0..count).map(command).collect() })
}

fn request_vote(from: ServerId, term: Term, last: (Index, Term)) -> Message {
    let (last_log_index, last_log_term) = last;
    Message::RequestVote(RequestVote { term, candidate_id: from, last_log_index, last_log_term })
}

fn vote(term: Term, vote_granted: bool) -> Message {
    Message::RequestVoteReply(RequestVoteReply { term, vote_granted })
}

/// Entries of these terms behind the entry at `prev`, from S2.
fn append(term: Term, prev: (Index, Term), terms: &[Term], leader_commit: Index) -> Message {
    append_from(S2, term, prev, entries(terms), leader_commit)
}

fn append_from(
    leader_id: ServerId,
    term: Term,
    prev: (Index, Term),
    entries: Entries,
    leader_commit: Index,
) -> Message {
    let (prev_log_index, prev_log_term) = prev;
    Message::AppendEntries(AppendEntries {
        term,
        leader_id,
        prev_log_index,
        prev_log_term,
        entries,
        leader_commit,
    })
}

fn reply(term: Term, outcome: AppendOutcome) -> Message {
    Message::AppendEntriesReply(AppendEntriesReply { term, outcome })
}

fn success(term: Term, match_index: Index) -> Message {
    reply(term, AppendOutcome::Success { match_index })
}

fn conflict(
    term: Term,
    prev_log_index: Index,
    conflict_term: Option<Term>,
    conflict_index: Index,
) -> Message {
    reply(term, AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index })
}

/// The terms along a log.
fn terms(server: &Server) -> Vec<Term> {
    server.log().entries().iter().map(|entry| entry.term).collect()
}

/// The indices of what is to be applied, each with the term of its entry.
fn applied(output: &Output) -> Vec<(Index, Term)> {
    output.apply.iter().map(|(index, entry)| (*index, entry.term)).collect()
}
