//! Formulas without quantifiers: each says of every member what the formula says of all. What a
//! function is at these arguments is known, or one of what it may be.
//!
//! The same as [`evaluate`](crate::evidence::proof::evaluate), of a state that is not known; a
//! test compares the two.

use rustc_hash::FxHashMap;

use super::circuit::{Bit, Circuit};
use super::guarded::Guarded;
use super::sizes::Sizes;
use crate::evidence::proof::actions::Transition;
use crate::evidence::proof::evaluate::{Datum, Structure};
use crate::evidence::proof::formula::{Expr, Origin, Shape, Sort, Var};
use crate::evidence::proof::obligations::choosable;
use crate::evidence::proof::symbols::{AbstractState, Subject, Symbol};
use crate::evidence::proof::tables::Tables;

/// What every function is, or may be, at all its arguments.
#[derive(Clone, Debug)]
pub struct Functions {
    values: Vec<Vec<Guarded>>,
    /// What was made of the definition of [`Symbol::Choosable`].
    choosable: FxHashMap<[Datum; 3], Bit>,
}

/// What was made of the variables that a formula speaks of.
pub type Bindings = Vec<(Var, Guarded)>;

/// A state of which nothing is known but its sizes, and what formulas say of it.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// What is made of formulas.
    pub circuit: Circuit,
    /// Where a truth of each function begins: the steps of [`Guarded::unknown`], or a single truth.
    unknown: Vec<(Symbol, Vec<Datum>, Vec<Bit>)>,
    /// The same of each variable that was asked for.
    parameters: Vec<Vec<Bit>>,
    /// What is so however little is known: a number that is at least 2 is at least 1.
    always: Vec<Bit>,
    sizes: Sizes,
    empty: Tables,
    definition: ([Var; 3], Expr),
}

impl Expansion {
    /// A state of these sizes, and its functions.
    pub fn new(sizes: Sizes) -> (Expansion, Functions) {
        let var = |name, sort| Var { name, sort, origin: Origin::Place };
        let places = [var("q", Sort::Quorum), var("t", Sort::Term), var("i", Sort::Index)];
        let [q, t, i] = places.map(Expr::from);
        let mut expansion = Expansion {
            circuit: Circuit::default(),
            unknown: Vec::new(),
            parameters: Vec::new(),
            always: Vec::new(),
            sizes,
            empty: sizes.tables(),
            definition: (places, choosable(&AbstractState::default(), q, t, i)),
        };
        let values = Symbol::ALL.iter().map(|&symbol| expansion.function(symbol)).collect();
        (expansion, Functions { values, choosable: FxHashMap::default() })
    }

    fn function(&mut self, symbol: Symbol) -> Vec<Guarded> {
        let all = self.empty.arguments(symbol);
        all.into_iter().map(|args| self.at(symbol, args)).collect()
    }

    /// What a function may be at these arguments.
    fn at(&mut self, symbol: Symbol, args: Vec<Datum>) -> Guarded {
        let spoken_of =
            symbol.args().iter().zip(&args).all(|(&sort, &arg)| arg < self.sizes.spoken_of(sort));
        let fixed = matches!(symbol, Symbol::Member | Symbol::Shared);
        if fixed || symbol.kind() == Subject::Defined || !spoken_of {
            let value = self.empty.value(symbol, &args);
            return match symbol.result() == Sort::Truth {
                true => Guarded::Truth((value != 0).into()),
                false => Guarded::known(value),
            };
        }
        let (value, steps) = match symbol.result() == Sort::Truth {
            true => {
                let bit = self.circuit.unknown();
                (Guarded::Truth(bit), vec![bit])
            }
            false => self.member(self.sizes.spoken_of(symbol.result())),
        };
        self.unknown.push((symbol, args, steps));
        value
    }

    fn member(&mut self, size: u64) -> (Guarded, Vec<Bit>) {
        let (value, steps) = Guarded::unknown(&mut self.circuit, size);
        for two in steps.windows(2) {
            self.always.push(self.circuit.one([!two[1], two[0]]));
        }
        (value, steps)
    }

    /// Variables of which nothing is known, as the parameters that are read back.
    pub fn parameters(&mut self, vars: &[Var]) -> Bindings {
        let each = |&var: &Var| {
            let (value, steps) = self.member(self.sizes.members(var.sort));
            self.parameters.push(steps);
            (var, value)
        };
        vars.iter().map(each).collect()
    }

