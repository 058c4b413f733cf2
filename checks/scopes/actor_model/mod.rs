//! The same Actor in stateright's own `ActorModel`, compared with the cluster: each state of
//! its servers must be one that the cluster reaches.

mod codec;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use stateright::actor::{ActorModel, ActorModelAction, ActorModelState, Network};
use stateright::{Expectation, Model, Path};
use veraft::figure2::{Message, Timer};
use veraft_models::actor::{Proposes, server_id};
use veraft_models::orbit::hash_of;
use veraft_models::{Bounds, Cluster, Environment, Raft, Replica, properties, words};

use crate::scopes::trace::{Narrate, Step};

/// The state of an `ActorModel` of this Actor.
pub type ModelState = ActorModelState<Raft, ()>;

/// What the actor model knows: its bounds, and what the cluster reaches within them.
#[derive(Clone, Debug)]
pub struct Reference {
    /// How far the search goes; there are no restarts.
    pub bounds: Bounds,
    /// Every combination of the servers' states that the cluster reaches.
    pub reached: Arc<HashSet<u64>>,
}

/// Every state of the actor model is one of the cluster.
pub const SAME_AS_CLUSTER: &str = "the cluster reaches the same servers";

/// What is expected of the model: each property's name, and how often it holds.
pub const EXPECTATIONS: [(&str, Expectation); 3] = [
    (properties::ELECTION_SAFETY, Expectation::Always),
    (SAME_AS_CLUSTER, Expectation::Always),
    (properties::ENTRY_COMMITTED, Expectation::Sometimes),
];

/// The model, within the same bounds as a cluster without restarts.
pub fn model(bounds: Bounds) -> ActorModel<Raft, Reference> {
    let reached = Arc::new(cluster_reaches(bounds));
    let actors = vec![Raft::cluster(bounds.servers, usize::MAX); bounds.servers];
    ActorModel::new(Reference { bounds, reached }, ())
        .actors(actors)
        .init_network(Network::new_unordered_duplicating([]))
        .within_boundary(|reference, state| {
            state.actor_states.iter().all(|replica| {
                replica.server.current_term() <= reference.bounds.terms
                    && replica.server.log().last_index() <= reference.bounds.entries
            })
        })
        .property(Expectation::Always, properties::ELECTION_SAFETY, |_, state| {
            let servers = state.actor_states.iter().map(|replica| &replica.server);
            let leaders = servers.filter(|server| server.is_leader());
            let led = leaders.map(|server| (server.current_term(), server.config().id));
            properties::one_leader_per_term(led).is_ok()
        })
        .property(Expectation::Always, SAME_AS_CLUSTER, |model, state| {
            model.cfg.reached.contains(&servers(state))
        })
        .property(Expectation::Sometimes, properties::ENTRY_COMMITTED, |_, state| {
            state.actor_states.iter().any(|replica| replica.server.volatile().commit_index > 0)
        })
}

/// Names the combination of the servers' states.
pub fn servers(state: &ModelState) -> u64 {
    hash_of(&state.actor_states.iter().map(AsRef::as_ref).collect::<Vec<&Replica>>())
}

/// What the cluster reaches without reductions and restarts.
pub fn cluster_reaches(bounds: Bounds) -> HashSet<u64> {
    let plain = Environment { symmetry: false, keep_dead_letters: true, ..Environment::default() };
    let cluster = Cluster::new(Bounds { restarts: 0, ..bounds }, plain);
    let servers = |state: &veraft_models::ClusterState| {
        hash_of(&state.visible.nodes.iter().map(|node| &node.value.replica).collect::<Vec<_>>())
    };
    let mut queue: VecDeque<_> = cluster.init_states().into();
    let mut seen: HashSet<u64> = queue.iter().map(|state| state.fingerprint()).collect();
    let mut reached: HashSet<u64> = queue.iter().map(servers).collect();
    while let Some(state) = queue.pop_front() {
        for next in cluster.next_states(&state) {
            if seen.insert(next.fingerprint()) {
                reached.insert(servers(&next));
                queue.push_back(next);
            }
        }
    }
    reached
}

impl Narrate for ActorModel<Raft, Reference> {
    fn narrate(
        &self,
        path: Path<ModelState, ActorModelAction<Message, Timer, Proposes>>,
    ) -> Vec<Step> {
        let path = path.into_vec();
        let steps = path.windows(2).filter_map(|pair| match pair {
            [(before, Some(action)), (after, _)] => Some(step(before, action, after)),
            _ => None,
        });
        steps.collect()
    }
}

