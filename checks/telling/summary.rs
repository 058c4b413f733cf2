//! What searches of scopes showed, in words.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};

use crate::evidence::saved::SavedError;
use crate::evidence::verdict::{Verdict, Word};
use crate::scopes::trace::conversation;
use crate::telling::recovery;
use crate::telling::table::VerdictTable;

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
        let most = if property.shortest { "" } else { "at most " };
        let (name, steps) = (property.name, trace.len());
        writeln!(out, "{scope}: {name} is violated in {most}{steps} steps:\n")?;
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
        writeln!(out, "  `check pins {scope}` prints checks/scopes/pins.rs anew")?;
    }
    if !verdict.exhausted && !verdict.is_failure() {
        let states = HumanCount(verdict.unique_states);
        let reason = verdict.stopped.as_deref().unwrap_or_default();
        let depth = verdict.depth.map_or(String::new(), |depth| format!(" to depth {depth}"));
        writeln!(out, "{scope}: not exhausted: {states} states{depth}")?;
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
        return recovery::summarise(verdict, tried, out);
    }
    if let [verdict] = verdicts {
        writeln!(out, "{}", VerdictTable::of_one(verdict))?;
    }
    writeln!(out)?;
    if verdicts.iter().all(|verdict| verdict.exit_status() == 0) {
        let peak = verdicts.iter().map(|verdict| verdict.peak_rss_bytes).max().unwrap_or_default();
        let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
        writeln!(out, "{}\n", proved(verdicts))?;
        if let [verdict] = verdicts
            && verdict.extent.environment.antichain
        {
            let (looked_at, states) = (verdict.expanded_states, verdict.unique_states);
            let (looked_at, states) = (HumanCount(looked_at), HumanCount(states));
            writeln!(out, "states are told apart by what properties see: {states}; each with the")?;
            writeln!(out, "most letters under way, {looked_at} were looked at")?;
        }
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
