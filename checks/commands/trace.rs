//! `check trace`: validates recordings of nodes.

use std::path::PathBuf;

use veraft_labs::trace::{Endings, validate};

use crate::terminal::printer::Printer;

/// Validates recordings; answers with the exit status.
pub fn run(files: &[PathBuf], whole: bool, out: &mut Printer) -> u8 {
    let endings = if whole { Endings::Whole } else { Endings::MayBeLost };
    match validate(files, endings) {
        Ok(validated) => {
            out.line(format_args!(
                "{} servers, {} lives, {} steps replayed to the same states; {} messages were \
                 sent before they were received; {} terms led, {} entries applied",
                validated.servers,
                validated.lives,
                validated.steps,
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
