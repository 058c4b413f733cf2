//! How fast states are explored, side by side: each line is the median of several runs in turn.
//!
//! Transitions are those that make a successor to be looked up. Targets: `replication-huge` in at
//! most 110 s of CPU with one worker; `election` and `replication` each in under 60 s on two cores; on `replication` at
//! least 250,000 transitions a second and core under stateright's search, and 1,000,000 under
//! the timely engine, with two workers at least 1.7 times as fast as one.

mod spin;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use stateright::Model;
use veraft_checks::engines::Outcome;
use veraft_checks::engines::covering::Covering;
use veraft_checks::engines::stateright::search;
use veraft_checks::engines::timely::{self, TimelySettings};
use veraft_checks::scopes::{self, actor_model};
use veraft_checks::terminal::progress::Progress;
use veraft_models::{Bounds, Cluster, Environment};

const RUNS: usize = 3;

/// An engine's name, and a search of a cluster by so many workers.
type Engine = (&'static str, fn(Cluster, usize) -> Run);

/// One run.
#[derive(Clone, Copy)]
struct Run {
    states: u64,
    generated: u64,
    seconds: f64,
}

fn run<M>(model: M, workers: usize) -> Run
where
    M: Covering + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + Send + Sync,
    M::Action: Clone + PartialEq + Send + Sync,
{
    let never = Arc::new(AtomicBool::new(false));
    Run::of(search(model, workers, 1, &mut Progress::silent(), &never))
}

fn run_timely(cluster: Cluster, workers: usize) -> Run {
    let never = Arc::new(AtomicBool::new(false));
    let settings = TimelySettings::new(workers, b"bench".to_vec());
    let outcome = timely::search(cluster, &settings, &mut Progress::silent(), &never);
    Run::of(outcome.expect("one process needs neither network nor disk"))
}

impl Run {
    fn of<M: Model>(outcome: Outcome<M>) -> Run {
        assert!(outcome.stopped.is_none(), "a rate means nothing over part of a space");
        Run {
            states: outcome.unique_states,
            generated: outcome.generated_states,
            seconds: outcome.elapsed.as_secs_f64(),
        }
    }
}

/// The run whose time is in the middle.
fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    runs[runs.len() / 2]
}

fn line(name: &str, run: Run) {
    let Run { states, generated, seconds } = run;
    let rate = generated as f64 / seconds;
    println!("{name:<28} {states:>10} {generated:>11} {seconds:>8.2} {rate:>12.0}");
}

fn cluster(name: &str) -> Cluster {
    let scope = scopes::find(name).expect("the scopes named here exist");
    Cluster::new(scope.bounds, scope.environment())
}

fn main() {
    println!("{:<28} {:>10} {:>11} {:>8} {:>12}", "search", "states", "transitions", "s", "per s");
    for name in ["election", "replication", "five", "replication-huge"] {
        let both: [Engine; 2] = [("stateright", run), ("timely", run_timely)];
        // What is large is for the engine that suits it, and for maximal states.
        let engines = if name == "replication-huge" { &both[1..] } else { &both };
        for &(engine, run) in engines {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            for _ in 0..RUNS {
                one.push(run(cluster(name), 1));
                two.push(run(cluster(name), 2));
            }
            let (one, two) = (median(one), median(two));
            line(&format!("{name}, {engine}, 1"), one);
            line(&format!("{name}, {engine}, 2"), two);
            println!("  two workers are {:.2} times as fast as one", one.seconds / two.seconds);
        }
    }

    let maximal = Environment { saturation: true, antichain: true, ..Environment::default() };
    let (mut all, mut fewer) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        all.push(run_timely(cluster("replication"), 1));
        fewer.push(run_timely(Cluster::new(cluster("replication").bounds, maximal), 1));
    }
    let (all, fewer) = (median(all), median(fewer));
    line("replication, every state", all);
    line("replication, maximal states", fewer);
    println!(
        "  maximal states: {:.1} times fewer, in {:.1} times less time",
        all.states as f64 / fewer.states as f64,
        all.seconds / fewer.seconds,
    );

    let scope = scopes::find("actor-model").expect("the scopes named here exist");
    let bounds: Bounds = scope.bounds;
    let plain = Environment { symmetry: false, keep_dead_letters: true, ..Environment::default() };
    let (mut actors, mut unreduced, mut reduced) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        actors.push(run(actor_model::model(bounds), 1));
        unreduced.push(run(Cluster::new(bounds, plain), 1));
        reduced.push(run(Cluster::new(bounds, Environment::default()), 1));
    }
    let actors = median(actors);
    line("ActorModel", actors);
    for (name, other) in [("cluster, no reduction", unreduced), ("cluster", reduced)] {
        let other = median(other);
        line(name, other);
        println!(
            "  ActorModel: {:.0} times the states, {:.0} times the time",
            actors.states as f64 / other.states as f64,
            actors.seconds / other.seconds,
        );
    }
    beside_spin();
}

/// The same elections, state for state, by SPIN and by the engines.
fn beside_spin() {
    if !spin::is_here() {
        println!("SPIN is left out: spin or gcc is not on the PATH");
        return;
    }
    let bounds = Bounds { servers: 3, terms: 2, entries: 0, restarts: 0, compactions: 0 };
    let plain = Environment { symmetry: false, keep_dead_letters: true, ..Environment::default() };
    let folder = std::env::temp_dir().join(format!("veraft-spin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for scratch files can be written");
    spin::build(&folder, bounds.terms, bounds.restarts);
    let mut runs = [const { Vec::new() }; 4];
    for _ in 0..RUNS {
        runs[0].push(spin::run(&folder));
        runs[1].push(run(Cluster::new(bounds, plain), 1));
        runs[2].push(run_timely(Cluster::new(bounds, plain), 1));
        runs[3].push(run(Cluster::new(bounds, Environment::default()), 1));
    }
    std::fs::remove_dir_all(&folder).expect("the folder is this process's own");
    let names = ["SPIN", "stateright, no reduction", "timely, no reduction", "stateright"];
    for (name, runs) in names.into_iter().zip(runs) {
        line(&format!("3/2/0/0, {name}"), median(runs));
    }
}
