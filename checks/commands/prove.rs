//! `check prove`: has solvers prove that every action of the abstract system keeps the invariant.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::json;

use crate::commands::claims::{self, Demanded};
use crate::commands::refinement;
use crate::engines;
use crate::evidence::proof::finite::claims::Claim;
use crate::evidence::proof::finite::search::Seeking;
use crate::evidence::proof::obligations::{Obligation, obligations};
use crate::evidence::proof::proving::{Asking, Judged, Opinion, prove};
use crate::evidence::proof::solver::{Answer, Solver};
use crate::evidence::verdict::NOT_EXHAUSTED;
use crate::terminal::printer::{Printer, note};
use crate::terminal::progress::counting;

/// What to prove, and who is to.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Only obligations with this text in their name, such as `win/` or `/one_vote`
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// This solver alone; else all that are installed
    #[arg(long, value_name = "NAME")]
    solver: Option<Solver>,
    /// What the solver's random choices begin with
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Ask everything with so many of these, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// How long one question may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..86_400))]
    limit: u64,
    /// Keep every question in this folder, as SMT-LIB
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Ask instead if each step in these scopes is one of the proved actions: see `check list`;
    /// in those of the default run, if none is named
    #[arg(long, value_name = "SCOPE", num_args = 0.., conflicts_with_all = ["only", "solver", "seed", "seeds", "limit", "keep"])]
    refinement: Option<Vec<String>>,
    /// Show instead a small state in which each action can happen
    #[arg(long, conflicts_with_all = ["only", "seeds", "keep", "refinement"])]
    possible: bool,
    /// Show instead a small state in which this bent action breaks the invariant; `all` for each
    #[arg(long, value_name = "NAME", conflicts_with_all = ["only", "seeds", "keep", "refinement"])]
    bend: Option<String>,
    /// Show instead a small state in which this lemma is needed to prove another; `all` for each
    #[arg(long, value_name = "LEMMA", conflicts_with_all = ["only", "seeds", "keep", "refinement"])]
    without: Option<String>,
    /// Print one JSON object on stdout, and the rest on stderr
    #[arg(long)]
    json: bool,
}

/// Has everything proved; answers with the exit status. `as_json`: `--json` stood before the
/// command.
///
/// # Errors
/// When nothing is called so, no solver is installed, or the folder cannot be made.
pub fn run(args: &ProveArgs, as_json: bool, out: &mut Printer) -> Result<u8, String> {
    if let Some(scopes) = &args.refinement {
        return refinement::run(scopes, args.json || as_json, out);
    }
    let claims = args.claims()?;
    if !claims.is_empty() {
        return Ok(claims::run(&claims, &args.seeking()?, args.json || as_json, out));
    }
    let chosen = args.obligations()?;
    let asking = args.asking()?;
    let started = Instant::now();
    let bar = counting(chosen.len() as u64);
    let judged = prove(&chosen, &asking, |one| {
        bar.set_message(one.name.clone());
        bar.inc(1);
    });
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    match args.json || as_json {
        true => {
            note(summary(&judged, &asking, seconds));
            out.line(as_object(&judged, &asking, seconds));
        }
        false => {
            out.line(table(&judged, &asking).trim_fmt());
            judged.iter().flat_map(complaints).for_each(|complaint| out.line(complaint));
            out.line(summary(&judged, &asking, seconds));
        }
    }
    Ok(status(&judged))
}

impl ProveArgs {
    fn obligations(&self) -> Result<Vec<Obligation>, String> {
        let text = self.only.as_deref().unwrap_or_default();
        let chosen: Vec<Obligation> =
            obligations().into_iter().filter(|one| one.name.contains(text)).collect();
        match chosen.is_empty() {
            true => Err(format!("--only {text}: no obligation has that in its name")),
            false => Ok(chosen),
        }
    }

    fn claims(&self) -> Result<Vec<Claim>, String> {
        let ProveArgs { possible, bend, without, .. } = self;
        let (bend, without) = (bend.as_deref(), without.as_deref());
        Demanded { possible: *possible, bend, without }.claims()
    }

    /// Who looks for states: the first solver that is installed.
    fn seeking(&self) -> Result<Seeking, String> {
        let solver = self.solvers()?.swap_remove(0);
        Ok(Seeking { solver, seed: self.seed, limit: Duration::from_secs(self.limit) })
    }