    /// What is so however little is known.
    pub fn always(&self) -> &[Bit] {
        &self.always
    }

    /// The state, and the parameters, where `holds` says what holds of what was not known.
    pub fn read(&self, holds: impl Fn(Bit) -> bool) -> (Tables, Vec<Datum>) {
        let mut tables = self.empty.clone();
        let reached = |steps: &[Bit]| steps.iter().take_while(|&&bit| holds(bit)).count() as u64;
        for (symbol, args, steps) in &self.unknown {
            tables.set(*symbol, args, reached(steps));
        }
        (tables, self.parameters.iter().map(|steps| reached(steps)).collect())
    }

    /// What the functions are after a step.
    pub fn after(
        &mut self,
        before: &mut Functions,
        step: &Transition,
        parameters: &Bindings,
    ) -> Functions {
        let mut after = before.clone();
        after.choosable.clear();
        for (&symbol, update) in step.after.updates() {
            for (place, args) in self.empty.arguments(symbol).into_iter().enumerate() {
                let mut known = parameters.clone();
                let args = args.into_iter().map(Guarded::known);
                known.extend(update.places.iter().copied().zip(args));
                let value = self.expand(update.value, before, &mut known);
                after.values[symbol as usize][place] = value;
            }
        }
        after
    }

    /// Whether `expr` holds.
    pub fn holds(&mut self, expr: Expr, of: &mut Functions, known: &Bindings) -> Bit {
        self.expand(expr, of, &mut known.clone()).truth()
    }

    fn all(&mut self, exprs: &[Expr], of: &mut Functions, known: &mut Bindings) -> Vec<Bit> {
        exprs.iter().map(|&part| self.expand(part, of, known).truth()).collect()
    }

    fn expand(&mut self, expr: Expr, of: &mut Functions, known: &mut Bindings) -> Guarded {
        let compared =
            |it: &mut Expansion, of: &mut Functions, known: &mut Bindings, a, b, holds| {
                let (a, b) = (it.expand(a, of, known), it.expand(b, of, known));
                let holds: fn(Datum, Datum) -> bool = holds;
                Guarded::Truth(a.compare(&mut it.circuit, &b, holds))
            };
        match expr.node() {
            Shape::Truth(truth) => Guarded::Truth((*truth).into()),
            Shape::Number(number) => Guarded::known(*number),
            Shape::Var(var) => {
                let found = known.iter().rev().find(|(other, _)| other == var);
                found.unwrap_or_else(|| panic!("{var:?} is free")).1.clone()
            }
            Shape::Apply(symbol, args) => {
                let args = args.iter().map(|&arg| self.expand(arg, of, known)).collect::<Vec<_>>();
                self.apply(*symbol, &args, of)
            }
            Shape::Plus(a, b) => {
                let (a, b) = (self.expand(*a, of, known), self.expand(*b, of, known));
                let mut sums = Vec::new();
                for &(a, when_a) in a.members() {
                    for &(b, when_b) in b.members() {
                        let when = self.circuit.all([when_a, when_b]);
                        sums.push((when, Guarded::known(a.saturating_add(b))));
                    }
                }
                Guarded::chosen(&mut self.circuit, sums)
            }
            Shape::Less(a, b) => compared(self, of, known, *a, *b, |a, b| a < b),
            Shape::AtMost(a, b) => compared(self, of, known, *a, *b, |a, b| a <= b),
            Shape::Is(a, b) => {
                let (a, b) = (self.expand(*a, of, known), self.expand(*b, of, known));
                let same = match (&a, &b) {
                    (&Guarded::Truth(a), &Guarded::Truth(b)) => self.circuit.either(a, b, !b),
                    _ => a.compare(&mut self.circuit, &b, |a, b| a == b),
                };
                Guarded::Truth(same)
            }
            Shape::Not(a) => Guarded::Truth(!self.expand(*a, of, known).truth()),
            Shape::And(parts) => {
                let parts = self.all(parts, of, known);
                Guarded::Truth(self.circuit.all(parts))
            }
            Shape::Or(parts) => {
                let parts = self.all(parts, of, known);
                Guarded::Truth(self.circuit.one(parts))
            }
            Shape::Implies(a, b) => {
                let a = self.expand(*a, of, known).truth();
                if a == Bit::FALSE {
                    return Guarded::Truth(Bit::TRUE);
                }
                let b = self.expand(*b, of, known).truth();
                Guarded::Truth(self.circuit.one([!a, b]))
            }
            Shape::If(a, b, c) => {
                let a = self.expand(*a, of, known).truth();
                if a == Bit::TRUE || a == Bit::FALSE {
                    return self.expand(if a == Bit::TRUE { *b } else { *c }, of, known);
                }
                let (b, c) = (self.expand(*b, of, known), self.expand(*c, of, known));
                Guarded::chosen(&mut self.circuit, vec![(a, b), (!a, c)])
            }
            Shape::All(vars, body, _) => {
                let (conditions, then) = body.condition();
                Guarded::Truth(!self.instances(vars, &conditions, Some(then), of, known))
            }
            Shape::Some(vars, body) => {
                let parts = body.conjuncts();
                Guarded::Truth(self.instances(vars, &parts, None, of, known))
            }
        }
    }

