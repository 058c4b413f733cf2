//! Formulas of first-order logic with sorts, as small trees: what a solver is told, and what is
//! evaluated on servers, is the same tree.

use std::collections::BTreeSet;
use std::ops::{Add, BitAnd, BitOr, Not};

use super::symbols::Symbol;

/// What a formula speaks of. Terms and indices are natural numbers; of the others nothing is
/// known but what the formulas say, so there may be any number of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// A server.
    Server,
    /// A quorum of servers.
    Quorum,
    /// An AppendEntries that was sent, or may be.
    Request,
    /// What an entry is for.
    Payload,
    /// A term.
    Term,
    /// An index of a log.
    Index,
    /// True or false.
    Truth,
}

impl Sort {
    /// All but truth.
    pub const ALL: [Sort; 6] =
        [Sort::Server, Sort::Quorum, Sort::Request, Sort::Payload, Sort::Term, Sort::Index];

    /// Whether its members are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Sort::Term | Sort::Index)
    }
}

/// Where a variable comes from. Variables of two origins never meet, whatever they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A quantifier.
    Bound,
    /// An action: who it happens to, and with what.
    Parameter,
    /// An update: the place that is asked for.
    Place,
    /// A lemma that does not hold: the members of which it does not.
    Witness,
}

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub sort: Sort,
    /// Where it comes from.
    pub origin: Origin,
}

/// A formula, or a part of one. A handle, for the trees are few and live as long as the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expr(&'static Shape);

/// The root of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// True, or false.
    Truth(bool),
    /// A term or an index.
    Number(u64),
    /// A variable.
    Var(Var),
    /// A function of some arguments.
    Apply(Symbol, Vec<Expr>),
    /// The sum of two numbers.
    Plus(Expr, Expr),
    /// The first number is below the second.
    Less(Expr, Expr),
    /// The first number is at most the second.
    AtMost(Expr, Expr),
    /// Both are the same.
    Is(Expr, Expr),
    /// It does not hold.
    Not(Expr),
    /// All hold.
    And(Vec<Expr>),
    /// One holds at least.
    Or(Vec<Expr>),
    /// If the first holds, the second does.
    Implies(Expr, Expr),
    /// If the first holds it is the second, else the third.
    If(Expr, Expr, Expr),
    /// It holds of all.
    All(Vec<Var>, Expr, Trigger),
    /// It holds of one at least.
    Some(Vec<Var>, Expr),
}

/// The parts of which a solver must have met an instance before it looks at one of a formula; none
/// where that is for the solver to find. It changes nothing of what the formula says.
pub type Trigger = Vec<Expr>;

impl From<Shape> for Expr {
    fn from(node: Shape) -> Expr {
        Expr(Box::leak(Box::new(node)))
    }
}

impl From<Var> for Expr {
    fn from(var: Var) -> Expr {
        Shape::Var(var).into()
    }
}

impl From<u64> for Expr {
    fn from(number: u64) -> Expr {
        Shape::Number(number).into()
    }
}

impl From<bool> for Expr {
    fn from(truth: bool) -> Expr {
        Shape::Truth(truth).into()
    }
}

impl BitAnd for Expr {
    type Output = Expr;

    fn bitand(self, other: Expr) -> Expr {
        and([self, other])
    }
}

impl BitOr for Expr {
    type Output = Expr;

    fn bitor(self, other: Expr) -> Expr {
        Shape::Or(vec![self, other]).into()
    }
}

impl Not for Expr {
    type Output = Expr;

    fn not(self) -> Expr {
        Shape::Not(self).into()
    }
}

impl Add<u64> for Expr {
    type Output = Expr;

    fn add(self, number: u64) -> Expr {
        Shape::Plus(self, number.into()).into()
    }
}

