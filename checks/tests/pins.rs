//! Counts that are no longer what is pinned.

use veraft_checks::evidence::search::{self, Options};
use veraft_checks::evidence::verdict::Verdict;
use veraft_checks::scopes::{self, Pinned, Scope};
use veraft_checks::telling::summary;
use veraft_checks::telling::table::VerdictTable;

fn told(verdict: &Verdict) -> String {
    let mut text = Vec::new();
    summary::summarise(std::slice::from_ref(verdict), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn single(pinned: Pinned) -> Verdict {
    let named = scopes::find("single").expect("it exists");
    let scope = Scope { pinned: Some(pinned), ..named };
    search::scope(&scope, &Options::default()).expect("it is searched in this process")
}

#[test]
fn a_changed_pin_is_told_with_both_numbers_and_is_no_failure_of_a_property() {
    let verdict = single(Pinned { unique_states: 1_049, depth: Some(8) });
    assert_eq!(verdict.exit_status(), 1);
    let text = told(&verdict);
    assert!(text.contains("  changed\n"), "{text}");
    assert!(text.contains("single: changed: states: 1,049 pinned, 50 found\n"), "{text}");
    assert!(text.contains("every property holds") && text.contains("check pins single"), "{text}");
    assert!(!text.contains("FAILS") && !text.contains("depth:"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let verdict = single(Pinned { unique_states: 50, depth: Some(9) });
    assert_eq!(verdict.exit_status(), 1);
    assert!(told(&verdict).contains("single: changed: depth: 9 pinned, 8 found\n"));
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["pinned"]["depth"], 9);
    assert_eq!(json["changed"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_as_pinned_is_not_told() {
    let verdict = single(Pinned { unique_states: 50, depth: Some(8) });
    assert_eq!(verdict.exit_status(), 0);
    assert!(!told(&verdict).contains("changed"));
}

/// The widest row that the default run can have is one of 80 columns.
#[test]
fn the_table_of_many_scopes_has_80_columns() {
    let scopes: Vec<Scope> = scopes::SCOPES.iter().copied().filter(|s| s.default).collect();
    let mut verdict = single(Pinned { unique_states: 50, depth: Some(8) });
    verdict.scope = "actor-model".to_owned();
    (verdict.unique_states, verdict.generated_states) = (9_999_999, 99_999_999);
    (verdict.seconds, verdict.peak_rss_bytes) = (99_999.9, 99_999 * 9_999_999);
    let table = VerdictTable::of(&scopes);
    let last = scopes.len();
    let (header, row) = (table.header(), table.row(last, &verdict));
    assert!(header.chars().count() <= 80, "{header}");
    assert!(row.chars().count() <= 80, "{row}");
    assert!(row.starts_with(&format!("{last} of {last} actor-model 9,999,999 ")), "{row}");
    assert!(row.contains(" 99,999 "), "{row}");
}
