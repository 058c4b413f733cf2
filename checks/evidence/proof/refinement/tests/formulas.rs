//! What the formulas must be for a local check to say something of a whole cluster.

use crate::evidence::proof::formula::{Expr, Origin, Shape, Var};
use crate::evidence::proof::ready::READY_ACTIONS;
use crate::evidence::proof::symbols::{Subject, Symbol};

fn acts(symbol: Symbol) -> bool {
    matches!(symbol.kind(), Subject::Server | Subject::Letters)
}

/// What a server does, and what becomes of it and of letters, never depends on history: history
/// can be written by the updates, and restricts nothing.
#[test]
fn nobody_reads_history() {
    for ready in &*READY_ACTIONS {
        let (name, step) = (ready.action.name, &ready.step);
        let read = |expr: Expr| expr.symbols().into_iter().find(|symbol| tells_more(*symbol));
        assert_eq!(read(step.guard), None, "the guard of {name}");
        for (symbol, update) in step.after.updates().iter().filter(|(symbol, _)| acts(**symbol)) {
            assert_eq!(read(update.value), None, "{symbol:?} after {name}");
        }
    }
}

fn tells_more(symbol: Symbol) -> bool {
    matches!(symbol.kind(), Subject::History | Subject::Defined)
}

/// A guard, and what becomes of a server and its letters, speaks of what the acting server keeps,
/// and of no other server; it changes nothing of another, and no letter of another.
#[test]
fn an_action_is_one_servers() {
    for ready in &*READY_ACTIONS {
        let (name, step) = (ready.action.name, &ready.step);
        let me = step.parameters[0];
        assert_eq!(foreign(step.guard, me), None, "the guard of {name}");
        for (symbol, update) in step.after.updates().iter().filter(|(symbol, _)| acts(**symbol)) {
            let before: Vec<Expr> = update.places.iter().map(|var| (*var).into()).collect();
            let before = Shape::Apply(*symbol, before);
            // What it is where the place is the acting server's,
            let owner = update.places[0];
            let owned = update.value.with(&[(owner, me.into())]);
            let own = foreign(owned, me).filter(|part| *part.node() != before);
            assert_eq!(own, None, "{symbol:?} after {name}");
            // and where it is not. A request that is sent is no server's: it is the one that is
            // sent, or another.
            let subject = if *symbol == Symbol::Sent { step.parameters[1] } else { me };
            let elsewhere = where_not(update.value, owner, subject);
            assert_eq!(*elsewhere.node(), before, "{symbol:?} of others after {name}");
        }
    }
}

/// A part that speaks of another server than `me`.
fn foreign(expr: Expr, me: Var) -> Option<Expr> {
    let mut found = None;
    expr.visit(&mut |part| {
        if let Shape::Apply(symbol, args) = part.node() {
            let of_me = args.first().is_some_and(|first| *first.node() == Shape::Var(me));
            if symbol.kind() == Subject::Server && !of_me {
                found = Some(part);
            }
        }
    });
    found
}

/// What `expr` is where the place `owner` is not `other`.
fn where_not(expr: Expr, owner: Var, other: Var) -> Expr {
    assert_eq!(owner.origin, Origin::Place);
    let apart = Shape::Is(owner.into(), other.into());
    let differs = |part: Expr| (*part.node() == apart).then(|| Expr::from(false));
    simpler(expr.map(&differs))
}

fn truth(expr: Expr) -> Option<bool> {
    let Shape::Truth(truth) = expr.node() else { return None };
    Some(*truth)
}

/// The same, without what is known.
fn simpler(expr: Expr) -> Expr {
    match expr.node() {
        Shape::And(parts) => connected(parts, false, Shape::And),
        Shape::Or(parts) => connected(parts, true, Shape::Or),
        Shape::Not(a) => match truth(simpler(*a)) {
            Some(known) => Expr::from(!known),
            None => !simpler(*a),
        },
        Shape::If(condition, then, other) => match truth(simpler(*condition)) {
            Some(true) => simpler(*then),
            Some(false) => simpler(*other),
            None => simpler(*then).when(simpler(*condition), simpler(*other)),
        },
        Shape::Truth(_)
        | Shape::Number(_)
        | Shape::Var(_)
        | Shape::Apply(..)
        | Shape::Plus(..)
        | Shape::Less(..)
        | Shape::AtMost(..)
        | Shape::Is(..)
        | Shape::Implies(..)
        | Shape::All(..)
        | Shape::Some(..) => expr,
    }
}

/// Parts of which one that is `decisive` decides all.
fn connected(parts: &[Expr], decisive: bool, node: fn(Vec<Expr>) -> Shape) -> Expr {
    let parts: Vec<Expr> = parts.iter().map(|part| simpler(*part)).collect();
    let open: Vec<Expr> = parts.iter().copied().filter(|part| truth(*part).is_none()).collect();
    match open[..] {
        _ if parts.iter().any(|part| truth(*part) == Some(decisive)) => Expr::from(decisive),
        [] => Expr::from(!decisive),
        [one] => one,
        _ => node(open).into(),
    }
}
