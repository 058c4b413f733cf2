//! What `check prove` shows by finite states: each claim with its verdict, and the state.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::evidence::proof::finite::claims::{Claim, Settled, bent, needed, possible};
use crate::evidence::proof::finite::search::{Seeking, Sought};
use crate::evidence::proof::finite::sizes::{ABSENT, GROWING, Sizes};
use crate::evidence::proof::finite::telling::folded;
use crate::evidence::verdict::NOT_EXHAUSTED;
use crate::terminal::printer::{Printer, note};
use crate::terminal::progress::counting;

/// All of a kind, where one is asked for by name.
const ALL: &str = "all";

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Demanded<'a> {
    /// That each action can happen.
    pub possible: bool,
    /// That this bend breaks a lemma.
    pub bend: Option<&'a str>,
    /// That this lemma is needed.
    pub without: Option<&'a str>,
}

impl Demanded<'_> {
    /// The claims; none where nothing is asked for.
    ///
    /// # Errors
    /// When there is nothing of that name; it tells all names.
    pub fn claims(&self) -> Result<Vec<Claim>, String> {
        let mut claims = if self.possible { possible() } else { Vec::new() };
        if let Some(name) = self.bend {
            claims.extend(named("--bend", "bend", bent(), name)?);
        }
        if let Some(name) = self.without {
            claims.extend(named("--without", "lemma proved by induction", needed(), name)?);
        }
        Ok(claims)
    }
}

fn named(option: &str, kind: &str, all: Vec<Claim>, name: &str) -> Result<Vec<Claim>, String> {
    if name == ALL {
        return Ok(all);
    }
    let names: Vec<&str> = all.iter().map(|claim| claim.name).collect();
    if !names.contains(&name) {
        let names = names.join(", ");
        return Err(format!("{option} {name}: no {kind} is called so, but `all` and {names}"));
    }
    Ok(all.into_iter().filter(|claim| claim.name == name).collect())
}

/// Judges each claim; answers with the exit status. A solver that fails has given up.
pub fn run(claims: &[Claim], seeking: &Seeking, as_json: bool, out: &mut Printer) -> u8 {
    let bar = counting(claims.len() as u64);
    let (mut judged, mut worst) = (Vec::new(), Settled::Shown);
    let began = Instant::now();
    for claim in claims {
        bar.set_message(claim.name);
        let started = Instant::now();
        let (finding, sought) = claim.judge(seeking).unwrap_or_else(|error| {
            let program = seeking.solver.program();
            bar.suspend(|| note(format_args!("{}: {program} failed: {error}", claim.name)));
            (Settled::Unsettled, Sought::Nowhere)
        });
        worst = worst.max(finding);
        bar.inc(1);
        let told = bar.suspend(|| told(claim, finding, &sought));
        match as_json {
            true => judged.push(as_object(claim, finding, &sought, started.elapsed())),
            false => bar.suspend(|| out.line(told)),
        }
        if out.is_lost() {
            break;
        }
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let summary = format!("claims: {}, in {seconds:.1} s: {}", claims.len(), word(worst));
    match as_json {
        true => {
            note(summary);
            out.line(json!({ "solver": seeking.solver, "seconds": seconds, "claims": judged }));
        }
        false => out.line(summary),
    }
    match worst {
        Settled::Shown => 0,
        Settled::Unsettled => NOT_EXHAUSTED,
        Settled::Disproved => 1,
    }
}

fn word(finding: Settled) -> &'static str {
    match finding {
        Settled::Shown => "as stated",
        Settled::Unsettled => "the solver gave up",
        Settled::Disproved => "NOT as stated",
    }
}

fn told(claim: &Claim, finding: Settled, sought: &Sought) -> String {
    let Claim { name, says, .. } = claim;
    let (sizes, state) = match sought {
        Sought::Found(example, sizes) => (sizes.to_string(), example.to_string()),
        Sought::GaveUp(sizes) => (sizes.to_string(), String::new()),
        Sought::Nowhere if finding == Settled::Unsettled => ("no answer".to_owned(), String::new()),
        Sought::Nowhere => {
            let last = if claim.exists { GROWING.last() } else { ABSENT.last() };
            let last = last.map(Sizes::to_string).unwrap_or_default();
            (format!("no such state up to {last}"), String::new())
        }
    };
    let head = format!("{name}: {says}: {} ({sizes})", word(finding));
    format!("{}\n{state}", folded("", &head))
}

fn as_object(claim: &Claim, finding: Settled, sought: &Sought, took: Duration) -> Value {
    let (sizes, state, fallen) = match sought {
        Sought::Found(example, sizes) => {
            let fallen: Vec<&str> = example.fallen.iter().map(|lemma| lemma.name).collect();
            (Some(sizes.to_string()), Some(example.to_string()), fallen)
        }
        Sought::Nowhere => (None, None, Vec::new()),
        Sought::GaveUp(sizes) => (Some(sizes.to_string()), None, Vec::new()),
    };
    json!({ "name": claim.name, "says": claim.says, "verdict": word(finding), "sizes": sizes,
        "state": state, "fallen": fallen, "seconds": took.as_secs_f64() })
}
