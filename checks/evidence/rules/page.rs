//! `docs/figure2.md` and `docs/thesis.md`: the maps from paper and thesis to the code and to the
//! evidence.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::citations::{Citation, citations};
use super::{FIGURE_2, Rule, Section, THESIS, all};
use crate::evidence::mutants::{self, Expected, Mutant};

/// What `docs/figure2.md` says: for each rule, where it stands and what falls without it.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    // Writing to a String does not fail.
    let _ = FIGURE_2.iter().try_for_each(|section| write_section(&mut page, section));
    let _ = write_others(&mut page);
    page
}

/// What `docs/thesis.md` says: the same of what is beyond Figure 2.
pub fn thesis() -> String {
    let mut page = String::from(THESIS_HEAD);
    let _ = THESIS.iter().try_for_each(|section| write_section(&mut page, section));
    page
}

const THESIS_HEAD: &str = "\
# Snapshots, rule by rule

Chapter 5 of the thesis, §7 and Figure 13 of the extended paper, and what those who built snapshots
learnt: where the core keeps each rule, and the mutants that show that it is needed, as
[figure2.md](figure2.md) has them. *snap* s/t/e/r is a search of so many servers, terms,
entries and restarts, with one compaction. A rule that the core cannot keep says who does.

Ids are those of the list of rules; their order here is that of the code.

This page is written by `check rules thesis > docs/thesis.md`; a test compares the two.
";

const HEAD: &str = "\
# Figure 2, rule by rule

Each rule of the Raft paper's Figure 2: where the core implements it, and what shows that it is
needed: mutants, each the shipped source with this one rule removed or bent. `check mutants NAME`
builds one and demands what stands here. *Steps* is the length of the shortest trace.
*Searched* names the scope, or the servers/terms/entries/restarts of a smaller one; *recover*,
where faults stop and the cluster must lead, agree and commit again; *random worlds*, where a step
must keep the [invariant](proof.md).

This page is written by `check rules > docs/figure2.md`; a test compares the two.
";

const TABLE: &str =
    "| mutant | what it does | what falls | steps | searched |\n|---|---|---|---|---|";

fn write_section(page: &mut String, section: &Section) -> fmt::Result {
    writeln!(page, "\n## {}", section.title)?;
    for Rule { id, about, beyond } in section.rules {
        if let Some(why) = beyond {
            writeln!(page, "\n**{id}** {about}.\nNot in the core: {why}.")?;
        }
        let cited = citations().into_iter().filter(|citation| citation.id == *id);
        let places: Vec<String> = cited
            .map(|Citation { file, item, .. }| {
                format!("`{item}` in [{file}](../src/figure2/{file})")
            })
            .collect();
        if beyond.is_none() {
            writeln!(page, "\n**{id}** {about}: {}\n\n{TABLE}", places.join(", "))?;
        }
        let without = mutants::all().filter(|mutant| mutant.rule == *id);
        without.into_iter().try_for_each(|mutant| writeln!(page, "{}", row(mutant)))?;
    }
    Ok(())
}

/// What stands outside of Figure 2: storage, the order in which the runtime does things, and what
/// checks all of it.
fn write_others(page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "\n## Outside of Figure 2: storage, the order of the runtime, and what checks it"
    )?;
    let others = mutants::all().filter(|mutant| !all().any(|rule| rule.id == mutant.rule));
    let mut parts: Vec<&str> = others.clone().map(|mutant| mutant.rule).collect();
    parts.sort_unstable();
    parts.dedup();
    for part in parts {
        let its = others.clone().filter(|mutant| mutant.rule == part);
        let files: BTreeSet<&str> =
            its.clone().flat_map(|mutant| mutant.edits).map(|edit| edit.file).collect();
        let links: Vec<String> =
            files.into_iter().map(|file| format!("[{file}](../{file})")).collect();
        writeln!(page, "\n**{part}**: {}\n\n{TABLE}", links.join(", "))?;
        its.into_iter().try_for_each(|mutant| writeln!(page, "{}", row(mutant)))?;
    }
    Ok(())
}

/// What tells of a mutant and what it shows.
fn row(mutant: &Mutant) -> String {
    let none = || "-".to_owned();
    let (falls, steps) = match mutant.expected {
        Expected::Falls { property, steps } => (property.to_owned(), steps.to_string()),
        Expected::Unreached { property } => (format!("not reached: {property}"), none()),
        Expected::Survives { reason, states: _ } => (format!("nothing: {reason}"), none()),
        Expected::FailsTest(test) => (format!("the test `{}`", test.name), none()),
    };
    let (title, about) = (mutant.title(), mutant.about);
    format!("| {title} | {about} | {falls} | {steps} | {} |", mutant.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_the_one_that_is_kept_and_has_no_empty_cell() {
        let kept = include_str!("../../../docs/figure2.md");
        let thesis_kept = include_str!("../../../docs/thesis.md");
        for (page, kept, name) in [(page(), kept, "figure2"), (thesis(), thesis_kept, "thesis")] {
            let differs = page.lines().zip(kept.lines()).find(|(now, then)| now != then);
            assert_eq!(differs, None, "run `check rules {name} > docs/{name}.md`");
            assert_eq!(page.len(), kept.len(), "run `check rules {name} > docs/{name}.md`");
            for line in page.lines().filter(|line| line.starts_with('|')) {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                assert!(cells.len() == 5 && !cells.contains(&""), "{line}");
            }
        }
    }
}
