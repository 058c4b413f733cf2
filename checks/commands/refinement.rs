//! `check prove --refinement`: whether every step in the scopes, and in the simulated labs, is a
//! sequence of actions of the abstract system, and how often each action occurred.

use std::sync::atomic::Ordering;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;
use serde::Serialize;
use veraft_labs::simulate::{Simulation, select, simulate};
use veraft_models::properties;

use crate::commands::search::listen_for_interrupts;
use crate::engines::Engine;
use crate::engines::timely::TimelySettings;
use crate::evidence::proof::refinement::Refinement;
use crate::evidence::search::{self, Options};
use crate::evidence::verdict::{NOT_EXHAUSTED, Verdict, Word};
use crate::scopes::trace::conversation;
use crate::scopes::{self, Kind, Scope};
use crate::terminal::printer::{Printer, note};

/// What occurred, of one action.
#[derive(Debug, Serialize)]
struct Occurred {
    action: &'static str,
    /// In how many effects: what a stimulus does to a node, in whatever states it meets it.
    effects: u64,
    /// In how many scopes.
    scopes: usize,
    /// In how many steps of the simulated labs.
    steps: u64,
}

/// All that occurred.
#[derive(Debug, Serialize)]
struct Tally {
    scopes: Vec<&'static str>,
    /// How many effects of the scopes were judged, and how many steps of the simulated labs.
    effects: u64,
    steps: u64,
    actions: Vec<Occurred>,
    /// What is no sequence of actions.
    objections: Vec<String>,
    /// Scopes that were not exhausted.
    unfinished: Vec<String>,
}

/// Explores the scopes of these names, or those of the default run, and simulates the labs;
/// answers with the exit status: 1 where a step is no sequence of actions, or an action did not
/// occur in the default run.
///
/// # Errors
/// When there is no such scope.
pub fn run(names: &[String], json: bool, out: &mut Printer) -> Result<u8, String> {
    let scopes = chosen(names)?;
    let mut tally = explored(&scopes)?;
    simulated(&mut tally);
    if json {
        out.line(serde_json::to_string(&tally).map_err(|error| error.to_string())?);
    }
    match json {
        true => tell(&tally, &mut Printer::stderr()),
        false => tell(&tally, out),
    }
    let missing = tally.missing().next().is_some() && names.is_empty();
    Ok(match (tally.objections.is_empty() && !missing, tally.unfinished.is_empty()) {
        (false, _) => 1,
        (true, false) => NOT_EXHAUSTED,
        (true, true) => 0,
    })
}

fn chosen(names: &[String]) -> Result<Vec<Scope>, String> {
    let is_cluster = |scope: &Scope| matches!(scope.kind, Kind::Cluster(_));
    if names.is_empty() {
        return Ok(scopes::default_run().into_iter().filter(is_cluster).collect());
    }
    let scopes: Vec<Scope> =
        names.iter().map(|name| scopes::named(name)).collect::<Result<_, _>>()?;
    match scopes.iter().find(|scope| !is_cluster(scope)) {
        Some(other) => Err(format!("--refinement: {} asks about other things", other.name)),
        None => Ok(scopes),
    }
}

fn explored(scopes: &[Scope]) -> Result<Tally, String> {
    let mut tally = Tally::new(scopes);
    let all = Options { property: Some(properties::REFINEMENT.to_owned()), ..Options::default() };
    listen_for_interrupts(&all)?;
    for (place, scope) in (1..).zip(scopes) {
        if all.interrupted.load(Ordering::Relaxed) {
            tally.unfinished.push(scope.name.to_owned());
            continue;
        }
        // It lives as long as the process, as all that a search leaves behind does.
        let judge: &'static Refinement = Box::leak(Box::default());
        let options = Options {
            engine: Some(alone(scope)),
            judge: Some(judge),
            place: Some((place, scopes.len())),
            ..all.clone()
        };
        let verdict = match search::scope(scope, &options) {
            Ok(verdict) => verdict,
            Err(error) => {
                note(format_args!("check: {}: {error}", scope.name));
                tally.unfinished.push(scope.name.to_owned());
                continue;
            }
        };
        tally.explored(scope, judge, &verdict);
    }
    Ok(tally)
}

/// One thread, which works out each effect once.
fn alone(scope: &Scope) -> Engine {
    match scope.is_antichain() {
        true => {
            let identity = scope.identity(Some(properties::REFINEMENT));
            Engine::Timely(Box::new(TimelySettings::new(1, identity)))
        }
        false => Engine::Stateright { workers: 1 },
    }
}

/// Every lab test, with one seed.
fn simulated(tally: &mut Tally) {
    let tests = select("all").unwrap_or_default();
    let judge: &'static Refinement = Box::leak(Box::default());
    let mut simulation = Simulation::new(tests, 1, 1);
    simulation.options.judge = Some(judge);
    let reports = simulate(&simulation, &|_, _| {});
    let failed = reports.iter().filter(|report| report.failure.is_some());
    tally.objections.extend(failed.map(ToString::to_string));
    tally.steps = judge.judged();
    for (occurred, (_, steps)) in tally.actions.iter_mut().zip(judge.occurred()) {
        occurred.steps = steps;
    }
}

impl Tally {
    fn new(scopes: &[Scope]) -> Tally {
        let none = |(action, _)| Occurred { action, effects: 0, scopes: 0, steps: 0 };
        Tally {
            scopes: scopes.iter().map(|scope| scope.name).collect(),
            effects: 0,
            steps: 0,
            actions: Refinement::new().occurred().map(none).collect(),
            objections: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    fn explored(&mut self, scope: &Scope, judge: &Refinement, verdict: &Verdict) {
        self.effects += judge.judged();
        for (occurred, (_, effects)) in self.actions.iter_mut().zip(judge.occurred()) {
            occurred.effects += effects;
            occurred.scopes += usize::from(effects > 0);
        }
        for property in verdict.with(Word::Violated) {
            let trace = property.trace.as_deref().unwrap_or_default();
            let trace = conversation(trace);
            self.objections.push(format!("{}: {}\n\n{trace}", scope.name, property.name));
        }
        if !verdict.exhausted && !verdict.is_violated() {
            self.unfinished.push(scope.name.to_owned());
        }
    }

    /// The actions that did not occur in any scope.
    fn missing(&self) -> impl Iterator<Item = &Occurred> {
        self.actions.iter().filter(|occurred| occurred.effects == 0)
    }
}

fn tell(tally: &Tally, out: &mut Printer) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["action", "effects", "scopes", "steps simulated"]);
    for column in 1..=3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for Occurred { action, effects, scopes, steps } in &tally.actions {
        let [effects, steps] = [*effects, *steps].map(|count| HumanCount(count).to_string());
        table.add_row([(*action).to_owned(), effects, scopes.to_string(), steps]);
    }
    out.line(format_args!("{}\n", table.trim_fmt()));
    tally.objections.iter().for_each(|objection| out.line(objection));
    for Occurred { action, .. } in tally.missing() {
        out.line(format_args!("{action} did not occur in any scope"));
    }
    for scope in &tally.unfinished {
        out.line(format_args!("{scope} was not exhausted"));
    }
    let [effects, steps] = [tally.effects, tally.steps].map(HumanCount);
    let verdict = match tally.objections.is_empty() {
        true => "all made up of these",
        false => "not all made up of these",
    };
    out.line(format_args!(
        "{effects} effects in {} scopes and {steps} simulated steps: {verdict}",
        tally.scopes.len()
    ));
}
