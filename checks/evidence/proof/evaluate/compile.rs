//! Formulas made ready: variables get places, and quantifiers ranges.

use super::{Code, Range};
use crate::evidence::proof::formula::{Expr, Origin, Shape, Sort, Var};
use crate::evidence::proof::obligations::choosable;
use crate::evidence::proof::symbols::{AbstractState, Symbol};

/// What `expr` is to an evaluation, and how many places its variables take: the first ones are
/// those of `parameters`.
///
/// # Panics
/// When there are other free variables.
pub(super) fn compile(expr: Expr, parameters: &[Var]) -> (Code, usize) {
    let mut scope = Scope { known: Vec::new(), places: parameters.len() };
    scope.known.extend(parameters.iter().copied().enumerate().map(|(place, var)| (var, place)));
    let code = scope.code(expr);
    (code, scope.places)
}

/// The variables that are known, with their places.
struct Scope {
    known: Vec<(Var, usize)>,
    places: usize,
}

impl Scope {
    fn place(&self, var: Var) -> usize {
        let found = self.known.iter().rev().find(|(known, _)| *known == var);
        found.unwrap_or_else(|| panic!("{var:?} is free")).1
    }

    fn all(&mut self, exprs: &[Expr]) -> Vec<Code> {
        exprs.iter().map(|&expr| self.code(expr)).collect()
    }

    fn two(&mut self, a: Expr, b: Expr) -> Box<[Code; 2]> {
        Box::new([self.code(a), self.code(b)])
    }

    fn code(&mut self, expr: Expr) -> Code {
        match expr.node() {
            Shape::Truth(truth) => Code::Known(u64::from(*truth)),
            Shape::Number(number) => Code::Known(*number),
            Shape::Var(var) => Code::Place(self.place(*var)),
            Shape::Apply(Symbol::Choosable, args) => self.choosable(args),
            Shape::Apply(symbol, args) => Code::Apply(*symbol, self.all(args)),
            Shape::Plus(a, b) => Code::Plus(self.two(*a, *b)),
            Shape::Less(a, b) => Code::Less(self.two(*a, *b)),
            Shape::AtMost(a, b) => Code::AtMost(self.two(*a, *b)),
            Shape::Is(a, b) => Code::Is(self.two(*a, *b)),
            Shape::Not(a) => Code::Not(Box::new(self.code(*a))),
            Shape::And(parts) => Code::And(self.all(parts)),
            Shape::Or(parts) => Code::Or(self.all(parts)),
            Shape::Implies(a, b) => Code::Implies(self.two(*a, *b)),
            Shape::If(a, b, c) => Code::If(Box::new([self.code(*a), self.code(*b), self.code(*c)])),
            Shape::All(vars, body, _) => {
                let (conditions, then) = body.condition();
                let vars = in_order(vars, &conditions);
                self.quantified(&vars, conditions, then, Code::All)
            }
            Shape::Some(vars, body) => {
                let mut parts = body.conjuncts();
                let last = parts.pop().unwrap_or_else(|| true.into());
                let vars = in_order(vars, &parts);
                self.quantified(&vars, parts, last, Code::Some)
            }
        }
    }

    /// The definition, at these arguments.
    fn choosable(&mut self, args: &[Expr]) -> Code {
        let values = self.all(args);
        let at = AbstractState::default();
        let first = self.places;
        self.places += args.len();
        let var = |n: usize, sort| Var { name: ["q", "t", "i"][n], sort, origin: Origin::Place };
        let vars = [var(0, Sort::Quorum), var(1, Sort::Term), var(2, Sort::Index)];
        let before = self.known.len();
        self.known.extend(vars.into_iter().enumerate().map(|(n, var)| (var, first + n)));
        let [q, t, i] = vars.map(Expr::from);
        let body = self.code(choosable(&at, q, t, i));
        self.known.truncate(before);
        let given = values.into_iter().enumerate().rev();
        given.fold(body, |body, (n, value)| Code::Let(first + n, Box::new([value, body])))
    }

    /// One variable after the other, each with those conditions that speak of no later one.
    fn quantified(
        &mut self,
        vars: &[Var],
        conditions: Vec<Expr>,
        then: Expr,
        quantifier: fn(Box<Range>, Box<Code>) -> Code,
    ) -> Code {
        let [var, later @ ..] = vars else {
            return match conditions[..] {
                [] => self.code(then),
                _ => panic!("a condition of nothing"),
            };
        };
        let place = self.places;
        self.places += 1;
        let before = self.known.len();
        let mut range = Range {
            place,
            sort: var.sort,
            from: Vec::new(),
            below: Vec::new(),
            up_to: Vec::new(),
            when: Vec::new(),
        };
        let (now, rest): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(|condition| {
            let bound = condition.variables(Origin::Bound);
            !later.iter().any(|var| bound.contains(var))
        });
        let own = Expr::from(*var);
        let free = |expr: Expr| !expr.variables(var.origin).contains(var);
        for condition in now {
            if let Shape::AtMost(a, b) | Shape::Less(a, b) = *condition.node() {
                let strictly = matches!(condition.node(), Shape::Less(..));
                if b == own && free(a) {
                    range.from.push(self.code(if strictly { a + 1 } else { a }));
                    continue;
                }
                if a == own && free(b) {
                    let ends = if strictly { &mut range.below } else { &mut range.up_to };
                    ends.push(self.code(b));
                    continue;
                }
            }
            self.known.push((*var, place));
            range.when.push(self.code(condition));
            self.known.truncate(before);
        }
        self.known.push((*var, place));
        let body = self.quantified(later, rest, then, quantifier);
        self.known.truncate(before);
        quantifier(Box::new(range), Box::new(body))
    }
}

/// The variables of a quantifier, those first of which the conditions leave the fewest members:
/// the order changes nothing of what is said.
fn in_order(vars: &[Var], conditions: &[Expr]) -> Vec<Var> {
    let (mut ordered, mut rest) = (Vec::new(), vars.to_vec());
    while !rest.is_empty() {
        let narrows = |var: &Var| -> usize {
            let others = rest.iter().filter(|other| *other != var);
            let decided = |condition: &&Expr| {
                let bound = condition.variables(Origin::Bound);
                bound.contains(var) && !others.clone().any(|other| bound.contains(other))
            };
            conditions.iter().filter(decided).copied().map(weight).sum()
        };
        let weights: Vec<usize> = rest.iter().map(narrows).collect();
        let most = weights.iter().copied().max().unwrap_or(0);
        let first = weights.iter().position(|&weight| weight == most).unwrap_or(0);
        ordered.push(rest.remove(first));
    }
    ordered
}

/// How much a condition leaves out, as a guess: most, if it is a fact; next to nothing, if it is a
/// bound that is known.
fn weight(condition: Expr) -> usize {
    match condition.node() {
        Shape::Less(a, b) | Shape::AtMost(a, b) => {
            let known = |expr: &Expr| matches!(expr.node(), Shape::Number(_));
            usize::from(!known(a) && !known(b))
        }
        Shape::Apply(Symbol::Choosable, _) => 1,
        Shape::Apply(..) | Shape::Is(..) | Shape::And(_) => 2,
        Shape::Truth(_)
        | Shape::Number(_)
        | Shape::Var(_)
        | Shape::Plus(..)
        | Shape::Not(_)
        | Shape::Or(_)
        | Shape::Implies(..)
        | Shape::If(..)
        | Shape::All(..)
        | Shape::Some(..) => 1,
    }
}
