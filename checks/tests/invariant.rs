//! The invariant on worlds: it holds at first, every step keeps it, and it is no larger than it
//! has to be.

use std::collections::BTreeSet;

use veraft_checks::evidence::invariant::assumed::Assumed;
use veraft_checks::evidence::invariant::world::World;
use veraft_checks::evidence::invariant::{check, needed};

#[test]
fn it_holds_at_the_first_boot() {
    for servers in 1..=7 {
        let world = World::boot(servers);
        assert_eq!(Assumed::invariant().broken(&world), None);
        assert_eq!(Assumed::consequences().broken(&world), None);
    }
}

#[test]
fn every_step_keeps_it() {
    let tried = check(&Assumed::invariant(), 5_000, 1);
    let tried = tried.unwrap_or_else(|exit| panic!("{} is broken:\n{exit}", exit.broken));
    assert!(tried.steps > 50_000, "{tried:?}");
}

/// What the others do without, on worlds:
///
/// - `vote_held_was_cast`: a server knows of one vote at most, so one that was not cast is in nobody's
///   way;
/// - `term_order`: it follows from others (`term_entries_before_too`, `term_entry_from_its_term`);
/// - `refusal_is_within`: a server's own guard sees to it (`BR.7`), a refusal of which it is not true
///   changes nothing;
/// - `held_stands_in_the_log`: what a server holds of its own term and has not in its log, no quorum
///   with it may choose (`choosable_is_held`), nor will; the proof relies on it all the same.
const SPARED: [&str; 4] =
    ["held_stands_in_the_log", "refusal_is_within", "term_order", "vote_held_was_cast"];

#[test]
fn without_any_one_lemma_but_these_the_others_are_not_kept() {
    let mut all: BTreeSet<_> = Assumed::invariant().names().collect();
    assert!(SPARED.iter().all(|name| all.remove(name)));
    assert_eq!(needed(5_000, 1), all);
}
