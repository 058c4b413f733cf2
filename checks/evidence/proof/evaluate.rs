//! Formulas on concrete data: the same trees that solvers are told.

mod compile;
#[cfg(test)]
mod tests;

use super::formula::{Expr, Sort, Var};
use super::symbols::Symbol;
use compile::compile;

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
        let (code, places) = compile(expr, parameters);
        Ready { code, parameters: parameters.len(), places }
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
