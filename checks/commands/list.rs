//! `check list`: what there is to run.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;
use stateright::Expectation;
use veraft_models::Bounds;

use crate::evidence::mutants;
use crate::scopes::{self, SCOPES, Scope};
use crate::terminal::printer::Printer;

/// Lists scopes, properties and mutants.
pub fn run(out: &mut Printer) -> u8 {
    out.line(format_args!("{}\n{}", table(), mutants::list()));
    0
}

/// How bounds name a budget of compactions, if there is one.
fn compacting(compactions: u32) -> String {
    match compactions {
        0 => String::new(),
        _ => format!("+{compactions}C"),
    }
}

/// The table of scopes, and the names of properties.
fn table() -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["scope", "s/t/e/r", "states", "depth", "hold", "found"]);
    for scope in SCOPES {
        let Bounds { servers, terms, entries, restarts, compactions } = scope.bounds;
        let pinned = scope.pinned.map(|pinned| HumanCount(pinned.unique_states).to_string());
        let depth = scope.pinned.and_then(|pinned| pinned.depth).map(|depth| depth.to_string());
        let (hold, found) = scope.expected();
        table.add_row([
            scope.name.to_owned(),
            format!("{servers}/{terms}/{entries}/{restarts}{}", compacting(compactions)),
            pinned.unwrap_or_default(),
            depth.unwrap_or_default(),
            hold.to_string(),
            found.to_string(),
        ]);
    }
    for column in 2..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let names = |wanted: Expectation| {
        let all = scopes::all_properties().into_iter().filter(move |p| p.expectation == wanted);
        all.map(|property| format!("  {}\n", property.name)).collect::<String>()
    };
    let about = |scope: &Scope| {
        let on_request = if scope.default { "" } else { " (on request)" };
        format!("  {}: {}{on_request}\n", scope.name, scope.about)
    };
    let abouts: String = SCOPES.iter().map(about).collect();
    format!(
        "{}\n\n{abouts}\ns/t/e/r: servers, terms, entries in a leader's log, restarts; +2C: compactions;\n\
         hold, found: how many invariants hold, how much is reached; all pinned\n\n\
         must hold in every state:\n{}\nmust be reached:\n{}",
        table.trim_fmt(),
        names(Expectation::Always),
        names(Expectation::Sometimes)
    )
}
