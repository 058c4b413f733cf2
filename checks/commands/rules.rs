//! `check rules`: the pages that are written from the source.

use clap::{Args, ValueEnum};

use crate::evidence::proof;
use crate::evidence::rules;
use crate::terminal::printer::Printer;

/// Which page.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// The page
    #[arg(default_value = "figure2")]
    page: Page,
}

/// A page that is written from the source.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Page {
    /// docs/figure2.md: each rule, where it stands, what falls without it
    Figure2,
    /// docs/thesis.md: the same of snapshots, which are beyond Figure 2
    Thesis,
    /// docs/proof.md: what is proved, from what, and what ties it to the code
    Proof,
}

/// Prints the page.
pub fn run(args: &RulesArgs, out: &mut Printer) -> u8 {
    out.text(match args.page {
        Page::Figure2 => rules::page::page(),
        Page::Thesis => rules::page::thesis(),
        Page::Proof => proof::page::page(),
    });
    0
}
