//! A state of the abstract system, with so many servers, terms and so on, as tables.

use super::evaluate::{Datum, Structure};
use super::formula::Sort;
use super::ready::ReadyAction;
use super::symbols::Symbol;

/// A state of the abstract system. What was not set is 0, or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// By sort.
    sizes: [u64; Sort::Truth as usize + 1],
    /// By symbol; in each, by the arguments.
    values: Vec<Vec<Datum>>,
}

impl Tables {
    /// The state in which all is 0, with so many members of each sort. Terms and indices begin
    /// with 0.
    pub fn new(sizes: impl IntoIterator<Item = (Sort, u64)>) -> Tables {
        let mut tables = Tables { sizes: [0; Sort::Truth as usize + 1], values: Vec::new() };
        sizes.into_iter().for_each(|(sort, size)| tables.sizes[sort as usize] = size);
        tables.sizes[Sort::Truth as usize] = 2;
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

    /// Makes all 0 where the first argument is `first`.
    ///
    /// # Panics
    /// When that is no member of its sort.
    pub fn clear(&mut self, symbol: Symbol, first: Datum) {
        let size = self.size(symbol.args()[0]);
        assert!(first < size, "{symbol:?} of {first}");
        let values = &mut self.values[symbol as usize];
        let each = values.len() / size as usize;
        values[first as usize * each..][..each].fill(0);
    }

    /// Adds members to a sort, so that it has `size`. What speaks of them is 0, or false.
    ///
    /// # Panics
    /// When a function has the sort behind its first argument, or `size` is smaller than it was.
    pub fn grow(&mut self, sort: Sort, size: u64) {
        let before = std::mem::replace(&mut self.sizes[sort as usize], size);
        assert!(before <= size, "{sort:?} shrinks from {before} to {size}");
        for &symbol in Symbol::ALL.iter().filter(|symbol| symbol.args().contains(&sort)) {
            let first = symbol.args().iter().position(|arg| *arg == sort) == Some(0);
            let once = symbol.args().iter().filter(|arg| **arg == sort).count() == 1;
            assert!(first && once, "{symbol:?} speaks of {sort:?} behind its first argument");
            let sizes = symbol.args().iter().map(|&sort| self.size(sort) as usize);
            let places = sizes.product();
            self.values[symbol as usize].resize(places, 0);
        }
    }

    /// Whether a function is the same in both.
    pub fn agree(&self, other: &Tables, symbol: Symbol) -> bool {
        self.values[symbol as usize] == other.values[symbol as usize]
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
        let more = |sort: Sort| (sort, self.size(sort) + if sort.is_number() { by } else { 0 });
        let mut wide = Tables::new(Sort::ALL.map(more));
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
        after.update(action, parameters);
        after
    }

    /// Makes it the state after `action`, whether or not that can happen.
    pub fn update(&mut self, action: &ReadyAction, parameters: &[Datum]) {
        let changed = |symbol| (symbol, self.values_after(action, parameters, symbol));
        for (symbol, values) in action.changes().map(changed).collect::<Vec<_>>() {
            self.values[symbol as usize] = values;
        }
    }

    /// What `symbol` is after `action`, by its arguments.
    fn values_after(
        &self,
        action: &ReadyAction,
        parameters: &[Datum],
        symbol: Symbol,
    ) -> Vec<Datum> {
        let count = self.values[symbol as usize].len();
        let mut args = [0; 3];
        let args = &mut args[..symbol.args().len()];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(action.after(self, parameters, symbol, args));
            // The last argument is the first to go on.
            for (arg, &sort) in args.iter_mut().zip(symbol.args()).rev() {
                *arg += 1;
                if *arg < self.size(sort) {
                    break;
                }
                *arg = 0;
            }
        }
        values
    }
}

impl Structure for Tables {
    fn size(&self, sort: Sort) -> u64 {
        self.sizes[sort as usize]
    }

    fn value(&self, symbol: Symbol, args: &[Datum]) -> Datum {
        let place = self.place(symbol, args);
        place.map_or(0, |place| self.values[symbol as usize][place])
    }
}
