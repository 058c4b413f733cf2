//! Runs scopes and tells what they showed.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use veraft_labs::simulate::{Simulation, simulate};
use veraft_labs::suites::LabTest;
use veraft_labs::trace::{Endings, validate};
use veraft_models::Cluster;

use crate::actor_model;
use crate::engine_args::Engine;
use crate::engines;
use crate::engines::timely::{SearchError, Space};
use crate::progress::Progress;
use crate::recovery;
use crate::saved::SavedError;
use crate::scopes::{Kind, Scope};
use crate::trace::{Narrate, conversation};
use crate::verdict::{Verdict, Word};
use crate::walk::{Walk, walk};

/// How to search.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What searches.
    pub engine: Engine,
    /// Only this property, if one is named.
    pub property: Option<String>,
    /// Whether the cluster is to recover from every state, and how that is tried; none to look
    /// at each state alone.
    pub recovery: Option<recovery::Settings>,
    /// Ends the search when it is set.
    pub interrupted: Arc<AtomicBool>,
}

/// Searches one scope.
///
/// # Errors
/// When the search ended without anything to say about the scope.
pub fn scope(scope: &Scope, options: &Options) -> Result<Verdict, SearchError> {
    if let Some(settings) = options.recovery {
        return Ok(recovery::check(scope, settings, &options.interrupted));
    }
    match scope.kind {
        Kind::Cluster(environment) => {
            let cluster = Cluster::new(scope.bounds, environment);
            let cluster = cluster.only(options.property.as_deref());
            let wide = match &options.engine {
                Engine::Timely(settings) => settings.wide_fingerprints,
                Engine::Stateright { .. } => false,
            };
            search(scope, scope.begin(if wide { cluster.wide() } else { cluster }), options)
        }
        Kind::ActorModel => search(scope, actor_model::model(scope.bounds), options),
    }
}

fn search<S>(scope: &Scope, space: S, options: &Options) -> Result<Verdict, SearchError>
where
    S: Space + Narrate,
{
    let mut progress = Progress::new(scope.name);
    let interrupted = &options.interrupted;
    Ok(match &options.engine {
        Engine::Stateright { workers } => {
            let orbit = space.orbit();
            let outcome =
                engines::stateright::search(space, *workers, orbit, &mut progress, interrupted);
            Verdict::new(scope, "stateright", outcome)
        }
        Engine::Timely(settings) => {
            let outcome = engines::timely::search(space, settings, &mut progress, interrupted)?;
            Verdict::new(scope, "timely", outcome)
        }
    })
}

/// The table of all verdicts, for a terminal of 80 columns.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["scope", "states", "depth", "generated", "seconds", "B/state", "verdict"]);
    for verdict in verdicts {
        table.add_row([
            verdict.scope.clone(),
            HumanCount(verdict.unique_states).to_string(),
            verdict.depth.to_string(),
            HumanCount(verdict.generated_states).to_string(),
            format!("{:.1}", verdict.seconds),
            HumanCount(verdict.peak_rss_bytes / verdict.unique_states.max(1)).to_string(),
            summary(verdict),
        ]);
    }
    for column in 1..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The verdict on a scope, in a few words.
pub fn summary(verdict: &Verdict) -> String {
    let count = |word| verdict.with(word).count();
    let (held, found) = (count(Word::Holds), count(Word::Found));
    match (verdict.is_failure(), verdict.exhausted) {
        (true, _) => "FAILS".to_owned(),
        (false, false) => "not exhausted".to_owned(),
        (false, true) => format!("{held} hold, {found} found"),
    }
}

/// What there is to say about a scope that did not pass: the trace first.
pub fn explain(verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let scope = &verdict.scope;
    for property in verdict.with(Word::Violated) {
        let trace = property.trace.as_deref().unwrap_or_default();
        writeln!(out, "\n{scope}: {} is violated in {} steps:\n", property.name, trace.len())?;
        writeln!(out, "{}", conversation(trace))?;
    }
    for property in verdict.with(Word::NotFound) {
        writeln!(out, "{scope}: no state was found in which {}: an", property.name)?;
        writeln!(out, "  invariant over a space without it proves little")?;
    }
    for change in &verdict.changed {
        writeln!(out, "{scope}: a pinned count changed: {change}")?;
    }
    if !verdict.exhausted && !verdict.is_failure() {
        let states = HumanCount(verdict.unique_states);
        let reason = verdict.stopped.as_deref().unwrap_or_default();
        writeln!(out, "{scope}: not exhausted: {states} states to depth {}", verdict.depth)?;
        writeln!(out, "  {reason}")?;
    }
    Ok(())
}

