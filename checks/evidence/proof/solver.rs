//! Solvers: programs that the user has. They are told formulas in SMT-LIB.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use easy_smt::{Context, ContextBuilder, Response, SExpr};
use serde::Serialize;

use super::formula::{Expr, Origin, Shape, Sort, Var};
use super::obligations::Case;

/// How much longer than it may a solver lives.
const PATIENCE: Duration = Duration::from_secs(5);

/// A solver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Z3, of Microsoft Research.
    Z3,
    /// cvc5, of Stanford and Iowa.
    Cvc5,
}

/// What a solver says, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It follows.
    Proved,
    /// The solver gave up.
    Unknown,
    /// It does not: there is a state in which it does not hold.
    Refuted,
}

impl Solver {
    /// All of them; the first is asked first.
    pub const ALL: [Solver; 2] = [Solver::Z3, Solver::Cvc5];

    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Solver::Z3 => "z3",
            Solver::Cvc5 => "cvc5",
        }
    }

    /// How to get it.
    pub fn install(self) -> &'static str {
        match self {
            Solver::Z3 => "pip install z3-solver",
            Solver::Cvc5 => "apt install cvc5",
        }
    }

    /// What the program says that it is; none where it is not installed.
    pub fn version(self) -> Option<String> {
        let output = Command::new(self.program()).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let first = text.lines().next()?.trim_start_matches("This is ");
        let numbered = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let number = first.split_whitespace().find(numbered)?;
        output.status.success().then(|| format!("{} {number}", self.program()))
    }

    /// Asked for a verdict, a solver that is not done by `limit` gives up; one that does not
    /// keep to that ends a while later.
    fn args(self, seed: u32, limit: Duration) -> Vec<String> {
        let (millis, end) = (limit.as_millis(), limit + PATIENCE);
        match self {
            Solver::Z3 => vec![
                "-smt2".to_owned(),
                "-in".to_owned(),
                format!("-T:{}", end.as_secs()),
                format!("timeout={millis}"),
                format!("smt.random_seed={seed}"),
                format!("sat.random_seed={seed}"),
            ],
            Solver::Cvc5 => vec![
                "--quiet".to_owned(),
                "--lang=smt2".to_owned(),
                "--force-logic=ALL".to_owned(),
                format!("--tlimit={}", end.as_millis()),
                format!("--tlimit-per={millis}"),
                format!("--seed={seed}"),
            ],
        }
    }

    /// The logic of formulas in which nothing but truths occurs.
    pub(super) fn propositional(self) -> &'static str {
        match self {
            Solver::Z3 => "QF_FD",
            Solver::Cvc5 => "QF_UF",
        }
    }

    /// Starts the program; what it is told is kept in the file `keep`, if there is one.
    pub(super) fn open(
        self,
        seed: u32,
        limit: Duration,
        keep: Option<&Path>,
    ) -> io::Result<Context> {
        let mut builder = ContextBuilder::new();
        builder.solver(self.program()).solver_args(self.args(seed, limit));
        if let Some(keep) = keep {
            builder.replay_file(Some(std::fs::File::create(keep)?));
        }
        builder.build()
    }

    /// Asks whether the goal of `case` follows.
    ///
    /// # Errors
    /// When the program cannot be started, or does not speak SMT-LIB.
    pub fn ask(
        self,
        case: &Case,
        seed: u32,
        limit: Duration,
        keep: Option<&Path>,
    ) -> io::Result<(Answer, Duration)> {
        let started = Instant::now();
        let mut told = Told { context: self.open(seed, limit, keep)? };
        told.context.set_logic("ALL")?;
        let refuted = !case.goal;
        let all = || case.given.iter().chain([&refuted]);
        told.declare(all().copied())?;
        for given in all() {
            let formula = told.expr(*given);
            told.context.assert(formula)?;
        }
        let answer = match told.context.check()? {
            Response::Unsat => Answer::Proved,
            Response::Sat => Answer::Refuted,
            Response::Unknown => Answer::Unknown,
        };
        Ok((answer, started.elapsed()))
    }
}

/// What a solver has been told.
struct Told {
    context: Context,
}

impl Told {
    /// Declares the sorts, and the functions and free variables that occur.
    fn declare(&mut self, formulas: impl Iterator<Item = Expr>) -> io::Result<()> {
        for sort in [Sort::Server, Sort::Quorum, Sort::Request, Sort::Payload] {
            self.context.declare_sort(name_of(sort), 0)?;
        }
        let (mut symbols, mut free) = (BTreeSet::new(), BTreeSet::new());
        for formula in formulas {
            symbols.extend(formula.symbols());
            free.extend(formula.variables(Origin::Parameter));
            free.extend(formula.variables(Origin::Witness));
        }
        for symbol in symbols {
            let args = symbol.args().iter().map(|&sort| self.sort(sort)).collect();
            let result = self.sort(symbol.result());
            self.context.declare_fun(symbol.name(), args, result)?;
        }
        for var in free {
            let sort = self.sort(var.sort);
            self.context.declare_const(written(var), sort)?;
        }
        Ok(())
    }

