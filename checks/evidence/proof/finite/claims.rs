//! What is claimed of finite states: that each action can happen, that each bend breaks a lemma,
//! and that each lemma is needed. A search shows it, or that it is not so.

use std::io;

use super::super::bends::{self, READY_BENDS};
use super::super::lemmas::{self, Lemma};
use super::super::ready::{READY_ACTIONS, ready};
use super::needs::{NEEDS, Need, consequences, induction};
use super::search::{Seeking, Sought};
use super::sizes::{ABSENT, GROWING};
use super::wanted::Wanted;

/// A claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it is of: an action, a bend, or a lemma.
    pub name: &'static str,
    /// What is claimed.
    pub says: String,
    /// Whether such a state is claimed to be, or not to be.
    pub exists: bool,
    /// What is looked for: any of these.
    wanted: Vec<Wanted<'static>>,
}

/// Whether a claim is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// It is as claimed; that there is no such state, up to the sizes that were tried.
    Shown,
    /// The solver gave up.
    Unsettled,
    /// It is not.
    Disproved,
}

impl Claim {
    /// Looks whether it is so.
    ///
    /// # Errors
    /// When the solver cannot be started, or does not speak SMT-LIB.
    pub fn judge(&self, seeking: &Seeking) -> io::Result<(Settled, Sought<'static>)> {
        let sizes = if self.exists { GROWING } else { ABSENT };
        let mut all = Sought::Nowhere;
        for wanted in &self.wanted {
            match seeking.seek(wanted, sizes)? {
                found @ Sought::Found(..) => {
                    let finding = if self.exists { Settled::Shown } else { Settled::Disproved };
                    return Ok((finding, found));
                }
                Sought::Nowhere => {}
                gave_up @ Sought::GaveUp(_) => all = gave_up,
            }
        }
        let finding = match (&all, self.exists) {
            (Sought::GaveUp(_), _) => Settled::Unsettled,
            (Sought::Nowhere | Sought::Found(..), true) => Settled::Disproved,
            (Sought::Nowhere | Sought::Found(..), false) => Settled::Shown,
        };
        Ok((finding, all))
    }
}

/// That each action can happen in a state of which the whole invariant holds.
pub fn possible() -> Vec<Claim> {
    let claim = |action: &'static super::super::ready::ReadyAction| Claim {
        name: action.action.name,
        says: format!("can happen where all lemmas hold: {}", action.action.about),
        exists: true,
        wanted: vec![Wanted {
            given: lemmas::all().collect(),
            action: Some(action),
            falls: Vec::new(),
        }],
    };
    READY_ACTIONS.iter().map(claim).collect()
}

/// That each bend leads from a state of which the whole invariant holds to one of which a lemma
/// does not.
pub fn bent() -> Vec<Claim> {
    let claim = |(bend, ready): (&'static bends::Bend, _)| Claim {
        name: bend.name,
        says: format!("{} falls where {} {}", bend.falls, doer(bend.action), bend.does),
        exists: true,
        wanted: vec![Wanted {
            given: lemmas::all().collect(),
            action: Some(ready),
            falls: vec![bend.fallen()],
        }],
    };
    bends::all().zip(READY_BENDS.iter()).map(claim).collect()
}

/// Who it is that an action happens to.
fn doer(action: &str) -> &'static str {
    match action {
        "count" | "win" => "a candidate",
        "propose" | "send" | "acknowledged" | "back up" | "advance" => "a leader",
        _ => "a server",
    }
}

/// That each lemma proved by induction is needed: that without it some action does not keep
/// another, or one that follows does not; or else that this is nowhere so.
pub fn needed() -> Vec<Claim> {
    NEEDS.iter().map(|&(name, need)| without(name, need)).collect()
}

fn without(name: &'static str, need: Need) -> Claim {
    let given = induction(name);
    let of = |name: &'static str| -> Vec<&'static Lemma> { vec![lemmas::lemma(name)] };
    let (says, wanted) = match need {
        Need::Kept(action, falls) => (
            format!("without it, `{action}` does not keep {falls}"),
            vec![Wanted { given, action: Some(ready(action)), falls: of(falls) }],
        ),
        Need::Follows(falls) => (
            format!("without it, {falls} does not follow"),
            vec![Wanted { given, action: None, falls: of(falls) }],
        ),
        Need::Nothing(why) => {
            let kept = |action| Wanted {
                given: given.clone(),
                action: Some(action),
                falls: given.clone(),
            };
            let follows = Wanted { given: given.clone(), action: None, falls: consequences() };
            (
                format!("no other needs it: {why}"),
                READY_ACTIONS.iter().map(kept).chain([follows]).collect(),
            )
        }
    };
    Claim { name, says, exists: !matches!(need, Need::Nothing(_)), wanted }
}
