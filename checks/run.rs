//! Runs scopes and tells what they showed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::{HumanBytes, HumanCount};
use veraft_labs::trace::{Endings, validate};
use veraft_models::Cluster;

use crate::actor_model;
use crate::engine_args::Engine;
use crate::engines;
use crate::engines::timely::{SearchError, Space};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::recovery;
use crate::saved::SavedError;
use crate::scopes::{Kind, Scope};
use crate::table::Table;
use crate::trace::{Narrate, conversation};
use crate::verdict::{Verdict, Word};

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
    /// Which of how many scopes it is, from 1, to show that it goes on.
    pub place: Option<(usize, usize)>,
    /// Ends the search when it is set.
    pub interrupted: Arc<AtomicBool>,
}

impl Options {
    /// The line that shows how far the search of `scope` has come.
    pub fn progress(&self, scope: &Scope) -> Progress {
        match self.place {
            Some((place, of)) if of > 1 => {
                Progress::new(&format!("{place} of {of} {}", scope.name))
            }
            _ => Progress::new(scope.name),
        }
    }
}

/// Searches one scope.
///
/// # Errors
/// When the search ended without anything to say about the scope.
pub fn scope(scope: &Scope, options: &Options) -> Result<Verdict, SearchError> {
    if let Some(settings) = options.recovery {
        let mut progress = options.progress(scope);
        return Ok(recovery::check(scope, settings, &mut progress, &options.interrupted));
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
    let mut progress = options.progress(scope);
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

/// The verdict on a scope, in a few words.
pub fn summary(verdict: &Verdict) -> String {
    let count = |word| verdict.with(word).count();
    let (held, found) = (count(Word::Holds), count(Word::Found));
    if verdict.is_violated() {
        "FAILS".to_owned()
    } else if verdict.is_failure() {
        "changed".to_owned()
    } else if !verdict.exhausted {
        "not exhausted".to_owned()
    } else {
        format!("{held} hold, {found} found")
    }
}

/// What there is to say about a scope that did not pass: the trace first.
pub fn explain(verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let scope = &verdict.scope;
    for property in verdict.with(Word::Violated) {
        let trace = property.trace.as_deref().unwrap_or_default();
        writeln!(out, "{scope}: {} is violated in {} steps:\n", property.name, trace.len())?;
        writeln!(out, "{}", conversation(trace))?;
    }
    for property in verdict.with(Word::NotFound) {
        writeln!(out, "{scope}: no state was found in which {}: an", property.name)?;
        writeln!(out, "  invariant over a space without it proves little")?;
    }
    for change in verdict.changes() {
        writeln!(out, "{scope}: changed: {change}")?;
    }
    if verdict.is_failure() && !verdict.is_violated() {
        writeln!(out, "  every property holds; if the counts are meant to be new, review them:")?;
        writeln!(out, "  `check pins {scope}` prints checks/pins.rs anew")?;
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

/// Everything a person wants to see at the end: what was proved, what failed; and the table, if
/// it is of one scope.
pub fn summarise(verdicts: &[Verdict], out: &mut impl Write) -> io::Result<()> {
    if let [verdict @ Verdict { recovery: Some(tried), .. }] = verdicts {
        return recovery::told::summarise(verdict, tried, out);
    }
    if let [verdict] = verdicts {
        writeln!(out, "{}", Table::of_one(verdict))?;
    }
    writeln!(out)?;
    if verdicts.iter().all(|verdict| verdict.exit_status() == 0) {
        let peak = verdicts.iter().map(|verdict| verdict.peak_rss_bytes).max().unwrap_or_default();
        let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
        writeln!(out, "{}\n", proved(verdicts))?;
        writeln!(out, "exhausted in {seconds:.1} s, with {} of memory", HumanBytes(peak))?;
        writeln!(out, "{}", collisions(verdicts))?;
    }
    verdicts.iter().try_for_each(|verdict| explain(verdict, out))
}

/// Writes every trace of these verdicts into `folder`; answers the files of the violations.
///
/// # Errors
/// When one cannot be written.
pub fn save(verdicts: &[Verdict], folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    let mut violations = Vec::new();
    for verdict in verdicts {
        for property in &verdict.properties {
            let Some(saved) = verdict.saved(property) else { continue };
            let path = saved.write(folder)?;
            if property.verdict == Word::Violated {
                violations.push(path);
            }
        }
    }
    Ok(violations)
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

/// Validates recordings; answers with the exit status.
pub fn trace(files: &[PathBuf], whole: bool, out: &mut Printer) -> u8 {
    let endings = if whole { Endings::Whole } else { Endings::MayBeLost };
    match validate(files, endings) {
        Ok(validated) => {
            out.line(format_args!(
                "{} servers, {} lives, {} steps replayed to the same states; {} messages were \
                 sent before they were received; {} terms led, {} entries applied",
                validated.servers,
                validated.lives,
                validated.steps,
                validated.received,
                validated.led_terms,
                validated.applied,
            ));
            let cut_off = validated.cut_off.iter();
            cut_off.for_each(|at| out.line(format_args!("{at}: cut off by a crash")));
            let past = validated.unrecorded_past.iter();
            past.for_each(|at| out.line(format_args!("{at}: starts with a past not recorded")));
            0
        }
        Err(findings) => {
            findings.iter().for_each(|finding| out.line(finding));
            1
        }
    }
}