    /// The solvers that are installed, of those that are wanted: one at least.
    fn solvers(&self) -> Result<Vec<Solver>, String> {
        let wanted = self.solver.map_or(Solver::ALL.to_vec(), |solver| vec![solver]);
        let solvers: Vec<Solver> =
            wanted.iter().copied().filter(|solver| solver.version().is_some()).collect();
        if solvers.is_empty() {
            let how: Vec<String> = wanted
                .iter()
                .map(|solver| format!("{} (`{}`)", solver.program(), solver.install()))
                .collect();
            return Err(format!("no solver is installed: it takes {}", how.join(" or ")));
        }
        Ok(solvers)
    }

    fn asking(&self) -> Result<Asking, String> {
        let solvers = self.solvers()?;
        if let Some(keep) = &self.keep {
            std::fs::create_dir_all(keep)
                .map_err(|error| format!("{}: {error}", keep.display()))?;
        }
        Ok(Asking {
            solvers,
            seeds: self.seed..self.seed.saturating_add(self.seeds),
            limit: Duration::from_secs(self.limit),
            keep: self.keep.clone(),
            workers: engines::cores(),
        })
    }
}

/// 1 if there is a counterexample, 3 if a solver's help is missing.
fn status(judged: &[Judged]) -> u8 {
    let worst = judged.iter().map(Judged::verdict).max();
    match worst {
        Some(Answer::Refuted) => 1,
        Some(Answer::Unknown) => NOT_EXHAUSTED,
        Some(Answer::Proved) | None => 0,
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Proved => "proved",
        Answer::Unknown => "gave up",
        Answer::Refuted => "REFUTED",
    }
}

fn table(judged: &[Judged], asking: &Asking) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let solvers = asking.solvers.iter().flat_map(|solver| [solver.program(), "seconds"]);
    table.set_header(["obligation"].into_iter().chain(solvers));
    for column in 0..asking.solvers.len() {
        if let Some(column) = table.column_mut(2 * column + 2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for Judged { name, said } in judged {
        let each = said
            .iter()
            .flat_map(|said| [word(said.verdict).to_owned(), format!("{:.2}", said.seconds)]);
        table.add_row([name.clone()].into_iter().chain(each));
    }
    table
}

/// A line for each solver that failed.
fn complaints(judged: &Judged) -> impl Iterator<Item = String> + '_ {
    judged.said.iter().filter_map(|Opinion { solver, failure, .. }| {
        let failure = failure.as_ref()?;
        Some(format!("{}: {} failed: {failure}", judged.name, solver.program()))
    })
}

fn summary(judged: &[Judged], asking: &Asking, seconds: f64) -> String {
    let of = |place: usize, solver: &Solver| {
        let said = || judged.iter().filter_map(|one| one.said.get(place));
        let proved = said().filter(|said| said.verdict == Answer::Proved).count();
        let questions: usize = said().map(|said| said.questions).sum();
        let took: f64 = said().map(|said| said.seconds).sum();
        let longest = said().map(|said| said.longest).fold(0.0, f64::max);
        let name = solver.version().unwrap_or_else(|| solver.program().to_owned());
        format!(
            "\n{name}: {proved} proved, in {questions} questions, {took:.1} s in all, {longest:.2} s \
             for the longest"
        )
    };
    let solvers: String =
        asking.solvers.iter().enumerate().map(|(place, solver)| of(place, solver)).collect();
    let proved = judged.iter().filter(|one| one.verdict() == Answer::Proved).count();
    format!("{} obligations, {proved} proved, in {seconds:.1} s{solvers}", judged.len())
}

fn as_object(judged: &[Judged], asking: &Asking, seconds: f64) -> serde_json::Value {
    let versions: Vec<_> = asking.solvers.iter().filter_map(|solver| solver.version()).collect();
    let all: Vec<_> = judged
        .iter()
        .map(|one| json!({ "name": one.name, "verdict": one.verdict(), "said": one.said }))
        .collect();
    json!({ "solvers": versions, "seeds": asking.seeds.clone().count(), "seed": asking.seeds.start, "seconds": seconds, "obligations": all })
}
