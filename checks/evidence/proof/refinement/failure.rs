//! Why a step is no sequence of actions, in Raft's words.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;
use veraft::figure2::{Index, ServerId};

use super::held::Place;
use super::places::Places;
use super::taken::TakenAction;
use crate::evidence::proof::evaluate::{Datum, Ready, Structure};
use crate::evidence::proof::formula::{Expr, Origin, Shape, Sort, Var};
use crate::evidence::proof::words;

/// A step that is no sequence of actions.
#[derive(Clone, Debug, Error)]
pub struct NoAction {
    /// Who took it.
    pub server: ServerId,
    /// What was tried.
    pub tried: Vec<TakenAction>,
    /// What is in the way.
    pub objection: Objection,
}

/// What is in the way.
#[derive(Clone, Debug)]
pub enum Objection {
    /// An action cannot happen.
    Guard {
        /// The action.
        action: TakenAction,
        /// What would have to hold, as a formula.
        must: String,
        /// What is so instead, in sentences.
        but: Vec<String>,
    },
    /// An action is said to have happened with servers that are no majority.
    NoMajority {
        /// The action.
        action: TakenAction,
        /// The servers.
        quorum: BTreeSet<ServerId>,
    },
    /// The actions lead elsewhere.
    Differs {
        /// What the actions make of it, in a sentence.
        made: String,
        /// What it is, in a sentence.
        is: String,
    },
    /// The state machine was handed something else than the next entry of the log.
    Handed {
        /// The index of what it was handed.
        index: Index,
        /// The next index; none if nothing was to be handed.
        next: Option<Index>,
    },
    /// An entry counts as applied that the state machine was not handed.
    NotHanded {
        /// The index of the entry.
        next: Index,
    },
    /// The records of the step do not say what it changed, or not in an order in which a crash can
    /// fall between any two.
    Records,
    /// The server behind the step has another name.
    Name(ServerId),
}

impl Objection {
    /// Why `action` cannot happen.
    pub(super) fn guard(
        action: TakenAction,
        places: &Places<'_>,
        parameters: &[Datum],
    ) -> Objection {
        let step = &action.action.step;
        let fails = |part: &Expr| !Ready::new(*part, &step.parameters).holds(places, parameters);
        // The guard does not hold, so a part of it does not.
        let part = step.guard.conjuncts().into_iter().find(fails).unwrap_or(step.guard);
        let given: Vec<(Var, Datum)> =
            step.parameters.iter().copied().zip(parameters.iter().copied()).collect();
        let name = |var: &Var| {
            let found = given.iter().position(|(other, _)| other == var)?;
            // Requests and payloads are long: they keep the names of their variables.
            let short = !matches!(var.sort, Sort::Request | Sort::Payload);
            short.then(|| action.with[found].to_string())
        };
        let must = words::formula(part, &name);
        let (given, body) = exception(part, given, places);
        let but = facts(body, &given, places);
        Objection::Guard { action, must, but }
    }

    /// Why the server is not what the actions make of it.
    pub(super) fn differs(places: &Places<'_>, place: Place, made: Datum, is: Datum) -> Objection {
        let told = |value| sentence(places, place, value);
        Objection::Differs { made: told(made), is: told(is) }
    }
}

fn sentence(places: &Places<'_>, place: Place, value: Datum) -> String {
    let sorts = place.symbol.args().iter();
    let args: Vec<String> =
        sorts.zip(place.args()).map(|(sort, arg)| places.in_words(*sort, *arg)).collect();
    words::sentence(place.symbol, &args, &places.in_words(place.symbol.result(), value))
}

/// If `part` says something of all servers or indices: one of which it does not hold, and what
/// does not hold of it.
fn exception(
    part: Expr,
    given: Vec<(Var, Datum)>,
    places: &Places<'_>,
) -> (Vec<(Var, Datum)>, Expr) {
    let Shape::All(vars, body, _) = part.node() else { return (given, part) };
    let [var] = vars[..] else { return (given, part) };
    let most = places.size(var.sort).min(places.looked_at());
    let known = [given.clone(), vec![(var, 0)]].concat();
    let (names, mut values): (Vec<Var>, Vec<Datum>) = known.into_iter().unzip();
    let ready = Ready::new(*body, &names);
    let last = values.len() - 1;
    for member in 0..most {
        values[last] = member;
        if !ready.holds(places, &values) {
            return (names.into_iter().zip(values).collect(), *body);
        }
    }
    (given, part)
}

/// What is so at every place that `expr` asks about.
fn facts(expr: Expr, given: &[(Var, Datum)], places: &Places<'_>) -> Vec<String> {
    let (names, values): (Vec<Var>, Vec<Datum>) = given.iter().copied().unzip();
    let mut facts = Vec::new();
    expr.visit(&mut |part| {
        let Shape::Apply(symbol, args) = part.node() else { return };
        let bound = part.variables(Origin::Bound);
        if bound.iter().any(|var| !names.contains(var)) {
            return;
        }
        let value = |expr: &Expr| Ready::new(*expr, &names).value(places, &values);
        let args: Vec<Datum> = args.iter().map(value).collect();
        let fact = sentence(places, Place::new(*symbol, &args), value(&part));
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    });
    facts
}

impl fmt::Display for NoAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoAction { server, tried, objection } = self;
        let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
        let tried = match tried.is_empty() {
            true => "no action at all".to_owned(),
            false => tried.join(", "),
        };
        let told = |f: &mut fmt::Formatter<'_>, indent, text: &str| wrapped(f, indent, text);
        write!(f, "{server} takes a step that no actions of Raft make up")?;
        told(f, 2, &format!("tried: {tried}"))?;
        match objection {
            Objection::Guard { action, must, but } => {
                told(f, 2, &format!("{action} cannot be: {}", action.action.action.about))?;
                told(f, 2, &format!("only if {must}"))?;
                but.iter().try_for_each(|fact| told(f, 4, fact))
            }
            Objection::NoMajority { action, quorum } => {
                let names: Vec<String> = quorum.iter().map(ToString::to_string).collect();
                let names = names.join(", ");
                told(f, 2, &format!("{action} cannot be: {names} are no majority"))
            }
            Objection::Differs { made, is } => {
                told(f, 2, &format!("by these actions, {made}"))?;
                told(f, 2, &format!("after the step, {is}"))
            }
            Objection::Handed { index, next: Some(next) } => told(
                f,
                2,
                &format!("the state machine was handed index {index}, and the next is {next}"),
            ),
            Objection::Handed { index, next: None } => {
                told(f, 2, &format!("the state machine was handed index {index}, and nothing is"))
            }
            Objection::NotHanded { next } => {
                told(f, 2, &format!("the state machine was not handed index {next}"))
            }
            Objection::Records => told(
                f,
                2,
                "its records do not say, one after the other, what these actions change of \
                     its term, vote and log: after a crash between them, the disk would hold \
                     what no server had",
            ),
            Objection::Name(name) => told(f, 2, &format!("it is {name} afterwards")),
        }
    }
}

/// A line of its own, or several, narrow enough to be set in where 80 columns are wide.
fn wrapped(f: &mut fmt::Formatter<'_>, indent: usize, text: &str) -> fmt::Result {
    // What tells of it may set it in by some columns.
    const WIDTH: usize = 72;
    let mut column = WIDTH;
    let mut begun = false;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column + 1 + width > WIDTH {
            let indent = if begun { indent + 2 } else { indent };
            write!(f, "\n{:indent$}{word}", "")?;
            (column, begun) = (indent + width, true);
        } else {
            write!(f, " {word}")?;
            column += 1 + width;
        }
    }
    Ok(())
}
