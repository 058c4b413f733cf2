//! A state in lines: its servers, the letters that were sent, and what happened. What is 0, or
//! empty, is left out.

use super::super::evaluate::{Datum, Structure};
use super::super::formula::Sort;
use super::super::symbols::Symbol;
use super::super::tables::Tables;
use super::telling::member;

/// A state in lines.
pub fn lines(of: &Tables) -> Vec<String> {
    let servers = 0..of.size(Sort::Server);
    let mut lines: Vec<String> = servers.map(|s| server(of, s)).collect();
    lines.extend(letters(of));
    lines.extend(history(of));
    lines
}

/// Names of those of `members` of which `holds` holds, such as "S0 and S2".
fn names(of: &Tables, sort: Sort, holds: impl Fn(Datum) -> bool) -> Vec<String> {
    (0..of.size(sort)).filter(|&it| holds(it)).map(|it| member(of, sort, it)).collect()
}

fn number(of: &Tables, symbol: Symbol, args: &[Datum]) -> Datum {
    of.value(symbol, args)
}

fn is(of: &Tables, symbol: Symbol, args: &[Datum]) -> bool {
    of.value(symbol, args) != 0
}

/// Entries, each as its term and its payload, such as "1a 1b".
fn entries(
    of: &Tables,
    range: impl Iterator<Item = Datum>,
    [term, payload]: [Symbol; 2],
    who: Datum,
) -> String {
    let entry = |i| {
        let payload = number(of, payload, &[who, i]);
        format!("{}{}", number(of, term, &[who, i]), member(of, Sort::Payload, payload))
    };
    range.map(entry).collect::<Vec<_>>().join(" ")
}

fn server(of: &Tables, s: Datum) -> String {
    let role = match (is(of, Symbol::Leader, &[s]), is(of, Symbol::Candidate, &[s])) {
        (false, false) => "follower",
        (false, true) => "candidate",
        (true, false) => "leader",
        (true, true) => "leader and candidate",
    };
    let mut parts = vec![format!("S{s}: {role} in term {}", number(of, Symbol::CurrentTerm, &[s]))];
    let votes = names(of, Sort::Server, |c| is(of, Symbol::VotedFor, &[s, c]));
    if !votes.is_empty() {
        parts.push(format!("voted for {}", votes.join(" and ")));
    }
    let counted = names(of, Sort::Server, |v| is(of, Symbol::VotesGranted, &[s, v]));
    if !counted.is_empty() {
        parts.push(format!("has the votes of {}", counted.join(" and ")));
    }
    let last = number(of, Symbol::LastIndex, &[s]);
    if last > 0 {
        let log = entries(of, 1..=last, [Symbol::LogTerm, Symbol::LogPayload], s);
        parts.push(format!("log {log}"));
    }
    for (symbol, about) in [(Symbol::NextIndex, "nextIndex"), (Symbol::MatchIndex, "matchIndex")] {
        let of_peer = |peer| match number(of, symbol, &[s, peer]) {
            0 => None,
            index => Some(format!("{index} for S{peer}")),
        };
        let all: Vec<String> = (0..of.size(Sort::Server)).filter_map(of_peer).collect();
        if !all.is_empty() {
            parts.push(format!("{about} {}", all.join(" and ")));
        }
    }
    let commit = number(of, Symbol::CommitIndex, &[s]);
    if commit > 0 {
        let reason = commit_of(of, Symbol::CommitTerm, Symbol::CommitUpTo, &[s]);
        parts.push(format!("commitIndex {commit} {reason}"));
    }
    let applied = number(of, Symbol::LastApplied, &[s]);
    if applied > 0 {
        parts.push(format!("lastApplied {applied}"));
    }
    parts.join(", ")
}

/// The commit from which somebody has a commit index.
fn commit_of(of: &Tables, term: Symbol, up_to: Symbol, args: &[Datum]) -> String {
    format!("(from the commit of {} in term {})", number(of, up_to, args), number(of, term, args))
}