impl Expr {
    /// The root.
    pub fn node(self) -> &'static Shape {
        self.0
    }

    /// Both are the same.
    pub fn is(self, other: impl Into<Expr>) -> Expr {
        Shape::Is(self, other.into()).into()
    }

    /// They differ.
    pub fn is_not(self, other: impl Into<Expr>) -> Expr {
        !self.is(other)
    }

    /// This number is below the other.
    pub fn below(self, other: impl Into<Expr>) -> Expr {
        Shape::Less(self, other.into()).into()
    }

    /// This number is above the other.
    pub fn above(self, other: impl Into<Expr>) -> Expr {
        Shape::Less(other.into(), self).into()
    }

    /// This number is at most the other.
    pub fn at_most(self, other: impl Into<Expr>) -> Expr {
        Shape::AtMost(self, other.into()).into()
    }

    /// This number is at least the other.
    pub fn at_least(self, other: impl Into<Expr>) -> Expr {
        Shape::AtMost(other.into(), self).into()
    }

    /// If this holds, the other does.
    pub fn implies(self, other: Expr) -> Expr {
        Shape::Implies(self, other).into()
    }

    /// What it is where `condition` holds; elsewhere it is `other`.
    pub fn when(self, condition: Expr, other: Expr) -> Expr {
        Shape::If(condition, self, other).into()
    }

    /// The same, with a trigger.
    ///
    /// # Panics
    /// When it does not say something of all.
    pub fn by<const N: usize>(self, trigger: [Expr; N]) -> Expr {
        let Shape::All(vars, body, _) = self.node() else { panic!("{self:?} is of nothing") };
        Shape::All(vars.clone(), *body, trigger.to_vec()).into()
    }

    /// The parts that must all hold.
    pub fn conjuncts(self) -> Vec<Expr> {
        let Shape::And(parts) = self.node() else { return vec![self] };
        parts.iter().flat_map(|part| part.conjuncts()).collect()
    }

    /// What it says under which conditions: all of them, and what then holds.
    pub fn condition(self) -> (Vec<Expr>, Expr) {
        let Shape::Implies(condition, then) = self.node() else { return (Vec::new(), self) };
        (condition.conjuncts(), *then)
    }

    /// The same tree, with `value` for each variable that `values` names.
    pub fn with(self, values: &[(Var, Expr)]) -> Expr {
        self.map(&|expr| {
            let Shape::Var(var) = expr.node() else { return None };
            values.iter().find(|(other, _)| other == var).map(|(_, value)| *value)
        })
    }

    /// The same tree, with what `change` puts in the place of a part.
    pub fn map(self, change: &dyn Fn(Expr) -> Option<Expr>) -> Expr {
        if let Some(changed) = change(self) {
            return changed;
        }
        let map = |expr: &Expr| expr.map(change);
        let all = |exprs: &[Expr]| exprs.iter().map(map).collect::<Vec<_>>();
        let node = match self.node() {
            Shape::Truth(_) | Shape::Number(_) | Shape::Var(_) => return self,
            Shape::Apply(symbol, args) => Shape::Apply(*symbol, all(args)),
            Shape::Plus(a, b) => Shape::Plus(map(a), map(b)),
            Shape::Less(a, b) => Shape::Less(map(a), map(b)),
            Shape::AtMost(a, b) => Shape::AtMost(map(a), map(b)),
            Shape::Is(a, b) => Shape::Is(map(a), map(b)),
            Shape::Not(a) => Shape::Not(map(a)),
            Shape::And(parts) => Shape::And(all(parts)),
            Shape::Or(parts) => Shape::Or(all(parts)),
            Shape::Implies(a, b) => Shape::Implies(map(a), map(b)),
            Shape::If(a, b, c) => Shape::If(map(a), map(b), map(c)),
            Shape::All(vars, body, trigger) => Shape::All(vars.clone(), map(body), all(trigger)),
            Shape::Some(vars, body) => Shape::Some(vars.clone(), map(body)),
        };
        node.into()
    }

    /// The functions that occur in it.
    pub fn symbols(self) -> BTreeSet<Symbol> {
        let mut found = BTreeSet::new();
        self.visit(&mut |expr| {
            if let Shape::Apply(symbol, _) = expr.node() {
                found.insert(*symbol);
            }
        });
        found
    }

    /// The variables of this origin that occur in it.
    pub fn variables(self, origin: Origin) -> BTreeSet<Var> {
        let mut found = BTreeSet::new();
        self.visit(&mut |expr| {
            if let Shape::Var(var) = expr.node() {
                found.insert(*var);
            }
        });
        found.retain(|var| var.origin == origin);
        found
    }

    /// Shows `look` each part.
    pub fn visit(self, look: &mut dyn FnMut(Expr)) {
        look(self);
        match self.node() {
            Shape::Truth(_) | Shape::Number(_) | Shape::Var(_) => {}
            Shape::Apply(_, parts) | Shape::And(parts) | Shape::Or(parts) => {
                parts.iter().for_each(|part| part.visit(look));
            }
            Shape::Plus(a, b)
            | Shape::Less(a, b)
            | Shape::AtMost(a, b)
            | Shape::Is(a, b)
            | Shape::Implies(a, b) => {
                a.visit(look);
                b.visit(look);
            }
            Shape::If(a, b, c) => [a, b, c].into_iter().for_each(|part| part.visit(look)),
            Shape::Not(a) | Shape::All(_, a, _) | Shape::Some(_, a) => a.visit(look),
        }
    }
}

