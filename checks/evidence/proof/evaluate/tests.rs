//! What is evaluated with places and ranges is what the formula says.

use std::cell::RefCell;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{Datum, Ready, Structure};
use crate::evidence::proof::actions::ACTIONS;
use crate::evidence::proof::formula::{Expr, Origin, Shape, Sort, Var, all, and, some, vars};
use crate::evidence::proof::lemmas;
use crate::evidence::proof::symbols::{AbstractState, Symbol};
use crate::evidence::proof::tables::Tables;

/// Variables with their values, the innermost last.
type Known = Vec<(Var, Datum)>;

/// What a formula is, word by word: each quantifier looks at all members.
fn naive(expr: Expr, at: &Tables, known: &mut Known) -> Datum {
    let two = |a: Expr, b: Expr, known: &mut _| (naive(a, at, known), naive(b, at, known));
    let truth = |truth: bool| u64::from(truth);
    match expr.node() {
        Shape::Truth(value) => truth(*value),
        Shape::Number(number) => *number,
        Shape::Var(var) => known.iter().rev().find(|(other, _)| other == var).unwrap().1,
        Shape::Apply(symbol, args) => {
            let args: Vec<Datum> = args.iter().map(|&arg| naive(arg, at, known)).collect();
            match (symbol, &args[..]) {
                (Symbol::Choosable, &[q, t, i]) => truth((0..at.size(Sort::Server)).all(|s| {
                    let may = i <= at.value(Symbol::Held, &[s, t])
                        || at.value(Symbol::CurrentTerm, &[s]) <= t;
                    at.value(Symbol::Member, &[s, q]) == 0 || may
                })),
                _ => at.value(*symbol, &args),
            }
        }
        Shape::Plus(a, b) => naive(*a, at, known) + naive(*b, at, known),
        Shape::Less(a, b) => {
            let (a, b) = two(*a, *b, known);
            truth(a < b)
        }
        Shape::AtMost(a, b) => {
            let (a, b) = two(*a, *b, known);
            truth(a <= b)
        }
        Shape::Is(a, b) => {
            let (a, b) = two(*a, *b, known);
            truth(a == b)
        }
        Shape::Not(a) => truth(naive(*a, at, known) == 0),
        Shape::And(parts) => truth(parts.iter().all(|&part| naive(part, at, known) != 0)),
        Shape::Or(parts) => truth(parts.iter().any(|&part| naive(part, at, known) != 0)),
        Shape::Implies(a, b) => {
            let (a, b) = two(*a, *b, known);
            truth(a == 0 || b != 0)
        }
        Shape::If(condition, then, other) => match naive(*condition, at, known) {
            0 => naive(*other, at, known),
            _ => naive(*then, at, known),
        },
        Shape::All(vars, body, _) => {
            truth(each(vars, at, known, &mut |known| naive(*body, at, known) != 0))
        }
        Shape::Some(vars, body) => {
            truth(!each(vars, at, known, &mut |known| naive(*body, at, known) == 0))
        }
    }
}

/// Whether `holds` is true with all values of `vars`.
fn each(
    vars: &[Var],
    at: &Tables,
    known: &mut Known,
    holds: &mut dyn FnMut(&mut Known) -> bool,
) -> bool {
    let [var, rest @ ..] = vars else { return holds(known) };
    (0..at.size(var.sort)).all(|member| {
        known.push((*var, member));
        let all = each(rest, at, known, holds);
        known.pop();
        all
    })
}

/// Any state, with few members of each sort.
fn tables(chance: &mut Xoshiro256PlusPlus) -> Tables {
    let sorts = [Sort::Server, Sort::Quorum, Sort::Request, Sort::Payload, Sort::Term, Sort::Index];
    let mut tables = Tables::new(sorts.map(|sort| (sort, chance.random_range(1..4))));
    for &symbol in Symbol::ALL {
        for args in tables.arguments(symbol) {
            let value = chance.random_range(0..tables.size(symbol.result()));
            tables.set(symbol, &args, value);
        }
    }
    tables
}

