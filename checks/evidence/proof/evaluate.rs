//! Formulas on concrete data: the same trees that solvers are told.

use super::formula::{Expr, Node, Origin, Sort, Var};
use super::obligations::choosable;
use super::symbols::{State, Symbol};

/// A member of a sort: a number; for what is no number, its place among all of its sort. Of truth,
/// 0 or 1.
pub type Datum = u64;

/// Concrete data.
pub trait Structure {
    /// How many members a sort has. Quantifiers look at no others.
    fn size(&self, sort: Sort) -> u64;

    /// What a function is at these arguments. Never asked for [`Symbol::Choosable`], which is
    /// defined by others.
    fn value(&self, symbol: Symbol, args: &[Datum]) -> Datum;
}

/// With so many variables, no memory has to be asked for.
const FEW: usize = 16;

/// A formula, or a part of one, made ready to be evaluated: its variables have places, and what
/// can be left out of a quantifier's range is.
#[derive(Clone, Debug)]
pub struct Ready {
    code: Code,
    parameters: usize,
    places: usize,
}

#[derive(Clone, Debug)]
enum Code {
    Known(Datum),
    Place(usize),
    Apply(Symbol, Vec<Code>),
    Plus(Box<[Code; 2]>),
    Less(Box<[Code; 2]>),
    AtMost(Box<[Code; 2]>),
    Is(Box<[Code; 2]>),
    Not(Box<Code>),
    And(Vec<Code>),
    Or(Vec<Code>),
    Implies(Box<[Code; 2]>),
    If(Box<[Code; 3]>),
    /// Whether the body holds of all in the range that fulfil the conditions.
    All(Box<Range>, Box<Code>),
    /// Whether it holds of one.
    Some(Box<Range>, Box<Code>),
    Let(usize, Box<[Code; 2]>),
}

/// What a variable ranges over.
#[derive(Clone, Debug)]
struct Range {
    place: usize,
    sort: Sort,
    /// It is at least each of these,
    from: Vec<Code>,
    /// and below each of these,
    below: Vec<Code>,
    /// and at most each of these,
    up_to: Vec<Code>,
    /// and all of these hold.
    when: Vec<Code>,
}

impl Ready {
    /// Makes `expr` ready, whose free variables are `parameters`.
    ///
    /// # Panics
    /// When it has others.
    pub fn new(expr: Expr, parameters: &[Var]) -> Ready {
        let mut scope = Scope { known: Vec::new(), places: parameters.len() };
        scope.known.extend(parameters.iter().copied().enumerate().map(|(place, var)| (var, place)));
        let code = scope.code(expr);
        Ready { code, parameters: parameters.len(), places: scope.places }
    }

    /// What it is in `structure`, with these values of its parameters.
    ///
    /// # Panics
    /// When there are not as many.
    pub fn value(&self, structure: &impl Structure, parameters: &[Datum]) -> Datum {
        assert_eq!(parameters.len(), self.parameters, "as many as there are parameters");
        let (mut few, mut many);
        let places = if self.places <= FEW {
            few = [0; FEW];
            &mut few[..self.places]
        } else {
            many = vec![0; self.places];
            &mut many[..]
        };
        places[..self.parameters].copy_from_slice(parameters);
        self.code.value(structure, places)
    }

