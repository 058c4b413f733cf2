//! `check mutants`: whether each mutant is caught.

use clap::Args;

use crate::evidence::mutants::choice::Choice;
use crate::evidence::mutants::suite::{self, Shown};
use crate::terminal::printer::Printer;

/// Which mutants.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// The mutants: see `check list`; all, if none is named
    names: Vec<String>,
    /// The dozen of this number, counted around the table: another each day, for one
    #[arg(long, value_name = "N", conflicts_with = "names")]
    dozen: Option<usize>,
    /// Those whose rule, source, test or row stands in one of these files
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "names")]
    touching: Vec<String>,
    /// No more of those than so many; the others in turn, by the number of the dozen
    #[arg(long, value_name = "N", requires = "touching")]
    at_most: Option<usize>,
    /// Of those that break a property of safety, ask whether the refinement alone shows it
    #[arg(long)]
    refinement: bool,
    /// Only name the mutants that would be tried
    #[arg(long)]
    list: bool,
}

/// Tries the mutants; answers with the exit status.
///
/// # Errors
/// When no mutant is called so, or another `check mutants` is at work.
pub fn run(args: &MutantsArgs, out: &mut Printer) -> Result<u8, String> {
    match args.list {
        true => suite::list(&args.choice(), args.shown(), out),
        false => suite::run(&args.choice(), args.shown(), out),
    }
}

impl MutantsArgs {
    fn shown(&self) -> Shown {
        match self.refinement {
            true => Shown::ByRefinement,
            false => Shown::AsStated,
        }
    }

    fn choice(&self) -> Choice {
        let MutantsArgs { names, dozen, touching, at_most, refinement: _, list: _ } = self;
        match (&names[..], dozen, &touching[..]) {
            ([], None, []) => Choice::All,
            ([], ..) => {
                Choice::InTurn { touching: touching.clone(), at_most: *at_most, dozen: *dozen }
            }
            (names, ..) => Choice::Named(names.to_vec()),
        }
    }
}
