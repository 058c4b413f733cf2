//! `check bench`: how fast the timely engine is with more workers and processes, and how a
//! scope grows with its bounds.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Args;
use comfy_table::{Table, presets};
use indicatif::HumanCount;
use plotters::prelude::*;
use serde::Deserialize;
use thiserror::Error;
use veraft_models::Bounds;

use crate::commands::output::try_file;
use crate::evidence::verdict::NOT_EXHAUSTED;
use crate::scopes::{Kind, Scope, named};
use crate::terminal::printer::{Printer, note};

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The scope: see `check list`
    #[arg(default_value = "replication")]
    scope: String,
    /// Measure so often, and take the fastest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Draw the growth into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// Measures the scope; answers with the exit status.
///
/// # Errors
/// When there is no such scope, or the plot cannot be drawn.
pub fn run(args: &BenchArgs, out: &mut Printer) -> Result<u8, String> {
    let scope = named(&args.scope)?;
    if scope.kind == Kind::ActorModel {
        return Err("actor-model does not grow: measure a cluster".to_owned());
    }
    match report(&scope, args.rounds.into(), args.plot.as_deref()) {
        Ok(tables) => {
            out.text(tables);
            Ok(0)
        }
        Err(error @ BenchError::Plot { .. }) => Err(error.to_string()),
        Err(error) => {
            note(format_args!("check: {error}"));
            Ok(NOT_EXHAUSTED)
        }
    }
}

/// What a run says about itself; the rest of its JSON is not looked at.
#[derive(Clone, Debug, Deserialize)]
struct Run {
    unique_states: u64,
    generated_states: u64,
    exhausted: bool,
    seconds: f64,
    table_bytes: Option<u64>,
}

/// Why there is no report.
#[derive(Debug, Error)]
enum BenchError {
    /// A run could not be started, or its files not be written.
    #[error("cannot run the scope: {0}")]
    Io(#[from] io::Error),
    /// A run ended without a verdict.
    #[error("a run of {0} ended without a verdict: {1}")]
    NoVerdict(String, String),
    /// The plot could not be drawn.
    #[error("cannot draw {}: {problem}", path.display())]
    Plot {
        /// Where it should be.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
}

/// Measures `scope` and how it grows, and draws the growth into `svg`; answers the tables.
///
/// Speeds are measured `rounds` times, in turns, and the fastest of each is taken: whatever else
/// the machine does can only slow a run down.
///
/// # Errors
/// When a run fails.
fn report(scope: &Scope, rounds: usize, svg: Option<&Path>) -> Result<String, BenchError> {
    if let Some(path) = svg {
        // Before the measurement, which takes its time.
        let plot = |error: io::Error| BenchError::Plot {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        try_file(path).map_err(plot)?;
    }
    let speeds = speeds(scope, rounds)?;
    let growth = growth(scope)?;
    if let Some(path) = svg {
        let failed = |problem| BenchError::Plot { path: path.to_owned(), problem };
        plot(scope, &growth, path).map_err(|error| failed(error.to_string()))?;
    }
    Ok(format!("{}\n\n{}\n", speed_table(&speeds), growth_table(&growth)))
}

/// A number of workers, a number of processes, and the fastest run with them.
type Speed = (usize, usize, Run);

fn speeds(scope: &Scope, rounds: usize) -> Result<Vec<Speed>, BenchError> {
    let mut speeds: Vec<Speed> = Vec::new();
    for _ in 0..rounds.max(1) {
        for (place, (workers, processes)) in [(1, 1), (2, 1), (1, 2)].into_iter().enumerate() {
            let run = measured(scope.name, scope.bounds, workers, processes)?;
            match speeds.get_mut(place) {
                Some((_, _, fastest)) if fastest.seconds <= run.seconds => {}
                Some((_, _, fastest)) => *fastest = run,
                None => speeds.push((workers, processes, run)),
            }
        }
    }
    Ok(speeds)
}

fn speed_table(speeds: &[Speed]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "processes",
        "workers each",
        "transitions/s",
        "states/s",
        "B/state",
        "times",
    ]);
    let alone = speeds.first().map_or(f64::NAN, |(_, _, run)| run.seconds);
    for (workers, processes, run) in speeds {
        let rate = |states: u64| HumanCount((states as f64 / run.seconds) as u64).to_string();
        let bytes = run.table_bytes.unwrap_or_default() as f64 / run.unique_states as f64;
        table.add_row([
            processes.to_string(),
            workers.to_string(),
            rate(run.generated_states),
            rate(run.unique_states),
            format!("{bytes:.1}"),
            format!("{:.2}", alone / run.seconds),
        ]);
    }
    table.trim_fmt()
}

/// Puts a value in the place of a bound.
type With = fn(Bounds, u64) -> Bounds;

/// For each bound: its name, and the states for each of its values up to the scope's.
type Growth = Vec<(&'static str, Vec<(u64, u64)>)>;

fn growth(scope: &Scope) -> Result<Growth, BenchError> {
    let most = scope.bounds;
    let bounds: [(_, _, _, With); 5] = [
        ("servers", 1, most.servers as u64, |b, n| Bounds { servers: n as usize, ..b }),
        ("terms", 1, most.terms, |b, n| Bounds { terms: n, ..b }),
        ("entries", 0, most.entries, |b, n| Bounds { entries: n, ..b }),
        ("restarts", 0, u64::from(most.restarts), |b, n| Bounds { restarts: n as u32, ..b }),
        ("compactions", 0, u64::from(most.compactions), |b, n| Bounds {
            compactions: n as u32,
            ..b
        }),
    ];
    bounds
        .into_iter()
        .map(|(name, least, most_of_it, with)| {
            let point = |value| {
                let run = measured(scope.name, with(most, value), 1, 1)?;
                Ok((value, run.unique_states))
            };
            Ok((name, (least..=most_of_it).map(point).collect::<Result<_, BenchError>>()?))
        })
        .collect()
}

fn growth_table(growth: &Growth) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["bound", "states as it grows to the scope's"]);
    for (name, points) in growth {
        let states = |&(value, states): &(u64, u64)| format!("{value}: {}", HumanCount(states));
        table.add_row([
            (*name).to_owned(),
            points.iter().map(states).collect::<Vec<_>>().join("  "),
        ]);
    }
    table.trim_fmt()
}