    /// What a function is at one of these arguments.
    fn apply(&mut self, symbol: Symbol, args: &[Guarded], of: &mut Functions) -> Guarded {
        let mut choices = vec![(Bit::TRUE, Vec::new())];
        for arg in args {
            let mut longer = Vec::new();
            for (when, args) in &choices {
                for &(arg, also) in arg.members() {
                    let when = self.circuit.all([*when, also]);
                    longer.push((when, [&args[..], &[arg]].concat()));
                }
            }
            choices = longer;
        }
        let choices: Vec<_> = choices
            .into_iter()
            .filter(|(when, _)| *when != Bit::FALSE)
            .map(|(when, args)| (when, self.known(symbol, &args, of)))
            .collect();
        Guarded::chosen(&mut self.circuit, choices)
    }

    /// What a function is at these arguments.
    fn known(&mut self, symbol: Symbol, args: &[Datum], of: &mut Functions) -> Guarded {
        if let (Symbol::Choosable, &[q, t, i]) = (symbol, args) {
            if let Some(&bit) = of.choosable.get(&[q, t, i]) {
                return Guarded::Truth(bit);
            }
            let (places, body) = self.definition;
            let values = [q, t, i].map(Guarded::known);
            let bit = self.holds(body, of, &places.into_iter().zip(values).collect());
            of.choosable.insert([q, t, i], bit);
            return Guarded::Truth(bit);
        }
        match self.empty.place(symbol, args) {
            Some(place) => of.values[symbol as usize][place].clone(),
            None if symbol.result() == Sort::Truth => Guarded::Truth(Bit::FALSE),
            None => Guarded::known(0),
        }
    }

    /// Whether there are members of which all `conditions` hold, and `fails` does not. Each condition
    /// is asked as soon as it speaks of no later variable, and where it cannot hold no more is.
    fn instances(
        &mut self,
        vars: &[Var],
        conditions: &[Expr],
        fails: Option<Expr>,
        of: &mut Functions,
        known: &mut Bindings,
    ) -> Bit {
        let mut turns = vec![Vec::new(); vars.len() + 1];
        for &condition in conditions {
            let bound = condition.variables(Origin::Bound);
            let last = vars.iter().rposition(|var| bound.contains(var));
            turns[last.map_or(0, |last| last + 1)].push(condition);
        }
        let mut found = Vec::new();
        self.instance(vars, &turns, fails, Bit::TRUE, of, known, &mut found);
        self.circuit.one(found)
    }

    #[expect(clippy::too_many_arguments, reason = "what a recursion takes with it")]
    fn instance(
        &mut self,
        vars: &[Var],
        turns: &[Vec<Expr>],
        fails: Option<Expr>,
        mut when: Bit,
        of: &mut Functions,
        known: &mut Bindings,
        found: &mut Vec<Bit>,
    ) {
        for &condition in &turns[0] {
            let holds = self.expand(condition, of, known).truth();
            when = self.circuit.all([when, holds]);
            if when == Bit::FALSE {
                return;
            }
        }
        let [var, later @ ..] = vars else {
            let failing = fails.map(|fails| !self.expand(fails, of, known).truth());
            found.push(self.circuit.all([when, failing.unwrap_or(Bit::TRUE)]));
            return;
        };
        for member in 0..self.sizes.members(var.sort) {
            known.push((*var, Guarded::known(member)));
            self.instance(later, &turns[1..], fails, when, of, known, found);
            known.pop();
        }
    }
}

#[cfg(test)]
mod tests;
