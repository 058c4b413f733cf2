//! What must always hold, and what must be reachable for that to mean anything.
//!
//! Each rule is a function of the smallest part of a cluster that it speaks of, or of a [`View`]
//! of all of it, and answers with what it found wrong. Whoever looks at clusters calls the same
//! ones: this model, a simulator, a proof by induction, a validator of recordings.
//!
//! | file | what it is |
//! |---|---|
//! | `names.rs` | what the properties are called |
//! | `view.rs` | a cluster as its properties see it |
//! | `elections.rs` | terms, votes and leaders |
//! | `logs.rs` | logs, and parts of logs that travel |
//! | `answers.rs` | what a server answers to a proposal |
//! | `commits.rs` | what is committed and applied |
//! | `images.rs` | images, and the bases that name them |
//! | `steps.rs` | one step of a server |
//! | `reachable.rs` | what must be reachable |

mod answers;
mod commits;
mod elections;
#[cfg(test)]
mod fixtures;
mod images;
mod logs;
mod names;
mod reachable;
mod steps;
#[cfg(test)]
mod tests;
mod view;

use stateright::Property;
use veraft::figure2::Index;

pub use answers::{UntrueAnswer, answer_is_true};
pub use commits::{
    Lacks, NotStored, applied_agrees, applied_in_turn, commit_durability, commit_is_durable,
    electable_are_complete, leader_completeness, leader_is_complete, match_index_is_true,
    next_index_in_range,
};
pub use elections::{
    Fell, Two, election_safety, known_leaders_led, never_falls, one_leader_per_term,
    one_vote_per_term, timers_fit,
};
pub use images::{base_is_committed, bases_are_committed, image_is_committed};
pub use logs::{
    LogsDiffer, Placed, Segment, leader_appends_only, log_matching, logs_match, terms_in_order,
};
pub use names::*;
pub use reachable::{logs_agree, partly_held};
pub use steps::{Misstep, Stepped, missteps};
pub use view::{Committed, View};

use crate::cluster::{Bounds, Cluster, Environment};
use crate::images::HeldImage;
use crate::modelled::Modelled;
use crate::node::ModelNode;
use crate::state::{ClusterState, Visible};

/// The properties of a cluster within `bounds`: every invariant, and what is reachable there.
pub fn of<P: Modelled>(bounds: &Bounds, environment: &Environment) -> Vec<Property<Cluster<P>>> {
    let mut properties = invariants();
    if bounds.compactions > 0 {
        properties.extend(invariants_of_images());
    }
    properties.extend(reachable::of(bounds, environment));
    properties
}

/// A property of the visible part of each state, within some bounds. Its condition is given
/// nothing else, so none can ask about the letters under way: saturation and the antichain rely
/// on it.
macro_rules! property {
    ($expectation:ident, $name:expr, $holds:expr) => {
        Property::$expectation($name, |cluster: &Cluster<P>, state: &ClusterState<P>| {
            $crate::properties::of_visible(&cluster.bounds, &state.visible, $holds)
        })
    };
}
pub(crate) use property;

fn of_visible<P: Modelled>(
    bounds: &Bounds,
    visible: &Visible<P>,
    holds: impl Fn(&Bounds, &Visible<P>) -> bool,
) -> bool {
    holds(bounds, visible)
}

fn invariants<P: Modelled>() -> Vec<Property<Cluster<P>>> {
    vec![
        property!(always, ELECTION_SAFETY, |_, state| election_safety(state).is_ok()),
        property!(always, ONE_VOTE, |_, state| each(state, one_vote)),
        property!(always, MONOTONE_TERM, |_, state| each(state, monotone_term)),
        property!(always, LEADER_APPEND_ONLY, |_, state| each(state, leader_append_only)),
        property!(always, LOG_MATCHING, |_, state| log_matching(state).is_ok()),
        property!(always, LEADER_COMPLETENESS, |_, state| leader_completeness(state).is_ok()),
        property!(always, STATE_MACHINE_SAFETY, |_, state| state_machine_safety(state)),
        property!(always, MONOTONE_COMMIT, |_, state| each(state, monotone_commit)),
        property!(always, COMMIT_DURABILITY, |_, state| commit_durability(state).is_ok()),
        property!(always, ELECTABLE, |_, state| electable_are_complete(state).is_ok()),
        property!(always, MATCH_INDEX_TRUE, |_, state| match_index_is_true(state).is_ok()),
        property!(always, APPLIED_DURABLE, |_, state| each(state, applied_is_durable)),
        property!(always, TERMS_IN_ORDER, |_, state| each(state, both_logs_in_order)),
        property!(always, ASSERTIONS, |_, state| each(state, |node| node.failed.is_none())),
        property!(always, NO_BREACH, |_, state| each(state, |node| node.replica.breach.is_none())),
        property!(always, TRUE_ANSWERS, |_, state| {
            each(state, |node| node.replica.untrue_answer.is_none())
        }),
        property!(always, TERMS_LEARNT, |_, s| steps(s, [Misstep::Term, Misstep::Role])),
        property!(always, TIMERS_WHEN_DUE, |_, s| {
            steps(s, [Misstep::ElectionTimer, Misstep::HeartbeatTimer])
        }),
        property!(always, TIMERS_FIT, |_, state| each(state, timers_fit_the_role)),
        property!(always, TRUE_REPLIES, |_, s| steps(s, [Misstep::Reply, Misstep::Hint])),
        property!(always, LEADERS_KNOWN, |_, state| {
            known_leaders_led(state).is_ok() && steps(state, [Misstep::Leader])
        }),
        property!(always, NEXT_INDEX_FOLLOWS, |_, s| steps(s, [Misstep::NextIndex])),
        property!(always, SENT_WHEN_DUE, |_, s| steps(s, [Misstep::Sends])),
        property!(always, NEXT_INDEX_RANGE, |_, state| {
            each(state, |node| next_index_in_range(node.server()).is_ok())
        }),
        property!(always, REFINEMENT, |_, state| {
            each(state, |node| node.replica.objection.is_none())
        }),
    ]
}

