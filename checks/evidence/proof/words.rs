//! Formulas as text, and what stands at a place of the system in Raft's words.

use super::formula::{Expr, Shape, Sort, Var};
use super::symbols::Symbol;

/// A formula as text; `name` says what a variable is called, where it has another name than its
/// own.
pub fn formula(expr: Expr, name: &dyn Fn(&Var) -> Option<String>) -> String {
    let text = |part: Expr| formula(part, name);
    let is_loose = |part: Expr| {
        use Shape::{All, And, If, Implies, Or, Some};
        matches!(part.node(), And(_) | Or(_) | Implies(..) | If(..) | All(..) | Some(..))
    };
    let tight = |part: Expr| match is_loose(part) {
        true => format!("({})", text(part)),
        false => text(part),
    };
    let list = |parts: &[Expr], between: &str| {
        parts.iter().map(|part| tight(*part)).collect::<Vec<_>>().join(between)
    };
    let bound = |vars: &[Var]| vars.iter().map(|var| var.name).collect::<Vec<_>>().join(", ");
    match expr.node() {
        Shape::Truth(truth) => truth.to_string(),
        Shape::Number(number) => number.to_string(),
        Shape::Var(var) => name(var).unwrap_or_else(|| var.name.to_owned()),
        Shape::Apply(symbol, args) => {
            let args: Vec<String> = args.iter().map(|arg| text(*arg)).collect();
            format!("{}({})", symbol.name(), args.join(", "))
        }
        Shape::Plus(a, b) => format!("{} + {}", text(*a), text(*b)),
        Shape::Less(a, b) => format!("{} < {}", tight(*a), tight(*b)),
        Shape::AtMost(a, b) => format!("{} <= {}", tight(*a), tight(*b)),
        Shape::Is(a, b) => format!("{} = {}", tight(*a), tight(*b)),
        Shape::Not(not) => {
            let Shape::Is(a, b) = not.node() else { return format!("not {}", tight(*not)) };
            format!("{} != {}", tight(*a), tight(*b))
        }
        Shape::And(parts) => list(parts, " and "),
        Shape::Or(parts) => list(parts, " or "),
        Shape::Implies(a, b) => format!("{} => {}", tight(*a), tight(*b)),
        Shape::If(a, b, c) => format!("if {} then {} else {}", tight(*a), tight(*b), tight(*c)),
        Shape::All(vars, body, _) => format!("for all {}: {}", bound(vars), text(*body)),
        Shape::Some(vars, body) => format!("for some {}: {}", bound(vars), text(*body)),
    }
}

/// What stands at a place, as a sentence: of truth, `value` is `"1"` or another.
pub fn sentence(symbol: Symbol, args: &[String], value: &str) -> String {
    let arg = |n: usize| args.get(n).map_or("?", String::as_str);
    let (a, b, c) = (arg(0), arg(1), arg(2));
    let holds = value == "1";
    let has = if holds { "has" } else { "has not" };
    let truth = |yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
    match symbol {
        Symbol::CurrentTerm => format!("{a} is in term {value}"),
        Symbol::VotedFor => format!("{a} {has} voted for {b} in its term"),
        Symbol::Candidate => format!("{a} {}", truth("stands", "does not stand")),
        Symbol::Leader => format!("{a} {}", truth("leads", "does not lead")),
        Symbol::VotesGranted => format!("{a} {has} counted the vote of {b}"),
        Symbol::LastIndex => format!("the log of {a} ends at index {value}"),
        Symbol::LogTerm => format!("the log of {a} has an entry of term {value} at index {b}"),
        Symbol::LogPayload => format!("the log of {a} has {value} at index {b}"),
        Symbol::NextIndex => format!("{a} sends {b} index {value} next"),
        Symbol::MatchIndex => format!("{a} knows {b} to hold its log up to index {value}"),
        Symbol::CommitIndex => format!("{a} takes its log for committed up to index {value}"),
        Symbol::LastApplied => format!("{a} has applied its log up to index {value}"),
        Symbol::Asked => format!("{a} {has} asked for votes in term {b}"),
        Symbol::AskedIndex => format!("{a} said in term {b} that its log ends at index {value}"),
        Symbol::AskedTerm => format!("{a} said in term {b} that its log ends in term {value}"),
        Symbol::Granted => format!("{a} {has} told {c} that it has its vote in term {b}"),
        Symbol::Sent => format!("the request {has} been sent"),
        Symbol::Acknowledged => {
            format!("{a} {has} told the leader of term {b} that it holds its log up to index {c}")
        }
        Symbol::Refused => {
            format!("{a} {has} refused the leader of term {b} a request behind index {c}")
        }
        Symbol::RequestTerm => format!("the request is of term {value}"),
        Symbol::RequestLeader => format!("the request is {value}'s"),
        Symbol::PrevIndex => format!("the request continues a log behind index {value}"),
        Symbol::PrevTerm => format!("the request continues an entry of term {value}"),
        Symbol::EndIndex => format!("the request ends at index {value}"),
        Symbol::EntryTerm => format!("the request has an entry of term {value} at index {b}"),
        Symbol::EntryPayload => format!("the request has {value} at index {b}"),
        Symbol::LeaderCommit => format!("the request tells of commit index {value}"),
        Symbol::Member => format!("{a} is {}in the quorum", truth("", "not ")),
        Symbol::Shared
        | Symbol::Vote
        | Symbol::Led
        | Symbol::Begun
        | Symbol::LeaderOf
        | Symbol::Electors
        | Symbol::TermLast
        | Symbol::TermTerm
        | Symbol::TermPayload
        | Symbol::Held
        | Symbol::Committed
        | Symbol::Holders
        | Symbol::CommitTerm
        | Symbol::CommitUpTo
        | Symbol::ToldTerm
        | Symbol::ToldUpTo
        | Symbol::Applied
        | Symbol::AppliedTerm
        | Symbol::AppliedUpTo
        | Symbol::Choosable
        | Symbol::ChoosableAfter => {
            let place = format!("{}({})", symbol.name(), args.join(", "));
            match symbol.result() {
                Sort::Truth => format!("{place} is {}", truth("true", "false")),
                Sort::Server
                | Sort::Quorum
                | Sort::Request
                | Sort::Payload
                | Sort::Term
                | Sort::Index => format!("{place} is {value}"),
            }
        }
    }
}
