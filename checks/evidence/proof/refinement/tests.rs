//! Steps that are sequences of actions, steps that are none, and what the formulas must be for
//! all this to mean anything.

mod durable;
mod formulas;
mod refused;

use std::sync::Arc;

use veraft::figure2::{
    Config, Entry, Index, Input, Message, Output, Payload, Persistent, Record, Role, Server,
    ServerId, Term, Timer, Volatile,
};
use veraft_models::properties::Stepped;

use super::{NoAction, TakenAction, actions_of, restart};

pub(super) const S1: ServerId = ServerId(1);
pub(super) const S2: ServerId = ServerId(2);
pub(super) const S3: ServerId = ServerId(3);

pub(super) fn config(id: ServerId, servers: &[ServerId]) -> Config {
    let servers = Arc::new(servers.iter().copied().collect());
    Config { id, servers, max_append_bytes: 1 << 20 }
}

/// One of three servers, with a log of these terms.
pub(super) fn server(id: ServerId, current_term: Term, terms: &[Term], role: Role) -> Server {
    let entries = terms.iter().map(|&term| Entry { term, payload: Payload::Blank }).collect();
    let ballot = Record::Ballot { current_term, voted_for: None };
    let persistent = Persistent::from_iter([ballot, Record::Append { entries }]);
    let volatile = Volatile { role, ..Volatile::default() };
    Server::from_parts(config(id, &[S1, S2, S3]), persistent, volatile)
}

pub(super) fn judged(
    before: &Server,
    input: &Input,
    output: &Output,
    after: &Server,
) -> Result<Vec<TakenAction>, NoAction> {
    actions_of(Stepped { before, input, output, after })
}

/// The step that the code takes: the server behind it, what comes of it, and its actions.
pub(super) fn steps(before: &Server, input: Input) -> (Server, Output, Vec<String>) {
    let mut after = before.clone();
    let output = after.step(input.clone());
    let actions = judged(before, &input, &output, &after);
    let actions = actions.unwrap_or_else(|problem| panic!("{problem}"));
    let words = actions.iter().map(ToString::to_string).collect();
    (after, output, words)
}

pub(super) fn hears(from: ServerId, message: &Message) -> Input {
    Input::Receive { from, message: message.clone() }
}

fn start(id: ServerId) -> Server {
    Server::start(config(id, &[S1, S2, S3]), Persistent::default(), 0).0
}

#[test]
fn an_election_and_a_commit_are_these_actions() {
    let (one, two) = (start(S1), start(S2));
    let (one, asks, actions) = steps(&one, Input::Timeout(Timer::Election));
    assert_eq!(actions, ["stand(S1)"]);
    let (two, votes, actions) = steps(&two, hears(S1, &asks.send[0].1));
    assert_eq!(actions, ["adopt(S2, 1)", "grant(S2, S1)"]);
    let (one, leads, actions) = steps(&one, hears(S2, &votes.send[0].1));
    let beats = ["send(S1, no entries behind 0)", "send(S1, no entries behind 0)"];
    assert_eq!(actions, [&["count(S1, S2)", "win(S1, {S1, S2})"][..], &beats].concat());
    let (two, answer, actions) = steps(&two, hears(S1, &leads.send[0].1));
    assert_eq!(actions, ["keep(S2, no entries behind 0)"]);
    let (one, _, actions) = steps(&one, hears(S2, &answer.send[0].1));
    assert_eq!(actions, [""; 0], "nothing is acknowledged that was not known");
    let payloads = vec![Payload::Blank, Payload::Blank];
    let (one, sends, actions) = steps(&one, Input::Propose { payloads });
    let proposes = ["propose(S1, blank)", "propose(S1, blank)"];
    let sent = ["send(S1, entries 1 to 2)", "send(S1, entries 1 to 2)"];
    assert_eq!(actions, [proposes, sent].concat());
    let (one, _, actions) = steps(&one, Input::Stored { last_index: 2, last_term: 1 });
    assert_eq!(actions, [""; 0], "its own disk alone is no quorum");
    let (two, stores, actions) = steps(&two, hears(S1, &sends.send[0].1));
    assert_eq!(actions, ["write(S2, entries 1 to 2, 0)"]);
    let (two, _, actions) = steps(&two, Input::Stored { last_index: 2, last_term: 1 });
    assert_eq!(actions, [""; 0]);
    let (one, _, actions) = steps(&one, hears(S2, &stores.send[0].1));
    let commits = ["acknowledged(S1, S2, 2)", "advance(S1, {S1, S2}, 2)"];
    assert_eq!(actions, [commits, ["apply(S1)", "apply(S1)"]].concat());
    let (_, beats, _) = steps(&one, Input::Timeout(Timer::Heartbeat));
    let (two, _, actions) = steps(&two, hears(S1, &beats.send[0].1));
    assert_eq!(actions, ["keep(S2, no entries behind 2)", "apply(S2)", "apply(S2)"]);
    let (_, _, actions) = steps(&start(S3), hears(S1, &sends.send[1].1));
    assert_eq!(actions, ["adopt(S3, 1)", "write(S3, entries 1 to 2, 0)"]);
    let (again, _) = Server::start(two.config().clone(), two.persistent().clone(), 0);
    let actions = restart(two.persistent(), &again).unwrap();
    assert_eq!(actions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["restart(S2)"]);
}

