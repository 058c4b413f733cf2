//! `check trace`: validates recordings of nodes.

use std::path::PathBuf;

use clap::Args;
use veraft_labs::trace::{Endings, validate_judged};

use crate::evidence::proof::refinement::REFINEMENT;
use crate::terminal::printer::Printer;

/// Which recordings.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// One file per node
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Demand the last lines too, which a machine without power loses, but no killed process
    #[arg(long)]
    whole: bool,
}

/// Validates recordings; answers with the exit status.
///
/// # Errors
/// When one of the files is none.
pub fn run(args: &TraceArgs, out: &mut Printer) -> Result<u8, String> {
    if let Some(missing) = args.files.iter().find(|file| !file.is_file()) {
        return Err(format!("{} is not a file", missing.display()));
    }
    Ok(told(&args.files, args.whole, out))
}

fn told(files: &[PathBuf], whole: bool, out: &mut Printer) -> u8 {
    let endings = if whole { Endings::Whole } else { Endings::MayBeLost };
    match validate_judged(files, endings, Some(&REFINEMENT)) {
        Ok(validated) => {
            out.line(format_args!(
                "{} servers, {} lives, {} steps replayed to the same states; {} steps and starts \
                 made up of actions that are proved to be safe; {} messages were sent before \
                 they were received; {} terms led, {} entries applied",
                validated.servers,
                validated.lives,
                validated.steps,
                validated.judged,
                validated.received,
                validated.led_terms,
                validated.applied,
            ));
            let cut_off = validated.cut_off.iter();
            cut_off.for_each(|at| out.line(format_args!("{at}: cut off by a crash")));
            let past = validated.unrecorded_past.iter();
            past.for_each(|at| out.line(format_args!("{at}: starts with a past not recorded")));
            0
        }
        Err(findings) => {
            findings.iter().for_each(|finding| out.line(finding));
            1
        }
    }
}