#[test]
fn lemmas_and_guards_are_what_they_say() {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(1);
    let lemmas =
        lemmas::all().flat_map(|lemma| (lemma.holds)(&AbstractState::default()).conjuncts());
    let mut formulas: Vec<(Expr, Vec<Var>)> = lemmas.map(|part| (part, Vec::new())).collect();
    formulas.extend(ACTIONS.iter().map(|action| {
        let step = (action.step)();
        (step.guard, step.parameters)
    }));
    let mut seen = [0; 2];
    for (formula, parameters) in formulas {
        let ready = Ready::new(formula, &parameters);
        for _ in 0..40 {
            let at = tables(&mut chance);
            let values: Vec<Datum> =
                parameters.iter().map(|var| chance.random_range(0..at.size(var.sort))).collect();
            let mut known: Vec<_> = parameters.iter().copied().zip(values.clone()).collect();
            let says = naive(formula, &at, &mut known);
            assert_eq!(ready.value(&at, &values), says, "{formula:?} at {at:?}");
            seen[says as usize] += 1;
        }
    }
    assert!(seen.iter().all(|&count| count > 200), "{seen:?}");
}

/// A formula that nobody would write, with the variables of `scope`.
struct Wildly<'a> {
    chance: &'a mut Xoshiro256PlusPlus,
}

impl Wildly<'_> {
    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        match of.len() {
            0 => None,
            len => Some(of[self.chance.random_range(0..len)]),
        }
    }

    fn var(&mut self, sort: Sort, scope: &[Expr]) -> Option<Expr> {
        let is = |expr: &Expr| matches!(expr.node(), Shape::Var(var) if var.sort == sort);
        self.one(&scope.iter().copied().filter(is).collect::<Vec<_>>())
    }

    /// A number of a sort.
    fn number(&mut self, sort: Sort, scope: &[Expr]) -> Expr {
        let at = AbstractState::default();
        let (s, t) = (self.var(Sort::Server, scope), self.var(Sort::Term, scope));
        match (self.chance.random_range(0..6), sort, s, t) {
            (0, ..) => self.chance.random_range(0..4).into(),
            (1, Sort::Index, Some(s), Some(t)) => at.held(s, t),
            (1, Sort::Index, Some(s), _) => at.commit_index(s) + 1,
            (1, Sort::Term, Some(s), _) => at.current_term(s),
            _ => self.var(sort, scope).unwrap_or(2.into()),
        }
    }

    fn comparison(&mut self, scope: &[Expr]) -> Expr {
        let sort = if self.chance.random() { Sort::Index } else { Sort::Term };
        let (a, b) = (self.number(sort, scope), self.number(sort, scope));
        match self.chance.random_range(0..3) {
            0 => a.at_most(b),
            1 => a.below(b),
            _ => a.is(b),
        }
    }

    fn fact(&mut self, scope: &[Expr]) -> Expr {
        let at = AbstractState::default();
        let (s, q) = (self.var(Sort::Server, scope), self.var(Sort::Quorum, scope));
        let (t, i) = (self.number(Sort::Term, scope), self.number(Sort::Index, scope));
        match (self.chance.random_range(0..5), s, q) {
            (0, Some(s), Some(q)) => at.member(s, q),
            (1, _, Some(q)) => at.choosable(q, t, i),
            (2, Some(s), _) => at.acknowledged(s, t, i),
            (3, ..) => at.committed(t, i),
            _ => self.comparison(scope),
        }
    }

    fn formula(&mut self, depth: u32, scope: &[Expr]) -> Expr {
        if depth == 0 {
            return self.fact(scope);
        }
        match self.chance.random_range(0..6) {
            0 => !self.formula(depth - 1, scope),
            1 => self.formula(depth - 1, scope) | self.fact(scope),
            2 => self.formula(depth - 1, scope).when(self.fact(scope), self.fact(scope)),
            kind => {
                let names = [["i", "t", "s"], ["q", "i", "t"], ["s", "u", "j"], ["j", "s", "i"]];
                let bound = vars(self.one(&names).unwrap());
                let within = [scope, &bound].concat();
                let mut conditions: Vec<Expr> = (0..3).map(|_| self.comparison(&within)).collect();
                conditions.push(self.fact(&within));
                let body = self.formula(depth - 1, &within);
                match kind {
                    3 => some(bound, and(conditions) & body),
                    _ => all(bound, and(conditions).implies(body)),
                }
            }
        }
    }
}