/// What a request says.
pub fn request(of: &Tables, m: Datum) -> String {
    let (prev, end) = (number(of, Symbol::PrevIndex, &[m]), number(of, Symbol::EndIndex, &[m]));
    let carried = entries(of, prev + 1..end + 1, [Symbol::EntryTerm, Symbol::EntryPayload], m);
    let carried = if carried.is_empty() { "no entries".to_owned() } else { carried };
    let before = match (prev, number(of, Symbol::PrevTerm, &[m])) {
        (0, 0) => "from the first".to_owned(),
        (prev, term) => format!("behind {prev} of term {term}"),
    };
    let mut told = format!(
        "R{m} of S{} in term {}: {carried} {before}",
        number(of, Symbol::RequestLeader, &[m]),
        number(of, Symbol::RequestTerm, &[m])
    );
    let commit = number(of, Symbol::LeaderCommit, &[m]);
    if commit > 0 {
        let reason = commit_of(of, Symbol::ToldTerm, Symbol::ToldUpTo, &[m]);
        told = format!("{told}, leaderCommit {commit} {reason}");
    }
    told
}

fn letters(of: &Tables) -> Vec<String> {
    let mut lines = Vec::new();
    for args in present(of, Symbol::Asked) {
        let [index, term] = [Symbol::AskedIndex, Symbol::AskedTerm].map(|it| number(of, it, &args));
        let log = match (index, term) {
            (0, 0) => "with an empty log".to_owned(),
            _ => format!("with a log that ends with {index} of term {term}"),
        };
        lines.push(format!("S{} has asked for votes in term {}, {log}", args[0], args[1]));
    }
    for args in present(of, Symbol::Granted) {
        let [v, t, c] = [args[0], args[1], args[2]];
        lines.push(format!("S{v} has told S{c} that it has its vote in term {t}"));
    }
    for args in present(of, Symbol::Sent) {
        lines.push(request(of, args[0]));
    }
    for args in present(of, Symbol::Acknowledged) {
        lines.push(format!("S{} has acknowledged {} in term {}", args[0], args[2], args[1]));
    }
    for args in present(of, Symbol::Refused) {
        lines.push(format!(
            "S{} has refused what is behind {} in term {}",
            args[0], args[2], args[1]
        ));
    }
    lines
}

/// The arguments at which a function is not 0, or not false.
fn present(of: &Tables, symbol: Symbol) -> Vec<Vec<Datum>> {
    let mut all = of.arguments(symbol);
    all.retain(|args| is(of, symbol, args));
    all
}

fn history(of: &Tables) -> Vec<String> {
    let mut lines = Vec::new();
    for t in 0..of.size(Sort::Term) {
        for c in 0..of.size(Sort::Server) {
            let voters = names(of, Sort::Server, |v| is(of, Symbol::Vote, &[v, t, c]));
            let have = if voters.len() == 1 { "has" } else { "have" };
            if !voters.is_empty() {
                lines.push(format!("in term {t} {} {have} voted for S{c}", voters.join(" and ")));
            }
        }
        lines.extend(term(of, t));
    }
    for args in present(of, Symbol::Held) {
        let held = number(of, Symbol::Held, &args);
        lines.push(format!("S{} has held the log of term {} up to {held}", args[0], args[1]));
    }
    for args in present(of, Symbol::Committed) {
        let holders = member(of, Sort::Quorum, number(of, Symbol::Holders, &args));
        lines.push(format!("{} was committed in term {}, counting {holders}", args[1], args[0]));
    }
    for args in present(of, Symbol::Applied) {
        let reason = commit_of(of, Symbol::AppliedTerm, Symbol::AppliedUpTo, &args);
        let payload = member(of, Sort::Payload, args[1]);
        lines.push(format!("{payload} was applied at {} {reason}", args[0]));
    }
    lines
}

/// What happened in a term: who led it, who elected it, what the leader's log was.
fn term(of: &Tables, t: Datum) -> Vec<String> {
    let mut lines = Vec::new();
    let begun = is(of, Symbol::Begun, &[t]);
    let leader = number(of, Symbol::LeaderOf, &[t]);
    for args in present(of, Symbol::Led) {
        if args[0] == t {
            let last = if begun && args[1] == leader { elected(of, t) } else { String::new() };
            lines.push(format!("S{} has led term {t}{last}", args[1]));
        }
    }
    if begun && !is(of, Symbol::Led, &[t, leader]) {
        lines.push(format!("term {t} has begun with leader S{leader}{}", elected(of, t)));
    }
    let last = number(of, Symbol::TermLast, &[t]);
    if last > 0 {
        let log = entries(of, 1..=last, [Symbol::TermTerm, Symbol::TermPayload], t);
        lines.push(format!("the log of term {t} is {log}"));
    }
    lines
}

fn elected(of: &Tables, t: Datum) -> String {
    format!(", elected by {}", member(of, Sort::Quorum, number(of, Symbol::Electors, &[t])))
}
