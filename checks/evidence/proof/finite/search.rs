//! Looks for a state: what is wanted becomes a question without quantifiers, to which a solver
//! finds an answer; the answer is read back as a state, and believed only once it has been seen to
//! be what was wanted.

use std::io;
use std::time::Duration;

use easy_smt::{Context, Response, SExpr};

use super::super::evaluate::Datum;
use super::super::lemmas::Lemma;
use super::super::solver::Solver;
use super::super::symbols::AbstractState;
use super::super::tables::Tables;
use super::circuit::{Bit, Circuit, Junction};
use super::expansion::{Expansion, Functions};
use super::shrinking::smaller;
use super::sizes::Sizes;
use super::wanted::{Example, Wanted};

/// Who looks, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Seeking {
    /// The solver.
    pub solver: Solver,
    /// What its random choices begin with.
    pub seed: u32,
    /// How long one question may take.
    pub limit: Duration,
}

/// What came of a search.
#[derive(Clone, Debug)]
pub enum Sought<'a> {
    /// There is such a state.
    Found(Box<Example<'a>>, Sizes),
    /// There is none of any size that was tried.
    Nowhere,
    /// The solver gave up, or named a state that is none.
    GaveUp(Sizes),
}

impl Seeking {
    /// Looks for a state of these sizes, one after the other.
    ///
    /// # Errors
    /// When the solver cannot be started, or does not speak SMT-LIB.
    pub fn seek<'a>(&self, wanted: &Wanted<'a>, all: &[Sizes]) -> io::Result<Sought<'a>> {
        let mut sought = Sought::Nowhere;
        for &sizes in all {
            match self.seek_within(wanted, sizes)? {
                Sought::Found(example, sizes) => return Ok(Sought::Found(example, sizes)),
                Sought::Nowhere => {}
                Sought::GaveUp(sizes) => sought = Sought::GaveUp(sizes),
            }
        }
        Ok(sought)
    }

    /// Looks for a state of these sizes.
    ///
    /// # Errors
    /// When the solver cannot be started, or does not speak SMT-LIB.
    pub fn seek_within<'a>(&self, wanted: &Wanted<'a>, sizes: Sizes) -> io::Result<Sought<'a>> {
        let (expansion, question) = question(wanted, sizes);
        if question.contains(&Bit::FALSE) {
            return Ok(Sought::Nowhere);
        }
        Ok(match self.ask(&expansion, &question)? {
            Some(Some((state, parameters))) => match smaller(wanted, state, &parameters) {
                Some(example) => Sought::Found(Box::new(example), sizes),
                None => Sought::GaveUp(sizes),
            },
            Some(None) => Sought::Nowhere,
            None => Sought::GaveUp(sizes),
        })
    }

    /// A state, and parameters, of which all of `question` holds; inside, none if there is none;
    /// outside, none if the solver does not know.
    #[expect(clippy::type_complexity, reason = "told in the sentence above")]
    fn ask(
        &self,
        expansion: &Expansion,
        question: &[Bit],
    ) -> io::Result<Option<Option<(Tables, Vec<Datum>)>>> {
        let mut context = self.solver.open(self.seed, self.limit, None)?;
        context.set_logic(self.solver.propositional())?;
        let unknown = tell(&mut context, &expansion.circuit, question)?;
        match context.check()? {
            Response::Unsat => return Ok(Some(None)),
            Response::Unknown => return Ok(None),
            Response::Sat => {}
        }
        let names = unknown.iter().map(|&bit| name(&context, bit)).collect();
        let values = context.get_value(names)?;
        let holding = |(bit, (_, value)): (&Bit, &(SExpr, SExpr))| {
            (*value == context.true_()).then_some(*bit)
        };
        let holding: Vec<Bit> = unknown.iter().zip(&values).filter_map(holding).collect();
        let state = expansion.read(|bit| holding.binary_search(&bit).is_ok());
        Ok(Some(Some(state)))
    }
}

/// What must hold of the unknown for the state to be what is wanted.
fn question(wanted: &Wanted, sizes: Sizes) -> (Expansion, Vec<Bit>) {
    let now = AbstractState::default();
    let (mut expansion, mut before) = Expansion::new(sizes);
    let holds = |expansion: &mut Expansion, of: &mut Functions, lemma: &Lemma| {
        expansion.holds((lemma.holds)(&now), of, &Vec::new())
    };
    let mut question: Vec<Bit> =
        wanted.given.iter().map(|lemma| holds(&mut expansion, &mut before, lemma)).collect();
    let mut after = match wanted.action {
        Some(action) => {
            let parameters = expansion.parameters(&action.step.parameters);
            question.push(expansion.holds(action.step.guard, &mut before, &parameters));
            expansion.after(&mut before, &action.step, &parameters)
        }
        None => before.clone(),
    };
    if !wanted.falls.is_empty() {
        let falls: Vec<Bit> =
            wanted.falls.iter().map(|lemma| !holds(&mut expansion, &mut after, lemma)).collect();
        question.push(expansion.circuit.one(falls));
    }
    question.extend(expansion.always().to_vec());
    (expansion, question)
}

fn name(context: &Context, bit: Bit) -> SExpr {
    context.atom(format!("g{}", bit.gate()))
}

fn written(context: &Context, bit: Bit) -> SExpr {
    match bit.is_contrary() {
        true => context.not(name(context, bit)),
        false => name(context, bit),
    }
}

/// Tells the solver that all of `question` holds; answers with what is not known, in the order of
/// gates.
fn tell(context: &mut Context, circuit: &Circuit, question: &[Bit]) -> io::Result<Vec<Bit>> {
    let mut needed = vec![false; circuit.gates().len()];
    question.iter().for_each(|bit| needed[bit.gate()] = true);
    // Each gate stands behind those that it is made of.
    for (number, gate) in circuit.gates().iter().enumerate().rev() {
        if let (true, Junction::All(parts)) = (needed[number], gate) {
            parts.iter().for_each(|part| needed[part.gate()] = true);
        }
    }
    let mut unknown = Vec::new();
    let mut heights = vec![0; circuit.gates().len()];
    let mut floors: Vec<Vec<(String, SExpr)>> = Vec::new();
    for (number, gate) in circuit.gates().iter().enumerate().filter(|(n, _)| needed[*n]) {
        match gate {
            Junction::True => {}
            Junction::Unknown => {
                let sort = context.bool_sort();
                context.declare_const(format!("g{number}"), sort)?;
                unknown.push(circuit.bit(number));
            }
            Junction::All(parts) => {
                let below = parts.iter().map(|part| heights[part.gate()]).max();
                let height = below.unwrap_or(0) + 1;
                heights[number] = height;
                floors.resize(floors.len().max(height), Vec::new());
                let parts: Vec<SExpr> = parts.iter().map(|&part| written(context, part)).collect();
                floors[height - 1].push((format!("g{number}"), context.and_many(parts)));
            }
        }
    }
    let all: Vec<SExpr> = question
        .iter()
        .filter(|&&bit| bit != Bit::TRUE)
        .map(|&bit| written(context, bit))
        .collect();
    let said = match all.is_empty() {
        true => context.true_(),
        false => context.and_many(all),
    };
    let said = floors.into_iter().rev().fold(said, |said, floor| context.let_many(floor, said));
    context.assert(said)?;
    Ok(unknown)
}
