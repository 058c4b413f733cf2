//! The command line of veraft's checks: see `check --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    veraft_checks::cli::main()
}