fn plot(scope: &Scope, growth: &Growth, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let points = || growth.iter().flat_map(|(_, points)| points);
    let widest = points().map(|&(value, _)| value).max().unwrap_or(1);
    let highest = points().map(|&(_, states)| states).max().unwrap_or(1);
    let area = SVGBackend::new(path, (720, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("states of {} as each bound grows", scope.name), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(0..widest + 1, (1..highest * 2).log_scale())?;
    chart.configure_mesh().x_desc("bound").y_desc("states").draw()?;
    for (place, (name, points)) in growth.iter().enumerate() {
        let color = Palette99::pick(place).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color).point_size(3))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

/// Runs a scope in processes of its own.
fn measured(
    scope: &str,
    bounds: Bounds,
    workers: usize,
    processes: usize,
) -> Result<Run, BenchError> {
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    // The ports are free now, and a moment later most likely still.
    let listen = |_| TcpListener::bind("127.0.0.1:0");
    let listeners = (0..processes).map(listen).collect::<io::Result<Vec<_>>>()?;
    let addresses =
        listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    std::fs::write(&hosts, lines)?;
    drop(listeners);
    let start = |process: usize| {
        let mut command = Command::new(std::env::current_exe()?);
        let Bounds { servers, terms, entries, restarts, compactions } = bounds;
        command.args(["run", scope, "--engine", "timely", "--json"]);
        command.args(["--workers", &workers.to_string(), "--servers", &servers.to_string()]);
        command.args(["--terms", &terms.to_string(), "--entries", &entries.to_string()]);
        command.args(["--restarts", &restarts.to_string()]);
        command.args(["--compactions", &compactions.to_string()]);
        if processes > 1 {
            command.arg("--hosts").arg(&hosts).args(["--process", &process.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let children = (0..processes).map(start).collect::<io::Result<Vec<Child>>>()?;
    let mut answer = None;
    for child in children {
        let output = child.wait_with_output()?;
        if answer.is_none() {
            let run = serde_json::from_slice(&output.stdout).ok().filter(|run: &Run| run.exhausted);
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            answer = Some(run.ok_or_else(|| BenchError::NoVerdict(scope.to_owned(), complaint)));
        }
    }
    answer.unwrap_or_else(|| Err(BenchError::NoVerdict(scope.to_owned(), String::new())))
}