    fn sort(&self, sort: Sort) -> SExpr {
        match sort {
            Sort::Truth => self.context.bool_sort(),
            Sort::Term | Sort::Index => self.context.int_sort(),
            Sort::Server | Sort::Quorum | Sort::Request | Sort::Payload => {
                self.context.atom(name_of(sort))
            }
        }
    }

    fn bound(&self, vars: &[Var]) -> Vec<(String, SExpr)> {
        vars.iter().map(|&var| (written(var), self.sort(var.sort))).collect()
    }

    fn expr(&self, expr: Expr) -> SExpr {
        let context = &self.context;
        let all = |parts: &[Expr]| parts.iter().map(|&part| self.expr(part)).collect::<Vec<_>>();
        match expr.node() {
            Shape::Truth(true) => context.true_(),
            Shape::Truth(false) => context.false_(),
            Shape::Number(number) => context.numeral(*number),
            Shape::Var(var) => context.atom(written(*var)),
            Shape::Apply(symbol, args) => {
                let head = context.atom(symbol.name());
                context.list([vec![head], all(args)].concat())
            }
            Shape::Plus(a, b) => context.plus(self.expr(*a), self.expr(*b)),
            Shape::Less(a, b) => context.lt(self.expr(*a), self.expr(*b)),
            Shape::AtMost(a, b) => context.lte(self.expr(*a), self.expr(*b)),
            Shape::Is(a, b) => context.eq(self.expr(*a), self.expr(*b)),
            Shape::Not(a) => context.not(self.expr(*a)),
            Shape::And(parts) => context.and_many(all(parts)),
            Shape::Or(parts) => context.or_many(all(parts)),
            Shape::Implies(a, b) => context.imp(self.expr(*a), self.expr(*b)),
            Shape::If(a, b, c) => context.ite(self.expr(*a), self.expr(*b), self.expr(*c)),
            Shape::All(vars, body, trigger) => {
                let body = match trigger.is_empty() {
                    true => self.expr(*body),
                    false => {
                        let pattern = context.list(all(trigger));
                        let [mark, by] = ["!", ":pattern"].map(|word| context.atom(word));
                        context.list(vec![mark, self.expr(*body), by, pattern])
                    }
                };
                context.forall(self.bound(vars), body)
            }
            Shape::Some(vars, body) => context.exists(self.bound(vars), self.expr(*body)),
        }
    }
}

fn name_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Server => "Server",
        Sort::Quorum => "Quorum",
        Sort::Request => "Request",
        Sort::Payload => "Payload",
        Sort::Term | Sort::Index => "Int",
        Sort::Truth => "Bool",
    }
}

/// A variable as a solver sees it: one of each origin has a name of its own.
fn written(var: Var) -> String {
    let Var { name, origin, .. } = var;
    match origin {
        Origin::Bound => name.to_owned(),
        Origin::Parameter => format!("{name}!"),
        Origin::Place => format!("{name}?"),
        Origin::Witness => format!("{name}*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::proof::formula::{all, some, vars};
    use crate::evidence::proof::symbols::AbstractState;

    fn written(formula: Expr) -> String {
        let told = Told { context: ContextBuilder::new().build().unwrap() };
        let expr = told.expr(formula);
        told.context.display(expr).to_string()
    }

    #[test]
    fn formulas_are_written_as_smt_lib() {
        let now = AbstractState::default();
        let [s, t, i] = vars(["s", "t", "i"]);
        let term = now.current_term(s);
        assert_eq!(
            written(t.above(term) & !now.is_leader(s)),
            "(and (< (current_term s) t) (not (is_leader s)))"
        );
        assert_eq!(written((i + 1).at_most(i)), "(<= (+ i 1) i)");
        assert_eq!(
            written(all([s], term.is(t).implies(false.into())).by([term])),
            "(forall ((s Server)) (! (=> (= (current_term s) t) false) :pattern ((current_term s))))"
        );
        assert_eq!(
            written(some([s], Expr::from(0).when(now.is_leader(s), t).is(t) | true.into())),
            "(exists ((s Server)) (or (= (ite (is_leader s) 0 t) t) true))"
        );
    }

    #[test]
    fn variables_of_one_name_stay_apart() {
        let of = |origin| Expr::from(Var { name: "s", sort: Sort::Server, origin });
        let origins = [Origin::Bound, Origin::Parameter, Origin::Place, Origin::Witness];
        let names: BTreeSet<String> = origins.map(|origin| written(of(origin))).into();
        assert_eq!(names.len(), origins.len(), "{names:?}");
    }
}