#[test]
fn a_refusal_and_the_way_back_are_these_actions() {
    let leader = server(S1, 2, &[1, 1, 2], Role::default());
    let (leader, asks, _) = steps(&leader, Input::Timeout(Timer::Election));
    let (_, votes, _) = steps(&start(S2), hears(S1, &asks.send[0].1));
    let (leader, beats, _) = steps(&leader, hears(S2, &votes.send[0].1));
    let behind = server(S3, 1, &[1], Role::default());
    let (behind, refuses, actions) = steps(&behind, hears(S1, &beats.send[1].1));
    assert_eq!(actions, ["adopt(S3, 3)", "refuse(S3, no entries behind 3)"]);
    let (_, sends, actions) = steps(&leader, hears(S3, &refuses.send[0].1));
    assert_eq!(actions, ["back up(S1, S3, 3, 2)", "send(S1, entries 2 to 3)"]);
    let (_, _, actions) = steps(&behind, hears(S1, &sends.send[0].1));
    assert_eq!(actions, ["write(S3, entries 2 to 3, 1)"]);
}

#[test]
fn a_server_alone_elects_and_commits_by_itself() {
    let alone = Server::start(config(S1, &[S1]), Persistent::default(), 0).0;
    let (alone, _, actions) = steps(&alone, Input::Timeout(Timer::Election));
    assert_eq!(actions, ["stand(S1)", "win(S1, {S1})"]);
    let (alone, _, actions) = steps(&alone, Input::Propose { payloads: vec![Payload::Blank] });
    assert_eq!(actions, ["propose(S1, blank)"]);
    let (_, _, actions) = steps(&alone, Input::Stored { last_index: 1, last_term: 1 });
    assert_eq!(actions, ["advance(S1, {S1}, 1)", "apply(S1)"]);
}

/// Of a long log, only what a step bears on is looked at; no change escapes.
#[test]
fn in_a_long_log_every_change_is_seen() {
    let terms: Vec<Term> = (0..300).map(|n| 1 + n / 100).collect();
    let long = server(S2, 3, &terms, Role::default());
    let other = server(S1, 4, &[&terms[..150], &[4; 20]].concat(), Role::default());
    let (leader, asks, _) = steps(&other, Input::Timeout(Timer::Election));
    let (_, votes, _) = steps(&start(S3), hears(S1, &asks.send[0].1));
    let (leader, beats, _) = steps(&leader, hears(S3, &votes.send[0].1));
    let (long, refuses, _) = steps(&long, hears(S1, &beats.send[0].1));
    let (_, sends, actions) = steps(&leader, hears(S2, &refuses.send[0].1));
    assert_eq!(actions, ["back up(S1, S2, 170, 151)", "send(S1, entries 151 to 170)"]);
    let input = hears(S1, &sends.send[0].1);
    let (written, output, actions) = steps(&long, input.clone());
    let parts = ["truncate", "write"].map(|name| format!("{name}(S2, entries 151 to 170, 150)"));
    assert_eq!(actions, parts);
    // An entry far before those is another: of a term, or for something else.
    let index_of = |text: &str| text.contains("index 7");
    for entry in [Entry { term: 2, payload: Payload::Blank }, Entry::command(1, &b"x"[..])] {
        let mut entries: Vec<Entry> = written.log().entries().iter().cloned().collect();
        entries[6] = entry;
        let forged = with_log(&written, entries);
        let problem = judged(&long, &input, &output, &forged).unwrap_err().to_string();
        assert!(index_of(&problem), "{problem}");
    }
}

/// The same server, with another log.
pub(super) fn with_log(server: &Server, entries: Vec<Entry>) -> Server {
    let persistent = server.persistent();
    let (current_term, voted_for) = (persistent.current_term(), persistent.voted_for());
    let entries = entries.into_iter().collect();
    let records = [Record::Ballot { current_term, voted_for }, Record::Append { entries }];
    let volatile = server.volatile().clone();
    Server::from_parts(server.config().clone(), Persistent::from_iter(records), volatile)
}

/// The same server, with another commit index, all of it applied.
pub(super) fn with_commit(server: &Server, commit_index: Index) -> Server {
    let volatile =
        Volatile { commit_index, last_applied: commit_index, ..server.volatile().clone() };
    Server::from_parts(server.config().clone(), server.persistent().clone(), volatile)
}
