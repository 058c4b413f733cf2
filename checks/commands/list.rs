//! `check list`: what there is to run.

use crate::evidence::mutants;
use crate::scopes;
use crate::terminal::printer::Printer;

/// Lists scopes, properties and mutants.
pub fn run(out: &mut Printer) -> u8 {
    out.line(format_args!("{}\n{}", scopes::list(), mutants::list()));
    0
}
