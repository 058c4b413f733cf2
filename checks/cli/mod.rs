//! The command line: stable, for scripts rely on it.

mod args;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

use crate::commands::{
    bench, explore, invariant, list, mutants, pins, prove, recover, replay, rules, run, search,
    simulate, trace,
};
use crate::terminal::printer::{Printer, note};

/// Bad usage.
const USAGE: u8 = 2;

/// The command line as clap knows it: which commands there are, and what each takes.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line, and answers with its exit status.
pub fn main() -> ExitCode {
    let mut out = Printer::stdout();
    let status = match Cli::try_parse() {
        Ok(cli) => match dispatch(cli, &mut out) {
            Ok(status) => status,
            Err(problem) => complain(&problem),
        },
        // Help, or the version.
        Err(error) if !error.use_stderr() => {
            out.printed(error.print());
            0
        }
        Err(error) => complain(&usage::told(&error)),
    };
    ExitCode::from(out.end(status))
}

/// Says what is wrong with the command that was given.
fn complain(problem: &str) -> u8 {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    match usage::command(arguments) {
        Some(command) => note(format_args!("check {command}: {problem}")),
        None => note(format_args!("check: {problem}")),
    }
    USAGE
}

fn dispatch(cli: Cli, out: &mut Printer) -> Result<u8, String> {
    let Cli { command, output } = cli;
    let Some(command) = command else { return search::default_run(&output, out) };
    if let Some(option) = usage::refused(command.name(), &output.given()) {
        return Err(format!("it takes no --{option}"));
    }
    match command {
        Command::List => Ok(list::run(out)),
        Command::Run(args) => run::run(*args, output, out),
        Command::Pins(args) => pins::run(&args, out),
        Command::Recover(args) => recover::run(args, output, out),
        Command::Replay(args) => replay::run(args, output, out),
        Command::Explore(args) => explore::run(&args),
        Command::Bench(args) => bench::run(&args, out),
        Command::Mutants(args) => mutants::run(&args, out),
        Command::Simulate(args) => simulate::run(&args, out),
        Command::Trace(args) => trace::run(&args, out),
        Command::Invariant(args) => Ok(invariant::run(&args, output.json, out)),
        Command::Prove(args) => prove::run(&args, output.json, out),
        Command::Rules(args) => Ok(rules::run(&args, out)),
    }
}
