//! How to search, as the command line says it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::commands::output::{try_existing_folder, try_folder};
use crate::engines::timely::TimelySettings;
use crate::engines::timely::hosts::Hosts;
use crate::engines::{Engine, cores};
use crate::scopes::Scope;

/// The options that choose an engine and its limits.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    #[command(flatten)]
    choice: EngineChoice,
    #[command(flatten)]
    timely: TimelyArgs,
}

/// The options that every engine has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineChoice {
    /// What searches [default: stateright; timely where maximal states alone are looked at]
    #[arg(long, value_enum)]
    engine: Option<EngineName>,
    /// Threads; with one, or with timely, counterexamples are shortest [default: 1; every core
    /// where the engine is timely by itself]
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
}

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// stateright's breadth-first search
    Stateright,
    /// Level by level on timely dataflow: threads, processes, limits, checkpoints
    Timely,
}

/// What only the timely engine can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Engine: timely alone")]
struct TimelyArgs {
    /// Search with several processes, listed one host:port a line
    #[arg(long, value_name = "FILE", requires = "process")]
    hosts: Option<PathBuf>,
    /// Which of them this is, from 0; process 0 prints the verdict
    #[arg(long, value_name = "I", requires = "hosts")]
    process: Option<usize>,
    /// Bits of a state's fingerprint
    #[arg(long, value_name = "BITS", value_parser = ["64", "128"])]
    fingerprint_bits: Option<String>,
    /// Memory for states not yet expanded, such as 512M, before they go to disk [default: a
    /// quarter of all memory]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    frontier_memory: Option<u64>,
    /// Where they go [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    spill_dir: Option<PathBuf>,
    /// End the search, not exhausted, when the process takes more, such as 8G
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<u64>,
    /// End the search, not exhausted, behind this many levels
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_depth: Option<u64>,
    /// Save the search between levels, so that it can be resumed. A folder belongs to one search,
    /// whose processes may share it. A search begins where nothing is saved yet, or goes on
    /// from its own with --resume; any other folder is refused
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Seconds between two checkpoints, at least [default: 60]
    #[arg(long, value_name = "SECONDS", requires = "checkpoint")]
    checkpoint_every: Option<u64>,
    /// Go on from the last checkpoint that all workers have
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

impl EngineChoice {
    /// The engine for `scope`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn engine(&self, scope: &Scope) -> Result<Engine, String> {
        let timely = TimelyArgs::default();
        EngineArgs { choice: self.clone(), timely }.engine(scope, None)
    }
}

impl TimelyArgs {
    /// The options that are given.
    fn given(&self) -> Vec<&'static str> {
        let Self {
            hosts,
            process,
            fingerprint_bits,
            frontier_memory,
            spill_dir,
            max_memory,
            max_depth,
            checkpoint,
            checkpoint_every,
            resume,
        } = self;
        let given = [
            ("--hosts", hosts.is_some()),
            ("--process", process.is_some()),
            ("--fingerprint-bits", fingerprint_bits.is_some()),
            ("--frontier-memory", frontier_memory.is_some()),
            ("--spill-dir", spill_dir.is_some()),
            ("--max-memory", max_memory.is_some()),
            ("--max-depth", max_depth.is_some()),
            ("--checkpoint", checkpoint.is_some()),
            ("--checkpoint-every", checkpoint_every.is_some()),
            ("--resume", *resume),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }
}

impl EngineArgs {
    /// The engine for `scope`. Folders that it writes into are tried.
    ///
    /// # Errors
    /// When the options do not fit together.
    pub fn engine(&self, scope: &Scope, property: Option<&str>) -> Result<Engine, String> {
        let by_itself = scope.is_antichain();
        let engine = self.choice.engine.unwrap_or(match by_itself {
            true => EngineName::Timely,
            false => EngineName::Stateright,
        });
        let workers = match self.choice.workers {
            Some(workers) => usize::from(workers),
            None if by_itself && self.choice.engine.is_none() => cores(),
            None => 1,
        };
        if engine == EngineName::Stateright {
            return match &self.timely.given()[..] {
                [] => Ok(Engine::Stateright { workers }),
                given => Err(format!("only --engine timely has {}", given.join(", "))),
            };
        }
        if let Some(folder) = &self.timely.checkpoint {
            try_folder("--checkpoint", folder)?;
        }
        if let Some(folder) = &self.timely.spill_dir {
            try_existing_folder("--spill-dir", folder)?;
        }
        let TimelyArgs { hosts, process, fingerprint_bits, frontier_memory, .. } = &self.timely;
        let hosts = match (hosts, process) {
            (Some(hosts), Some(process)) => {
                Some(Hosts::read(hosts, *process).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        let usual = TimelySettings::new(workers, scope.identity(property));
        Ok(Engine::Timely(Box::new(TimelySettings {
            hosts,
            wide_fingerprints: fingerprint_bits.as_deref() == Some("128"),
            frontier_memory: frontier_memory.unwrap_or(usual.frontier_memory),
            spill_folder: self.timely.spill_dir.clone().unwrap_or(usual.spill_folder),
            max_memory: self.timely.max_memory,
            max_depth: self.timely.max_depth,
            checkpoint: self.timely.checkpoint.clone(),
            checkpoint_interval: Duration::from_secs(self.timely.checkpoint_every.unwrap_or(60)),
            resume: self.timely.resume,
            ..usual
        })))
    }
}

/// A number of bytes, with K, M, G or T for powers of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let problem = || format!("{text:?} is no size such as 512M or 8G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        "T" | "TIB" => 40,
        _ => return Err(problem()),
    };
    let number: u64 = digits.parse().map_err(|_| problem())?;
    number.checked_mul(1 << unit).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("64K"), Ok(64 << 10));
        assert_eq!(bytes("3GiB"), Ok(3 << 30));
        assert!(bytes("G").is_err() && bytes("5X").is_err() && bytes("99999999T").is_err());
    }
}
