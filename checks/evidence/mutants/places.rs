//! Short words for the rows.

use super::{Edit, Expected, Mutant, Search, Test, TestSuite, Verb};

pub const APPEND_ENTRIES: &str = "src/figure2/append_entries.rs";
pub const BREACH: &str = "src/figure2/breach.rs";
pub const INSTALL_SNAPSHOT: &str = "src/figure2/install_snapshot.rs";
pub const LOG: &str = "src/figure2/log.rs";
pub const MOD: &str = "src/figure2/mod.rs";
pub const REQUEST_VOTE: &str = "src/figure2/request_vote.rs";
pub const RULES: &str = "src/figure2/rules.rs";
pub const STATE: &str = "src/figure2/state.rs";

/// For a mutant to which a message matters that correct code ignores, or which tells servers
/// apart: a reduction must not be what finds it, or what hides it.
pub const UNREDUCED: &[&str] = &["--keep-dead-letters", "--no-symmetry"];

/// What `check invariant` checks.
pub use crate::evidence::invariant::INDUCTIVE;
/// What `check recover` checks.
pub use crate::evidence::recovery::RECOVERY;

pub const fn edit(
    file: &'static str,
    item: &'static str,
    before: &'static str,
    after: &'static str,
) -> Edit {
    Edit { file, item, before, after }
}

pub const fn search(
    scope: &'static str,
    bounds: [u32; 4],
    options: &'static [&'static str],
) -> Search {
    Search { command: Verb::Run, scope, bounds: Some(bounds), options }
}

/// The scope within its own bounds.
pub const fn whole(scope: &'static str) -> Search {
    Search { command: Verb::Run, scope, bounds: None, options: &[] }
}

/// `check recover`.
pub const fn recover(scope: &'static str, bounds: [u32; 4]) -> Search {
    Search { command: Verb::Recover, ..search(scope, bounds, &[]) }
}

/// `check invariant`.
pub const RANDOM_WORLDS: Search =
    Search { command: Verb::Invariant, scope: "random worlds", bounds: None, options: &[] };

pub const fn fails_test(suite: TestSuite, name: &'static str) -> Expected {
    Expected::FailsTest(Test { suite, name })
}

/// A bend of what checks the library, which one of its own tests must notice: no search that it
/// spoils can be trusted to.
pub const fn noticed(
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    edits: &'static [Edit],
    suite: TestSuite,
    test: &'static str,
) -> Mutant {
    let expected = fails_test(suite, test);
    Mutant { name, alias: None, rule, about, edits, searches: &[], blind: &[], expected }
}
