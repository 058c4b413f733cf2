//! `check mutants`: builds mutants, lets each explore, and tells what fell.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;

use super::choice::{Choice, Chosen};
use super::judge::{self, Showing};
use super::workshop::{Unbuilt, Workshop};
use super::{Mutant, all, refinement};
use crate::terminal::printer::{Printer, note};
use crate::terminal::progress::counting;

type Built = Result<PathBuf, Unbuilt>;

/// What has to show a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What its row states.
    AsStated,
    /// The refinement alone, of those that break a property of safety.
    ByRefinement,
}

/// Those of a choice that are tried.
fn chosen(choice: &Choice, shown: Shown) -> Result<Chosen, String> {
    let mut chosen = choice.mutants()?;
    if shown == Shown::ByRefinement {
        let other = chosen.rows.iter().find(|row| !refinement::is_of_safety(row));
        if let (Choice::Named(_), Some(other)) = (choice, other) {
            return Err(format!("--refinement: {} breaks no property of safety", other.name));
        }
        chosen.rows.retain(|row| refinement::is_of_safety(row));
    }
    Ok(chosen)
}

/// Tries mutants; answers with the exit status: 0 if each behaved as its row states, or falls to
/// the refinement if that is asked, 1 otherwise.
///
/// # Errors
/// When no mutant is called so, or another `check mutants` is at work.
pub fn run(choice: &Choice, shown: Shown, out: &mut Printer) -> Result<u8, String> {
    let Chosen { rows: chosen, touched, left } = chosen(choice, shown)?;
    let workshop = Workshop::open().map_err(|problem| problem.to_string())?;
    let started = Instant::now();
    let progress = counting(chosen.len() as u64);
    let mut table = table();
    let mut complaints = Vec::new();
    // One is built while another explores.
    let (built, ready) = mpsc::sync_channel::<(&Mutant, Built)>(1);
    std::thread::scope(|scope| {
        let chosen = &chosen;
        scope.spawn(move || {
            for &mutant in chosen {
                if built.send((mutant, workshop.build(mutant))).is_err() {
                    break;
                }
            }
        });
        for (mutant, binary) in ready {
            progress.set_message(mutant.name);
            let showing = binary
                .map_err(|problem| problem.to_string())
                .and_then(|binary| judge_and_clear(mutant, &binary, choice, shown));
            progress.inc(1);
            if progress.is_hidden() {
                // Not on a terminal: a line each.
                let fell = showing.as_ref().map_or("not tried", |showing| &showing.fell);
                let seconds = started.elapsed().as_secs();
                note(format_args!(
                    "{}/{} {}: {fell} ({seconds} s)",
                    progress.position(),
                    chosen.len(),
                    mutant.name
                ));
            }
            match showing {
                Ok(showing) => {
                    table.add_row(row(mutant, &showing));
                    let surprise = |text| format!("{}, {}: {text}", mutant.title(), mutant.about);
                    complaints.extend(showing.surprises.into_iter().map(surprise));
                }
                Err(problem) => complaints.push(format!("{}: {problem}", mutant.name)),
            }
        }
    });
    progress.finish_and_clear();
    out.line(format_args!("{}\n", table.trim_fmt()));
    complaints.iter().for_each(|complaint| out.line(complaint));
    tell_touched(touched, &left, out);
    let (count, seconds) = (chosen.len(), started.elapsed().as_secs_f64());
    match complaints.len() {
        0 => {
            out.line(format_args!("{count} mutants behaved as stated, in {seconds:.1} s"));
            Ok(0)
        }
        surprises => {
            out.line(format_args!("{count} mutants, {surprises} surprises, in {seconds:.1} s"));
            Ok(1)
        }
    }
}

/// Names the mutants that [`run`] would try, and answers with the exit status.
///
/// # Errors
/// When no mutant is called so.
pub fn list(choice: &Choice, shown: Shown, out: &mut Printer) -> Result<u8, String> {
    let Chosen { rows, touched, left } = chosen(choice, shown)?;
    rows.iter().for_each(|mutant| out.line(mutant.title()));
    tell_touched(touched, &left, out);
    out.line(format_args!("{} of {} mutants would be tried", rows.len(), all().count()));
    Ok(0)
}

fn tell_touched(touched: Option<usize>, left: &[&Mutant], out: &mut Printer) {
    let Some(touched) = touched else { return };
    out.line(format_args!("the change touches {touched} mutants"));
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|mutant| mutant.name).collect();
        out.line(format_args!("left for another day: {}", names.join(", ")));
    }
}

/// What was built from a mutant is kept for a closer look if the mutant was asked for by name,
/// or did not behave as stated.
fn judge_and_clear(
    mutant: &Mutant,
    binary: &Path,
    choice: &Choice,
    shown: Shown,
) -> Result<Showing, String> {
    let showing = match shown {
        Shown::AsStated => judge::judge(mutant, binary)?,
        Shown::ByRefinement => refinement::judge(mutant, binary)?,
    };
    if showing.surprises.is_empty() && !matches!(choice, Choice::Named(_)) {
        fs::remove_file(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    }
    Ok(showing)
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["name", "rule", "fell", "steps", "states", "seconds", "where"]);
    for column in 3..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(mutant: &Mutant, showing: &Showing) -> [String; 7] {
    [
        mutant.title(),
        mutant.rule.to_owned(),
        short(&showing.fell),
        showing.steps.map_or(String::new(), |steps| steps.to_string()),
        showing.states.map_or(String::new(), |states| HumanCount(states).to_string()),
        format!("{:.1}", showing.seconds),
        mutant.place(),
    ]
}

/// Fits its column, so that the table has 80.
fn short(text: &str) -> String {
    const WIDTH: usize = 20;
    match text.chars().count() {
        ..=WIDTH => text.to_owned(),
        _ => text.chars().take(WIDTH - 3).chain("...".chars()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, Write};
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Rc<RefCell<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn those_that_would_be_tried_are_listed() {
        let paper = Paper::default();
        let choice = Choice::Named(vec!["vote-twice".to_owned(), "A2".to_owned()]);
        let listed = list(&choice, Shown::AsStated, &mut Printer::new(paper.clone()));
        assert_eq!(listed, Ok(0));
        let text = String::from_utf8(paper.0.borrow().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "vote-twice (A1)");
        assert!(lines[1].ends_with("(A2)"), "{text}");
        assert_eq!(lines[2..], [format!("2 of {} mutants would be tried", all().count())]);
    }
}