/// A variable for a quantifier.
pub fn var(name: &'static str, sort: Sort) -> Expr {
    Var { name, sort, origin: Origin::Bound }.into()
}

/// Variables for a quantifier, by their names: `s`, `r`, `c`, `d`, `v` and `l` are servers, `q` a
/// quorum, `m` a request, `x` and `y` payloads, `t`, `u` and `w` terms, `i`, `j` and `k` indices.
pub fn vars<const N: usize>(names: [&'static str; N]) -> [Expr; N] {
    names.map(|name| {
        let sort = match name {
            "s" | "r" | "c" | "d" | "v" | "l" => Sort::Server,
            "q" | "p" => Sort::Quorum,
            "m" => Sort::Request,
            "x" | "y" => Sort::Payload,
            "t" | "u" | "w" => Sort::Term,
            "i" | "j" | "k" => Sort::Index,
            other => panic!("what is {other} to stand for?"),
        };
        var(name, sort)
    })
}

fn bound<const N: usize>(vars: [Expr; N]) -> Vec<Var> {
    let bound = vars.map(|expr| {
        let Shape::Var(var) = expr.node() else { panic!("{expr:?} is no variable") };
        *var
    });
    bound.to_vec()
}

/// `body` holds of all `vars`.
pub fn all<const N: usize>(vars: [Expr; N], body: Expr) -> Expr {
    Shape::All(bound(vars), body, Vec::new()).into()
}

/// `body` holds of some `vars`.
pub fn some<const N: usize>(vars: [Expr; N], body: Expr) -> Expr {
    Shape::Some(bound(vars), body).into()
}

/// All of these hold.
pub fn and(parts: impl IntoIterator<Item = Expr>) -> Expr {
    let parts: Vec<Expr> = parts.into_iter().flat_map(Expr::conjuncts).collect();
    Shape::And(parts).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_the_place_of_one_variable_and_of_no_other_of_its_name() {
        let bound = var("s", Sort::Server);
        let witness = Expr::from(Var { name: "s", sort: Sort::Server, origin: Origin::Witness });
        let Shape::Var(place) = bound.node() else { panic!("it is a variable") };
        let both = bound.is(witness);
        let [other] = vars(["r"]);
        assert_eq!(both.with(&[(*place, other)]), other.is(witness));
    }

    #[test]
    fn conjunctions_are_flat() {
        let [s, r, c] = vars(["s", "r", "c"]);
        let parts = [s.is(r), r.is(c), c.is(s)];
        assert_eq!((parts[0] & (parts[1] & parts[2])).conjuncts(), parts);
        assert_eq!(and(parts).conjuncts(), parts);
        assert_eq!(parts[0].conjuncts(), [parts[0]]);
    }

    #[test]
    fn a_condition_is_what_stands_before_then() {
        let [s, r, c] = vars(["s", "r", "c"]);
        let formula = (s.is(r) & r.is(c)).implies(c.is(s));
        assert_eq!(formula.condition(), (vec![s.is(r), r.is(c)], c.is(s)));
        assert_eq!(s.is(r).condition(), (vec![], s.is(r)));
    }

    #[test]
    #[should_panic(expected = "is of nothing")]
    fn only_what_is_of_all_has_a_trigger() {
        let [s] = vars(["s"]);
        let _ = s.is(s).by([s]);
    }
}
