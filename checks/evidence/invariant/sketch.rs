//! Worlds that satisfy the invariant, drawn at random.
//!
//! A sketch is a list of small numbers. First they pick votes, leaders, the logs of their terms,
//! who holds how much of them, commits, servers, and letters about all that: such a world
//! satisfies the invariant by construction. Then nudges change one thing each, whatever it is, and
//! those after which the invariant still holds are kept: so worlds are reached that no such
//! history describes.
//!
//! A wild sketch does one thing that cannot be: it votes twice, or elects leaders that lack what was
//! committed. Its world counts only if it satisfies what is assumed; it is there to show what a
//! lemma that is left out would have kept away.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use veraft::figure2::{Entry, Term};

use super::assumed::Assumed;
use super::drawing::Drawing;
use super::nudge::change;
use super::universe::LAST_TERM;
use super::wild::{WILD, Wild};
use super::world::World;

const SERVERS: usize = 5;
const TERMS: usize = LAST_TERM as usize;

/// Numbers that pick.
pub(super) type Picks = [u8; 6];

/// The numbers that stand for a world.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub(super) servers: usize,
    wild: Option<Wild>,
    /// Of each server: its term, its role, the votes it counts or its followers, its log, what it
    /// takes for committed, what it has applied.
    pub(super) places: Vec<Picks>,
    /// Of each term: the favourite, whether it led, where its entries begin, how many, which, what
    /// was committed.
    terms: Vec<Picks>,
    /// For each term, how each server votes.
    ballots: Vec<u8>,
    /// For each term, how much each server holds.
    holdings: Vec<u8>,
    pub(super) letters: Vec<Picks>,
    nudges: Vec<Picks>,
}

/// Sketches of clusters of 1 to 5 servers, three terms, and logs up to five entries; many of them
/// wild, if the lemma called `left_out` is not assumed, in a way that breaks it.
pub fn sketch(left_out: Option<&'static str>) -> impl Strategy<Value = Sketch> {
    let servers = prop_oneof![1 => Just(1), 2 => Just(2), 8 => Just(3), 2 => Just(4), 2 => Just(5)];
    let picks = || any::<Picks>();
    let against = |(_, lemma): &&(Wild, &str)| Some(*lemma) == left_out;
    let mut wild = vec![None];
    wild.extend(WILD.iter().filter(against).flat_map(|(wild, _)| [Some(*wild); 3]));
    (
        servers,
        vec(picks(), SERVERS),
        vec(picks(), TERMS),
        vec(any::<u8>(), SERVERS * TERMS),
        vec(any::<u8>(), SERVERS * TERMS),
        vec(picks(), 0..14),
        vec(picks(), 0..24),
        select(wild),
    )
        .prop_map(|(servers, places, terms, ballots, holdings, letters, nudges, wild)| {
            Sketch { servers, wild, places, terms, ballots, holdings, letters, nudges }
        })
}

impl Sketch {
    /// The world, every nudge of which keeps `assumed`.
    pub fn world(&self, assumed: &Assumed) -> World {
        let wild = self.wild.map(|wild| self.drawn(Some(wild)));
        let wild = wild.filter(|world| assumed.broken(world).is_none());
        let mut world = wild.unwrap_or_else(|| self.drawn(None));
        for &nudge in &self.nudges {
            let Some(changed) = change(&world, nudge) else { continue };
            if assumed.broken_since(&world, &changed).is_none() {
                world = changed;
            }
        }
        world
    }

    /// The world before any nudge.
    pub(super) fn drawn(&self, wild: Option<Wild>) -> World {
        let mut drawing = Drawing::new(self, wild);
        drawing.place_servers();
        drawing.apply();
        for &picks in &self.letters {
            let letter = drawing.letter(picks);
            letter.into_iter().for_each(|letter| drawing.world.send(letter));
        }
        drawing.world
    }

    pub(super) fn term(&self, term: Term) -> Picks {
        self.terms[term.saturating_sub(1) as usize]
    }

    pub(super) fn ballot(&self, term: Term, server: u64) -> u8 {
        self.ballots[term.saturating_sub(1) as usize * SERVERS + server as usize]
    }

    pub(super) fn holding(&self, term: Term, server: u64) -> u8 {
        self.holdings[term.saturating_sub(1) as usize * SERVERS + server as usize]
    }
}

pub(super) fn last_term(log: &[Entry]) -> Term {
    log.last().map_or(0, |entry| entry.term)
}

pub(super) fn pick<T>(from: Vec<T>, number: u8) -> Option<T> {
    let place = usize::from(number).checked_rem(from.len())?;
    from.into_iter().nth(place)
}
