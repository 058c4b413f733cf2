//! `check simulate`: lab suites in virtual time, and random walks through scopes.

use std::ops::Range;

use clap::Args;
use indicatif::ProgressBar;
use veraft_labs::simulate::{Simulation, select, simulate};
use veraft_labs::suites::{LabTest, Suite};

use crate::evidence::proof::refinement::REFINEMENT;
use crate::evidence::walk::{Walk, walk};
use crate::scopes::trace::conversation;
use crate::scopes::{self, Kind, SCOPES, Scope};
use crate::terminal::printer::Printer;

/// What to simulate, and how often.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// `all`, a suite (2A, 2B, 2C, 2D, extra), one of its tests, or a scope; without it, a list
    name: Option<String>,
    /// The seed; with --seeds, the first
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How many seeds, counted up from the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Steps of a walk through a scope [default: 10000]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
}

const STEPS: u64 = 10_000;

/// Simulates; answers with the exit status.
///
/// # Errors
/// When there is nothing of that name, or options do not fit.
pub fn run(args: &SimulateArgs, out: &mut Printer) -> Result<u8, String> {
    let Some(name) = &args.name else { return Err(format!("name what to simulate:\n{}", known())) };
    let Some(last) = args.seed.checked_add(args.seeds) else {
        return Err("--seed and --seeds together exceed 64 bits".to_owned());
    };
    let seeds = args.seed..last;
    match (select(name), scopes::find(name)) {
        (Some(_), _) if args.steps.is_some() => {
            Err("--steps is for walks through a scope: lab tests end by themselves".to_owned())
        }
        (Some(tests), _) => Ok(labs(tests, seeds, out)),
        (None, Some(Scope { kind: Kind::ActorModel, .. })) => {
            Err("actor-model has no walks: name a scope of the cluster".to_owned())
        }
        (None, Some(scope)) => Ok(walks(&scope, seeds, args.steps.unwrap_or(STEPS), out)),
        (None, None) => Err(format!("nothing is called {name:?}; there are\n{}", known())),
    }
}

/// All that can be simulated, in lines of 80 columns.
fn known() -> String {
    let mut lines = vec!["  all".to_owned()];
    for suite in Suite::ALL {
        lines.extend(wrapped(suite.name(), suite.tests().map(|test| test.name)));
    }
    let walked = SCOPES.iter().filter(|scope| scope.kind != Kind::ActorModel);
    lines.extend(wrapped("scopes", walked.map(|scope| scope.name)));
    lines.join("\n")
}

/// `title` and names beside it, in as many lines as they take.
fn wrapped(title: &str, names: impl Iterator<Item = &'static str>) -> Vec<String> {
    let mut lines = vec![format!("  {title:<8}")];
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + name.len() <= 80 => *line += &format!(" {name}"),
            _ => lines.push(format!("{:10} {name}", "")),
        }
    }
    lines
}

/// Runs lab tests.
fn labs(tests: Vec<&'static LabTest>, seeds: Range<u64>, out: &mut Printer) -> u8 {
    let mut simulation = Simulation::new(tests, seeds.start, seeds.end - seeds.start);
    simulation.options.judge = Some(&REFINEMENT);
    let bar = ProgressBar::new(0);
    let reports = simulate(&simulation, &|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    reports.iter().for_each(|report| out.line(report));
    u8::from(reports.iter().any(|report| report.failure.is_some()))
}

/// Walks through a scope, once for each seed.
fn walks(scope: &Scope, seeds: Range<u64>, steps: u64, out: &mut Printer) -> u8 {
    for seed in seeds {
        if out.is_lost() {
            break;
        }
        let Walk { steps: taken, led_terms, committed, violation } = walk(scope, seed, steps);
        let name = scope.name;
        out.line(format_args!(
            "{name}, seed {seed}: {taken} steps, {led_terms} terms with a leader, \
             {committed} entries committed"
        ));
        if let Some((property, trace)) = violation {
            out.line(format_args!("{property} is violated:\n\n{}", conversation(&trace)));
            out.line(format_args!("again: check simulate {name} --seed {seed} --steps {steps}"));
            return 1;
        }
    }
    0
}
