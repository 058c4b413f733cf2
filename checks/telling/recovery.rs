//! What `check recover` tells people at its end.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;

use crate::evidence::recovery::Tried;
use crate::evidence::verdict::Verdict;
use crate::telling::summary::explain;

/// What is left out where letters did not arrive in every order.
pub const ONE_ORDER: &str = "letters arrived in the order of sending alone: no other was tried";

/// The table, for a terminal of 80 columns, and what was shown.
pub fn summarise(verdict: &Verdict, tried: &Tried, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", table(verdict, tried))?;
    if verdict.exit_status() == 0 {
        return writeln!(out, "{}", shown(tried));
    }
    explain(verdict, out)?;
    tried.lost.iter().try_for_each(|lost| writeln!(out, "{}: {lost}", verdict.scope))
}

fn table(verdict: &Verdict, tried: &Tried) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let header = ["scope", "states", "starts", "played", "positions", "rounds", "seconds", ""];
    table.set_header(header);
    let summary = match () {
        () if verdict.is_violated() => "FAILS",
        () if verdict.is_failure() => "changed",
        () if verdict.exhausted => "recovers",
        () if verdict.stopped.is_none() => "sampled",
        () => "not exhausted",
    };
    let Tried { starts, played, positions, most_rounds, rounds, .. } = *tried;
    table.add_row([
        verdict.scope.clone(),
        HumanCount(verdict.unique_states).to_string(),
        HumanCount(starts).to_string(),
        HumanCount(played).to_string(),
        HumanCount(positions).to_string(),
        format!("{most_rounds} of {rounds}"),
        format!("{:.1}", verdict.seconds),
        summary.to_owned(),
    ]);
    for column in 1..=6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn shown(tried: &Tried) -> String {
    let Tried { starts, played, most_rounds, every_order, one_in, seed, .. } = *tried;
    let (starts, played) = (HumanCount(starts), HumanCount(played));
    let from = match one_in {
        1 => format!("recovers from every state ({starts} differ in their servers):"),
        _ => format!(
            "recovers from each of {played} sampled states (--sample {one_in} --seed {seed}),\n\
             of {starts} that differ in their servers; nothing is said of the others:"
        ),
    };
    let letters = match every_order {
        true => String::new(),
        false => format!("\n{ONE_ORDER}"),
    };
    format!(
        "{from}\nwhatever order a bounded skew allows to election timers, there is a leader\n\
         within {most_rounds} rounds, and it brings a new entry to every state machine{letters}"
    )
}
