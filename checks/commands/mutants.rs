//! `check mutants`: whether each mutant is caught.

use clap::Args;

use crate::evidence::mutants::suite::{self, Choice};
use crate::terminal::printer::Printer;

/// Which mutants.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// The mutants: see `check list`; all, if none is named
    names: Vec<String>,
    /// The dozen of this number, counted around the table: another each day, for one
    #[arg(long, value_name = "N", conflicts_with = "names")]
    dozen: Option<usize>,
}

/// Tries the mutants; answers with the exit status.
///
/// # Errors
/// When no mutant is called so, or another `check mutants` is at work.
pub fn run(args: &MutantsArgs, out: &mut Printer) -> Result<u8, String> {
    suite::run(&args.choice(), out)
}

impl MutantsArgs {
    fn choice(&self) -> Choice {
        match (self.dozen, &self.names[..]) {
            (Some(number), _) => Choice::Dozen(number),
            (None, []) => Choice::All,
            (None, names) => Choice::Named(names.to_vec()),
        }
    }
}
