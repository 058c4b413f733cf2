//! What must be reachable: a search that never gets there has shown nothing of it.

use stateright::Property;
use veraft::figure2::{Index, Leader, Log, Payload, Role, Server, ServerId, Term};

use super::names::*;
use super::view::{Committed, View};
use crate::cluster::{Bounds, Cluster, Environment};
use crate::images::ImageOrigin;
use crate::modelled::Modelled;
use crate::node::ModelNode;
use crate::orbit::Ref;
use crate::properties::property;
use crate::state::{ClusterState, Visible};

/// For a cluster whose logs differ from the beginning: [`LOGS_AGREE`].
pub fn logs_agree<P: Modelled>() -> Property<Cluster<P>> {
    property!(sometimes, LOGS_AGREE, |_, state| {
        state
            .servers()
            .filter(|leader| leader.is_leader())
            .any(|leader| state.servers().all(|other| begins_with(other.log(), leader.log())))
    })
}

/// For a cluster that begins at its first boot: [`PARTLY_HELD`], where there is room for the entry
/// before, the one held and the one not, and a message holds two.
pub fn partly_held<P: Modelled>(
    bounds: &Bounds,
    environment: &Environment,
) -> Option<Property<Cluster<P>>> {
    let reached = bounds.servers > 1 && bounds.entries > 2 && environment.batch != Some(1);
    reached.then(|| property!(sometimes, PARTLY_HELD, holds_part_of_a_batch))
}

/// Whether a log begins with all of another, as far as both are not compacted.
fn begins_with(log: &Log, part: &Log) -> bool {
    let first = log.first_index().max(part.first_index());
    let reaches = part.last_index() <= log.last_index();
    reaches && (first..=part.last_index()).all(|index| log.get(index) == part.get(index))
}

fn holds_part_of_a_batch<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    let holds_part = |leader: &Server, peer: ServerId, next: Index| {
        let (held, log) = (state.node(peer).server().log(), leader.log());
        let first_alone = held.last_index() == next && next < log.last_index();
        next > 1 && first_alone && begins_with(log, held)
    };
    state.servers().any(|leader| match &leader.volatile().role {
        Role::Leader(Leader { next_index, match_index: _ }) => {
            next_index.iter().any(|(&peer, &next)| holds_part(leader, peer, next))
        }
        Role::Follower { .. } | Role::Candidate { .. } => false,
    })
}

/// What is reachable within `bounds`.
pub fn of<P: Modelled>(bounds: &Bounds, environment: &Environment) -> Vec<Property<Cluster<P>>> {
    let mut properties = Vec::new();
    // A server alone leads until it crashes, so each further term takes a restart.
    let alone = bounds.servers == 1;
    if !alone || bounds.terms <= Term::from(bounds.restarts) + 1 {
        properties.push(property!(sometimes, LEADERS_ELECTED, leaders_elected));
    }
    if !alone && bounds.terms > 1 {
        properties.push(property!(sometimes, LEADER_DEPOSED, leader_deposed));
    }
    if bounds.entries > 0 {
        properties.push(property!(sometimes, ENTRY_COMMITTED, entry_committed));
        // One entry of the earlier term, and one of the later that commits both. Alone, an
        // entry is committed at once, in its own term.
        if !alone && bounds.entries > 1 && bounds.terms > 1 {
            properties.push(property!(sometimes, EARLIER_TERM_COMMITTED, earlier_term_committed));
            if environment.blanks {
                properties.push(property!(sometimes, BLANK_COMMITS, blank_commits));
            }
        }
        if bounds.restarts > 0 {
            properties.push(property!(sometimes, COMMITTED_AFTER_RESTART, committed_after_restart));
        }
        properties.extend(of_images(bounds));
    }
    properties
}

/// What is reachable of snapshots. Only to whom a quorum does not need, one is sent: of two servers,
/// what the one has committed, the other has.
fn of_images<P: Modelled>(bounds: &Bounds) -> Vec<Property<Cluster<P>>> {
    let mut properties = Vec::new();
    if bounds.compactions > 0 && bounds.servers > 2 {
        properties.push(property!(sometimes, BROUGHT_UP, |_, state| {
            state.nodes.iter().any(|node| is_installed(node))
        }));
        if bounds.entries > 1 {
            properties.push(property!(sometimes, SUFFIX_KEPT, |_, state| {
                let image = |node: &Ref<ModelNode<P>>| origin(node);
                state.nodes.iter().filter_map(image).any(|o| o == ImageOrigin::LeaderBeforeEntries)
            }));
            properties.push(property!(sometimes, COMMITTED_BEHIND, |_, state| {
                state.nodes.iter().any(|node| {
                    let server = node.server();
                    is_installed(node)
                        && server.volatile().commit_index > server.log().base().last_index
                })
            }));
        }
        if bounds.terms > 1 {
            properties.push(property!(sometimes, INSTALLED_LEADS, |_, state| {
                state.nodes.iter().any(|node| is_installed(node) && node.server().is_leader())
            }));
        }
    }
    properties
}

/// Where the image came from that the server's log begins behind.
fn origin<P: Modelled>(node: &ModelNode<P>) -> Option<ImageOrigin> {
    node.images.get(node.server().log().base().last_index).map(|image| image.origin)
}

fn is_installed<P: Modelled>(node: &ModelNode<P>) -> bool {
    matches!(origin(node), Some(ImageOrigin::Leader | ImageOrigin::LeaderBeforeEntries))
}

fn leaders_elected<P: Modelled>(bounds: &Bounds, state: &Visible<P>) -> bool {
    (1..=bounds.terms).all(|term| state.led().any(|(led, _)| led == term))
}

fn leader_deposed<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    state.led().any(|(term, leader)| {
        let node = state.node(leader);
        node.server().current_term() > term && state.history.restarts == 0
    })
}

fn entry_committed<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    !state.history.committed.is_empty()
}

fn earlier_term_committed<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    state.committed().any(|c| c.entry.term < c.term)
}

fn blank_commits<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    let is_blank = |c: &Committed<'_>| c.entry.payload == Payload::Blank;
    let mut committed = state.committed().skip_while(|c| c.entry.term == c.term);
    let earlier = committed.next().is_some_and(|c| !is_blank(&c));
    earlier && committed.any(|c| c.entry.term == c.term && is_blank(&c))
}

fn committed_after_restart<P: Modelled>(_: &Bounds, state: &Visible<P>) -> bool {
    state.history.committed_after_restart
}
