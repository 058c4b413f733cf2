//! The command line of veraft's checks: see `check --help`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

fn main() -> ExitCode {
    veraft_checks::cli::main()
}
