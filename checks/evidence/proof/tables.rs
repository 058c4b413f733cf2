//! A state of the abstract system, with so many servers, terms and so on, as tables.

use std::collections::BTreeMap;

use super::evaluate::{Datum, Structure};
use super::formula::Sort;
use super::ready::ReadyAction;
use super::symbols::Symbol;

/// A state of the abstract system. What was not set is 0, or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    sizes: BTreeMap<Sort, u64>,
    /// By symbol; in each, by the arguments.
    values: Vec<Vec<Datum>>,
}

impl Tables {
    /// The state in which all is 0, with so many members of each sort. Terms and indices begin
    /// with 0.
    pub fn new(sizes: impl IntoIterator<Item = (Sort, u64)>) -> Tables {
        let sizes = sizes.into_iter().collect();
        let mut tables = Tables { sizes, values: Vec::new() };
        let places = |symbol: &Symbol| {
            let sizes = symbol.args().iter().map(|&sort| tables.size(sort) as usize);
            vec![0; sizes.product()]
        };
        tables.values = Symbol::ALL.iter().map(places).collect();
        tables
    }

    /// Sets a function at these arguments.
    ///
    /// # Panics
    /// When they are no members of their sorts.
    pub fn set(&mut self, symbol: Symbol, args: &[Datum], value: Datum) {
        let place = self.place(symbol, args);
        let place = place.unwrap_or_else(|| panic!("{symbol:?} of {args:?}"));
        self.values[symbol as usize][place] = value;
    }

    /// The number of these arguments among all that a function can have, in the order of
    /// [`arguments`](Tables::arguments); none when they are no members of their sorts.
    pub fn place(&self, symbol: Symbol, args: &[Datum]) -> Option<usize> {
        let mut place = 0;
        for (&sort, &arg) in symbol.args().iter().zip(args) {
            let size = self.size(sort);
            if arg >= size {
                return None;
            }
            place = place * size + arg;
        }
        Some(place as usize)
    }

    /// All arguments that a function can have.
    pub fn arguments(&self, symbol: Symbol) -> Vec<Vec<Datum>> {
        symbol.args().iter().fold(vec![Vec::new()], |all, &sort| {
            let longer = |args: &Vec<Datum>| {
                let args = args.clone();
                (0..self.size(sort)).map(move |arg| [args.clone(), vec![arg]].concat())
            };
            all.iter().flat_map(longer).collect()
        })
    }

    /// The same state, with so many more terms and indices, of which nothing is said.
    pub fn widened(&self, by: u64) -> Tables {
        let more =
            |(&sort, &size): (&Sort, &u64)| (sort, if sort.is_number() { size + by } else { size });
        let mut wide = Tables::new(self.sizes.iter().map(more));
        for &symbol in Symbol::ALL {
            for args in self.arguments(symbol) {
                wide.set(symbol, &args, self.value(symbol, &args));
            }
        }
        wide
    }

    /// The state after `action`, whether or not it can happen.
    pub fn after(&self, action: &ReadyAction, parameters: &[Datum]) -> Tables {
        let mut after = self.clone();
        for symbol in action.changes() {
            for args in self.arguments(symbol) {
                after.set(symbol, &args, action.after(self, parameters, symbol, &args));
            }
        }
        after
    }
}

impl Structure for Tables {
    fn size(&self, sort: Sort) -> u64 {
        match sort {
            Sort::Truth => 2,
            Sort::Server
            | Sort::Quorum
            | Sort::Request
            | Sort::Payload
            | Sort::Term
            | Sort::Index => self.sizes.get(&sort).copied().unwrap_or(0),
        }
    }

    fn value(&self, symbol: Symbol, args: &[Datum]) -> Datum {
        let place = self.place(symbol, args);
        place.map_or(0, |place| self.values[symbol as usize][place])
    }
}