/// Which properties hold in all scopes, and what was reached, by name.
pub fn proved(verdicts: &[Verdict]) -> String {
    let named = |word| {
        let mut names: Vec<&str> = Vec::new();
        for property in verdicts.iter().flat_map(|verdict| verdict.with(word)) {
            if !names.contains(&property.name) {
                names.push(property.name);
            }
        }
        names.join("\n  ")
    };
    let (holds, found) = (named(Word::Holds), named(Word::Found));
    format!("holds in every state:\n  {holds}\nreached:\n  {found}")
}

/// Everything a person wants to see at the end: the table, what was proved, what failed.
pub fn summarise(verdicts: &[Verdict], out: &mut impl Write) -> io::Result<()> {
    if let [verdict @ Verdict { recovery: Some(tried), .. }] = verdicts {
        return recovery::told::summarise(verdict, tried, out);
    }
    writeln!(out, "{}\n", table(verdicts))?;
    if verdicts.iter().all(|verdict| verdict.exit_status() == 0) {
        let peak = verdicts.iter().map(|verdict| verdict.peak_rss_bytes).max().unwrap_or_default();
        let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
        writeln!(out, "{}\n", proved(verdicts))?;
        writeln!(out, "exhausted in {seconds:.1} s, with {} of memory", HumanBytes(peak))?;
        writeln!(out, "{}", collisions(verdicts))?;
    }
    verdicts.iter().try_for_each(|verdict| explain(verdict, out))
}

/// Writes every trace of these verdicts into `folder`, and says where the violated ones are.
pub fn save(verdicts: &[Verdict], folder: &Path) -> Result<(), SavedError> {
    for verdict in verdicts {
        for property in &verdict.properties {
            let Some(saved) = verdict.saved(property) else { continue };
            let path = saved.write(folder)?;
            if property.verdict == Word::Violated {
                eprintln!("check replay {}", path.display());
            }
        }
    }
    Ok(())
}

/// The chance that a collision of fingerprints hid a state of any of these scopes.
fn collisions(verdicts: &[Verdict]) -> String {
    let chance: f64 = verdicts.iter().map(|verdict| verdict.collision_probability).sum();
    let bits = verdicts.iter().map(|verdict| verdict.fingerprint_bits).min().unwrap_or_default();
    format!("the chance that fingerprints of {bits} bits hid a state is below {chance:.1e}")
}

/// The exit status of a run of `asked` scopes: that of its gravest failure.
pub fn exit_status(verdicts: &[Verdict], asked: usize) -> u8 {
    let statuses: Vec<u8> = verdicts.iter().map(Verdict::exit_status).collect();
    match () {
        () if statuses.contains(&1) => 1,
        () if statuses.contains(&3) || statuses.len() < asked => 3,
        () => 0,
    }
}

/// Runs lab tests in simulation; answers with the exit status.
pub fn labs(tests: Vec<&'static LabTest>, seeds: Range<u64>) -> u8 {
    let simulation = Simulation::new(tests, seeds.start, seeds.end - seeds.start);
    let bar = ProgressBar::new(0);
    let reports = simulate(&simulation, &|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    reports.iter().for_each(|report| println!("{report}"));
    u8::from(reports.iter().any(|report| report.failure.is_some()))
}

/// Walks through a scope, once for each seed; answers with the exit status.
pub fn walks(scope: &Scope, seeds: Range<u64>, steps: u64) -> u8 {
    for seed in seeds {
        let Walk { steps, led_terms, committed, violation } = walk(scope, seed, steps);
        let name = scope.name;
        println!(
            "{name}, seed {seed}: {steps} steps, {led_terms} terms with a leader, \
             {committed} entries committed"
        );
        if let Some((property, trace)) = violation {
            println!("{property} is violated:\n\n{}", conversation(&trace));
            println!("again: check simulate {name} --seed {seed}");
            return 1;
        }
    }
    0
}

/// Validates recordings; answers with the exit status.
pub fn trace(files: &[PathBuf], whole: bool) -> u8 {
    let endings = if whole { Endings::Whole } else { Endings::MayBeLost };
    match validate(files, endings) {
        Ok(validated) => {
            println!(
                "{} servers, {} lives, {} steps replayed to the same states; {} messages were \
                 sent before they were received; {} terms led, {} entries applied",
                validated.servers,
                validated.lives,
                validated.steps,
                validated.received,
                validated.led_terms,
                validated.applied,
            );
            let cut_off = validated.cut_off.iter();
            cut_off.for_each(|position| println!("{position}: cut off by a crash"));
            let past = validated.unrecorded_past.iter();
            past.for_each(|position| println!("{position}: starts with a past not recorded"));
            0
        }
        Err(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            1
        }
    }
}
