//! `check rules`: the page of rules.

use crate::evidence::rules::page;
use crate::terminal::printer::Printer;

/// Prints `docs/figure2.md`.
pub fn run(out: &mut Printer) -> u8 {
    out.text(page::page());
    0
}