    /// Whether it holds.
    pub fn holds(&self, structure: &impl Structure, parameters: &[Datum]) -> bool {
        self.value(structure, parameters) != 0
    }
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
            Node::Truth(truth) => Code::Known(u64::from(*truth)),
            Node::Number(number) => Code::Known(*number),
            Node::Var(var) => Code::Place(self.place(*var)),
            Node::Apply(Symbol::Choosable, args) => self.choosable(args),
            Node::Apply(symbol, args) => Code::Apply(*symbol, self.all(args)),
            Node::Plus(a, b) => Code::Plus(self.two(*a, *b)),
            Node::Less(a, b) => Code::Less(self.two(*a, *b)),
            Node::AtMost(a, b) => Code::AtMost(self.two(*a, *b)),
            Node::Is(a, b) => Code::Is(self.two(*a, *b)),
            Node::Not(a) => Code::Not(Box::new(self.code(*a))),
            Node::And(parts) => Code::And(self.all(parts)),
            Node::Or(parts) => Code::Or(self.all(parts)),
            Node::Implies(a, b) => Code::Implies(self.two(*a, *b)),
            Node::If(a, b, c) => Code::If(Box::new([self.code(*a), self.code(*b), self.code(*c)])),
            Node::All(vars, body, _) => {
                let (conditions, then) = body.condition();
                let vars = in_order(vars, &conditions);
                self.quantified(&vars, conditions, then, Code::All)
            }
            Node::Some(vars, body) => {
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
        let at = State::default();
        let first = self.places;
        self.places += args.len();
        let var = |n: usize, sort| Var {
            name: ["q", "t", "i"][n],
            sort,
            origin: Origin::Place,
        };
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
            if let Node::AtMost(a, b) | Node::Less(a, b) = *condition.node() {
                let strictly = matches!(condition.node(), Node::Less(..));
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
        Node::Less(a, b) | Node::AtMost(a, b) => {
            let known = |expr: &Expr| matches!(expr.node(), Node::Number(_));
            usize::from(!known(a) && !known(b))
        }
        Node::Apply(Symbol::Choosable, _) => 1,
        Node::Apply(..) | Node::Is(..) | Node::And(_) => 2,
        Node::Truth(_)
        | Node::Number(_)
        | Node::Var(_)
        | Node::Plus(..)
        | Node::Not(_)
        | Node::Or(_)
        | Node::Implies(..)
        | Node::If(..)
        | Node::All(..)
        | Node::Some(..) => 1,
    }
}

impl Range {
    /// Whether `holds` holds of all that are in the range.
    fn all<S: Structure>(
        &self,
        structure: &S,
        places: &mut [Datum],
        mut holds: impl FnMut(&mut [Datum]) -> bool,
    ) -> bool {
        let mut from = 0;
        for code in &self.from {
            from = from.max(code.value(structure, places));
        }
        let mut end = structure.size(self.sort);
        for code in &self.below {
            end = end.min(code.value(structure, places));
        }
        for code in &self.up_to {
            end = end.min(code.value(structure, places).saturating_add(1));
        }
        for member in from..end {
            places[self.place] = member;
            let meant = self.when.iter().all(|when| when.value(structure, places) != 0);
            if meant && !holds(places) {
                return false;
            }
        }
        true
    }
}

impl Code {
    fn value<S: Structure>(&self, structure: &S, places: &mut [Datum]) -> Datum {
        let mut two = |two: &[Code; 2]| {
            let [a, b] = two;
            [a.value(structure, places), b.value(structure, places)]
        };
        match self {
            Code::Known(datum) => *datum,
            Code::Place(place) => places[*place],
            Code::Apply(symbol, args) => {
                let mut values = [0; 3];
                for (value, arg) in values.iter_mut().zip(args) {
                    *value = arg.value(structure, places);
                }
                structure.value(*symbol, &values[..args.len()])
            }
            Code::Plus(both) => {
                let [a, b] = two(both);
                a.saturating_add(b)
            }
            Code::Less(both) => {
                let [a, b] = two(both);
                u64::from(a < b)
            }
            Code::AtMost(both) => {
                let [a, b] = two(both);
                u64::from(a <= b)
            }
            Code::Is(both) => {
                let [a, b] = two(both);
                u64::from(a == b)
            }
            Code::Not(a) => u64::from(a.value(structure, places) == 0),
            Code::And(parts) => {
                u64::from(parts.iter().all(|part| part.value(structure, places) != 0))
            }
            Code::Or(parts) => {
                u64::from(parts.iter().any(|part| part.value(structure, places) != 0))
            }
            Code::Implies(both) => {
                let [a, b] = &**both;
                u64::from(a.value(structure, places) == 0 || b.value(structure, places) != 0)
            }
            Code::If(all) => {
                let [condition, then, other] = &**all;
                match condition.value(structure, places) {
                    0 => other.value(structure, places),
                    _ => then.value(structure, places),
                }
            }
            Code::All(range, body) => {
                u64::from(range.all(structure, places, |places| body.value(structure, places) != 0))
            }
            Code::Some(range, body) => u64::from(
                !range.all(structure, places, |places| body.value(structure, places) == 0),
            ),
            Code::Let(place, both) => {
                let [value, body] = &**both;
                places[*place] = value.value(structure, places);
                body.value(structure, places)
            }
        }
    }
}
