//! What a run is held to: the counts that are pinned, and what must be found.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use veraft_checks::engines::{self, Ended, Outcome};
use veraft_checks::evidence::search::{self, Options};
use veraft_checks::evidence::verdict::{Verdict, Word};
use veraft_checks::scopes::{self, Pinned, Scope};
use veraft_checks::telling::summary;
use veraft_checks::telling::table::VerdictTable;
use veraft_checks::terminal::progress::Progress;
use veraft_models::Cluster;
use veraft_models::properties::{ELECTION_SAFETY, ENTRY_COMMITTED};

fn told(verdict: &Verdict) -> String {
    let mut text = Vec::new();
    summary::summarise(std::slice::from_ref(verdict), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn pin(unique_states: u64, depth: Option<u64>) -> Pinned {
    Pinned { unique_states, visible_states: None, depth }
}

fn single(pinned: Pinned) -> Verdict {
    let named = scopes::find("single").expect("it exists");
    let scope = Scope { pinned: Some(pinned), ..named };
    search::scope(&scope, &Options::default()).expect("it is searched in this process")
}

#[test]
fn a_changed_pin_is_told_with_both_numbers_and_is_no_failure_of_a_property() {
    let verdict = single(pin(1_049, Some(8)));
    assert_eq!(verdict.exit_status(), 1);
    let text = told(&verdict);
    assert!(text.contains("  changed\n"), "{text}");
    assert!(text.contains("single: changed: states: 1,049 pinned, 50 found\n"), "{text}");
    assert!(text.contains("every property holds") && text.contains("check pins single"), "{text}");
    assert!(!text.contains("FAILS") && !text.contains("depth:"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let verdict = single(pin(50, Some(9)));
    assert_eq!(verdict.exit_status(), 1);
    assert!(told(&verdict).contains("single: changed: depth: 9 pinned, 8 found\n"));
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["pinned"]["depth"], 9);
    assert_eq!(json["changed"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_as_pinned_is_not_told() {
    let verdict = single(pin(50, Some(8)));
    assert_eq!(verdict.exit_status(), 0);
    assert!(!told(&verdict).contains("changed"));
}

/// The widest row that the default run can have is one of 80 columns.
#[test]
fn the_table_of_many_scopes_has_80_columns() {
    let scopes: Vec<Scope> = scopes::SCOPES.iter().copied().filter(|s| s.default).collect();
    let mut verdict = single(pin(50, Some(8)));
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

/// Scopes that take seconds; the default run compares the others.
#[test]
fn small_scopes_count_what_is_pinned() {
    let is_small = |scope: &&Scope| {
        scope.default && scope.pinned.is_some_and(|pinned| pinned.unique_states < 40_000)
    };
    let small: Vec<_> = scopes::SCOPES.iter().filter(is_small).collect();
    assert!(small.len() > 5, "{}", small.len());
    for scope in small {
        let verdict = search::scope(scope, &Options::default()).expect("it is searched here");
        assert_eq!(verdict.changed, [""; 0], "{}", scope.name);
        assert_eq!(verdict.exit_status(), 0, "{}", scope.name);
    }
}

/// A search of the scope `single`, as its engine ends.
fn outcome() -> (Scope, Outcome<Cluster>) {
    let scope = scopes::find("single").expect("it exists");
    let cluster = scope.cluster(scope.environment());
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut progress = Progress::silent();
    (scope, engines::stateright::search(cluster, 1, 1, &mut progress, &interrupted))
}

/// The verdict on a search that found all but this.
fn without(missing: &str, stopped: Option<Ended>) -> Verdict {
    let (scope, mut outcome) = outcome();
    outcome.discoveries.retain(|(name, _)| *name != missing);
    outcome.stopped = stopped;
    Verdict::new(&scope, "stateright", outcome)
}

fn named(verdict: &Verdict, word: Word) -> Vec<&'static str> {
    verdict.with(word).map(|property| property.name).collect()
}

#[test]
fn what_should_be_reachable_and_is_not_fails_the_run() {
    let sound = without("nothing", None);
    assert_eq!(sound.exit_status(), 0);
    let found = named(&sound, Word::Found);
    assert!(found.contains(&ENTRY_COMMITTED), "{found:?}");
    for missing in found {
        let verdict = without(missing, None);
        assert_eq!(named(&verdict, Word::NotFound), [missing]);
        assert!(verdict.is_violated() && verdict.is_failure());
        assert_eq!(verdict.exit_status(), 1);
        let text = told(&verdict);
        assert!(text.contains("  FAILS\n"), "{text}");
        assert!(text.contains(&format!("no state was found in which {missing}")), "{text}");
        assert!(!text.contains("holds in every state"), "{text}");
        // What lies beyond is unknown, and may be of the kind.
        let verdict = without(missing, Some(Ended::Interrupted));
        assert!(named(&verdict, Word::NotFound).is_empty());
        assert!(named(&verdict, Word::Unknown).contains(&missing));
        assert!(named(&verdict, Word::Holds).is_empty());
        assert_eq!(verdict.exit_status(), 3);
    }
}

#[test]
fn a_violation_fails_the_run_whatever_else_is_unknown() {
    let (scope, mut outcome) = outcome();
    let (_, path) = outcome.discoveries[0].clone();
    let steps = path.clone().into_actions().len();
    outcome.discoveries.push((ELECTION_SAFETY, path));
    outcome.stopped = Some(Ended::Violation);
    let verdict = Verdict::new(&scope, "stateright", outcome);
    assert_eq!(named(&verdict, Word::Violated), [ELECTION_SAFETY]);
    assert_eq!(verdict.exit_status(), 1);
    assert!(told(&verdict).contains(&format!("is violated in {steps} steps")));
}

#[test]
fn a_run_ends_with_its_gravest_failure() {
    let passed = || without("nothing", None);
    let failed = || without(ENTRY_COMMITTED, None);
    let unfinished = || without("nothing", Some(Ended::Interrupted));
    let changed = || single(pin(51, None));
    let cases = [
        (vec![passed(), passed()], 2, 0),
        (vec![passed()], 2, 3),
        (vec![passed(), unfinished()], 2, 3),
        (vec![unfinished(), failed()], 2, 1),
        (vec![failed(), unfinished()], 2, 1),
        (vec![failed(), passed()], 2, 1),
        (vec![passed(), changed()], 2, 1),
        (vec![failed()], 2, 1),
    ];
    for (place, (verdicts, asked, status)) in cases.iter().enumerate() {
        assert_eq!(summary::exit_status(verdicts, *asked), *status, "case {place}");
    }
}
