//! The inductive invariant: it holds at first, every step keeps it, and it is no larger than it
//! has to be.

use std::collections::BTreeSet;

use veraft_checks::evidence::invariant::conjuncts::{CONJUNCTS, broken};
use veraft_checks::evidence::invariant::world::World;
use veraft_checks::evidence::invariant::{check, needed};

#[test]
fn it_holds_at_the_first_boot() {
    for servers in 1..=7 {
        assert!(broken(&World::boot(servers), CONJUNCTS).is_none());
    }
}

#[test]
fn every_step_keeps_it() {
    let tried = check(CONJUNCTS, 20_000, 1);
    let tried = tried.unwrap_or_else(|exit| panic!("{} is broken:\n{exit}", exit.broken));
    assert!(tried.steps > 100_000, "{tried:?}");
}

/// What the guards at a server's door see to (`BR.1` to `BR.4`, and `BR.7`): letters of which these
/// are not true change nothing, so the other conjuncts do without them.
const GUARDED: [&str; 3] =
    ["answers are within the leader's log", "letters are well-formed", "terms are in order"];

#[test]
fn without_any_one_conjunct_but_the_guarded_the_others_are_not_kept() {
    let mut all: BTreeSet<_> = CONJUNCTS.iter().map(|conjunct| conjunct.name).collect();
    assert!(GUARDED.iter().all(|name| all.remove(name)));
    assert_eq!(needed(50_000, 1), all);
}