fn step(
    before: &ModelState,
    action: &ActorModelAction<Message, Timer, Proposes>,
    after: &ModelState,
) -> Step {
    let action = match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            let (to, from) = (server_id(*dst), server_id(*src));
            format!("{to} receives from {from}: {}", words::message(msg))
        }
        ActorModelAction::Timeout(id, timer) => format!("{}: {timer:?} timeout", server_id(*id)),
        ActorModelAction::SelectRandom { actor, .. } => {
            format!("a client proposes a command to {}", server_id(*actor))
        }
        ActorModelAction::Drop(_) | ActorModelAction::Crash(_) | ActorModelAction::Recover(_) => {
            format!("{action:?}")
        }
    };
    let pairs = before.actor_states.iter().zip(&after.actor_states);
    let changed = pairs.filter(|(before, after)| before != after).map(|(_, replica)| {
        let server = &replica.server;
        format!("{} is now {}", server.config().id, words::server(server))
    });
    Step { action, happened: None, sent: Vec::new(), changed: changed.collect() }
}

#[cfg(test)]
mod tests {
    use stateright::Property;
    use veraft::figure2::{Entry, Leader, Persistent, Record, Role, Server, ServerId, Volatile};

    use super::*;

    #[test]
    fn the_model_has_the_properties_that_the_list_names() {
        let model = model(Bounds { servers: 1, terms: 1, entries: 1, restarts: 0, compactions: 0 });
        let of_model = Model::properties(&model).into_iter().map(|p| (p.name, p.expectation));
        assert_eq!(of_model.collect::<Vec<_>>(), EXPECTATIONS);
    }

    /// What does not have the expected property, or is not found, in a state.
    fn amiss(model: &ActorModel<Raft, Reference>, state: &ModelState) -> Vec<&'static str> {
        let all: Vec<Property<ActorModel<Raft, Reference>>> = Model::properties(model);
        let amiss = all.into_iter().filter(|p| !(p.condition)(model, state));
        amiss.map(|property| property.name).collect()
    }

    #[test]
    fn each_property_falls_where_it_is_violated() {
        let mut model =
            model(Bounds { servers: 2, terms: 1, entries: 1, restarts: 0, compactions: 0 });
        let start = model.init_states().remove(0);
        let committed = properties::ENTRY_COMMITTED;
        assert_eq!(amiss(&model, &start), [committed], "nothing is committed yet");
        let all_are = |volatile: &Volatile| {
            let mut state = start.clone();
            for replica in &mut state.actor_states {
                let ballot = Record::Ballot { current_term: 1, voted_for: None };
                let entry = Entry::command(1, Raft::command_to(ServerId(0), 1));
                let append = Record::Append { entries: [entry].into_iter().collect() };
                let persistent: Persistent = [ballot, append].into_iter().collect();
                let config = replica.server.config().clone();
                let server = Server::from_parts(config, persistent, volatile.clone());
                *replica = Arc::new(Replica { server, ..replica.as_ref().clone() });
            }
            state
        };
        let lead = Volatile { role: Role::Leader(Leader::default()), ..Volatile::default() };
        let reached = [properties::ELECTION_SAFETY, SAME_AS_CLUSTER, committed];
        assert_eq!(amiss(&model, &all_are(&lead)), reached);
        let commits = Volatile { commit_index: 1, ..Volatile::default() };
        assert_eq!(amiss(&model, &all_are(&commits)), [SAME_AS_CLUSTER]);
        model.cfg.reached = Arc::default();
        assert_eq!(amiss(&model, &start), [SAME_AS_CLUSTER, committed]);
    }

    /// Both ways: the scope shows that the actor model reaches nothing else; this, that it
    /// reaches everything.
    #[test]
    fn the_actor_model_reaches_what_the_cluster_reaches() {
        let bounds = Bounds { servers: 3, terms: 1, entries: 0, restarts: 0, compactions: 0 };
        let model = model(bounds);
        let mut queue: VecDeque<_> = model.init_states().into();
        let mut seen: HashSet<u64> = queue.iter().map(hash_of).collect();
        let mut reached: HashSet<u64> = queue.iter().map(servers).collect();
        while let Some(state) = queue.pop_front() {
            for next in model.next_states(&state) {
                if Model::within_boundary(&model, &next) && seen.insert(hash_of(&next)) {
                    reached.insert(servers(&next));
                    queue.push_back(next);
                }
            }
        }
        assert_eq!(reached.len(), model.cfg.reached.len());
        assert_eq!(reached, *model.cfg.reached);
    }
}