/// Where no server compacts its log, they hold as well, and mean nothing.
fn invariants_of_images<P: Modelled>() -> Vec<Property<Cluster<P>>> {
    vec![
        property!(always, IMAGES_COMMITTED, |_, state| images_are_committed(state)),
        property!(always, BASES_COMMITTED, |_, state| bases_are_committed(state).is_ok()),
        property!(always, MONOTONE_APPLIED, |_, state| each(state, monotone_applied)),
        property!(always, NO_GAP, |_, state| each(state, has_no_gap)),
    ]
}

fn each<P: Modelled>(state: &Visible<P>, holds: impl Fn(&ModelNode<P>) -> bool) -> bool {
    state.nodes.iter().all(|node| holds(&node.value))
}

/// No server took one of these missteps.
fn steps<P: Modelled, const N: usize>(state: &Visible<P>, these: [Misstep; N]) -> bool {
    each(state, |node| !these.iter().any(|misstep| node.replica.missteps.contains(misstep)))
}

fn timers_fit_the_role<P: Modelled>(node: &ModelNode<P>) -> bool {
    timers_fit(node.server(), |timer| node.timers.contains(&timer)).is_ok()
}

fn one_vote<P: Modelled>(node: &ModelNode<P>) -> bool {
    let (term, voter) = (node.witness.term, node.id());
    let votes = node.witness.votes.iter().map(|&candidate| ((term, voter), candidate));
    one_vote_per_term(votes).is_ok()
}

fn monotone_term<P: Modelled>(node: &ModelNode<P>) -> bool {
    never_falls(node.witness.term, node.server().current_term()).is_ok()
}

fn monotone_commit<P: Modelled>(node: &ModelNode<P>) -> bool {
    never_falls(node.witness.commit_index, node.server().volatile().commit_index).is_ok()
}

fn monotone_applied<P: Modelled>(node: &ModelNode<P>) -> bool {
    never_falls(node.witness.last_applied, node.server().volatile().last_applied).is_ok()
}

fn images_are_committed<P: Modelled>(state: &Visible<P>) -> bool {
    let is_committed = |(last_index, image): (Index, &HeldImage)| {
        image_is_committed(last_index, &image.content, state.committed()).is_ok()
    };
    each(state, |node| node.images.iter().all(is_committed))
}

/// Behind whatever a log begins, in memory or on the disk now or soon, its image is durable; and
/// the state machine has all that counts as applied.
fn has_no_gap<P: Modelled>(node: &ModelNode<P>) -> bool {
    let disks = node.pending.iter().map(|pending| &pending.save).chain([&node.disk]);
    let logs = disks.map(|disk| disk.log()).chain([node.server().log()]);
    let mut bases = logs.map(|log| log.base().last_index).filter(|index| *index > 0);
    let applied = node.replica.applied.last().map_or(0, |(index, _)| *index);
    bases.all(|index| node.images.get(index).is_some())
        && applied == node.server().volatile().last_applied
}

fn applied_is_durable<P: Modelled>(node: &ModelNode<P>) -> bool {
    let (log, volatile) = (node.server().log(), node.server().volatile());
    let (stored, base) = (volatile.stored, log.base().last_index);
    let on_disk = |term| node.disk.log().term_at(stored).agrees_with(term);
    volatile.last_applied <= stored.max(base)
        && (stored <= base || log.term_at(stored).held().is_some_and(on_disk))
}

fn leader_append_only<P: Modelled>(node: &ModelNode<P>) -> bool {
    let seen = node.witness.led.as_ref().map(|(_, seen)| seen);
    seen.is_none_or(|seen| leader_appends_only(seen, node.server().log()).is_ok())
}

fn both_logs_in_order<P: Modelled>(node: &ModelNode<P>) -> bool {
    terms_in_order(node.disk.log()).is_ok() && terms_in_order(node.server().log()).is_ok()
}

fn state_machine_safety<P: Modelled>(state: &Visible<P>) -> bool {
    let known = |index: Index| {
        let place = usize::try_from(index.checked_sub(1)?).ok()?;
        state.committed().nth(place).map(|committed| committed.entry)
    };
    state.nodes.iter().all(|node| {
        let applied = node.replica.applied.iter().map(|(index, entry)| (*index, entry));
        let in_turn = applied_in_turn(0, applied.clone().map(|(index, _)| index));
        in_turn.is_ok() && applied_agrees(applied, known).is_ok()
    })
}