/// Ranges are narrowed and variables put in another order, whatever the formula; those of an inner
/// quantifier may have the names of those of an outer.
#[test]
fn any_formula_is_what_it_says() {
    let mut seen = [0; 2];
    for seed in 0..3_000 {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        let at = tables(&mut chance);
        let formula = Wildly { chance: &mut chance }.formula(3, &[]);
        let says = naive(formula, &at, &mut Known::new());
        assert_eq!(Ready::new(formula, &[]).value(&at, &[]), says, "{formula:?} at {at:?}");
        seen[says as usize] += 1;
    }
    assert!(seen.iter().all(|&count| count > 300), "{seen:?}");
}

/// A structure that remembers of which indices it was asked whether they were committed.
struct Asked(RefCell<Vec<Datum>>);

impl Structure for Asked {
    fn size(&self, _: Sort) -> u64 {
        100
    }

    fn value(&self, symbol: Symbol, args: &[Datum]) -> Datum {
        assert_eq!(symbol, Symbol::Committed);
        self.0.borrow_mut().push(args[1]);
        1
    }
}

#[test]
fn a_quantifier_looks_at_no_more_than_its_bounds_leave() {
    let [i] = vars(["i"]);
    let it = AbstractState::default().committed(1.into(), i);
    let asked = |formula: Expr| {
        let asked = Asked(RefCell::default());
        let holds = Ready::new(formula, &[]).holds(&asked, &[]);
        (holds, asked.0.into_inner())
    };
    let within = |condition: Expr| asked(all([i], condition.implies(it)));
    assert_eq!(within(i.at_least(3) & i.below(6)), (true, vec![3, 4, 5]));
    assert_eq!(within(i.above(3) & i.at_most(6)), (true, vec![4, 5, 6]));
    assert_eq!(within(i.above(97)), (true, vec![98, 99]));
    assert_eq!(within(i.above(5) & i.below(5)), (true, vec![]));
    assert_eq!(asked(some([i], i.at_least(7) & it)), (true, vec![7]));
    assert_eq!(asked(some([i], i.at_least(100) & it)), (false, vec![]));
    // What says nothing of the variable's bounds is asked of each.
    let twice = all([i], (i + 1).below(3).implies(it));
    assert_eq!(asked(twice), (true, vec![0, 1]));
}

#[test]
fn an_inner_variable_hides_an_outer_of_its_name() {
    let [i] = vars(["i"]);
    let at = Tables::new([(Sort::Index, 4)]);
    let holds = |formula: Expr| Ready::new(formula, &[]).holds(&at, &[]);
    let three = some([i], i.is(3));
    assert!(holds(all([i], i.below(2).implies(three & i.below(2)))));
    assert!(holds(all([i], three.implies(i.below(4)))));
    assert!(!holds(all([i], three.implies(i.below(3)))));
}

#[test]
fn a_quorum_may_choose_what_each_of_it_holds_or_may_yet_hold() {
    let [q, t, i] = [("q", Sort::Quorum), ("t", Sort::Term), ("i", Sort::Index)]
        .map(|(name, sort)| Var { name, sort, origin: Origin::Parameter });
    let it = AbstractState::default().choosable(q.into(), t.into(), i.into());
    let ready = Ready::new(it, &[q, t, i]);
    let sizes = [(Sort::Server, 3), (Sort::Quorum, 2), (Sort::Term, 4), (Sort::Index, 5)];
    let mut at = Tables::new(sizes);
    for s in [0, 1] {
        at.set(Symbol::Member, &[s, 1], 1);
        at.set(Symbol::CurrentTerm, &[s], 3);
        at.set(Symbol::Held, &[s, 2], 1 + s);
    }
    at.set(Symbol::CurrentTerm, &[2], 3);
    // Both have gone past term 2: what both hold of it, they may have chosen.
    assert!(ready.holds(&at, &[1, 2, 1]));
    assert!(!ready.holds(&at, &[1, 2, 2]));
    // Nobody has gone past term 3; and nobody is in quorum 0.
    assert!(ready.holds(&at, &[1, 3, 4]));
    assert!(ready.holds(&at, &[0, 2, 4]));
    // Who is still in term 2 may yet hold more of it.
    at.set(Symbol::CurrentTerm, &[0], 2);
    assert!(ready.holds(&at, &[1, 2, 2]));
    assert!(!ready.holds(&at, &[1, 2, 3]));
}
