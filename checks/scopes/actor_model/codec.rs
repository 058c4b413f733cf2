//! The actor model as the timely engine searches it, and its states as bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stateright::Model;
use stateright::actor::{ActorModel, ActorModelState, Envelope, Network, RandomChoices, Timers};
use veraft::figure2::{Message, Persistent, Timer};
use veraft_models::actor::Proposes;
use veraft_models::interned::keyed_hash_of;
use veraft_models::orbit::hash_of;
use veraft_models::{Raft, Replica};

use super::Reference;
use crate::engines::covering::Covering;
use crate::engines::timely::{Space, UnreadableState};

/// A state of the actor model as plain data: what stateright hashes of it, and no crash, which
/// the model has not.
#[derive(Serialize, Deserialize)]
struct Plain {
    replicas: Vec<Arc<Replica>>,
    letters: Vec<(usize, usize, Message)>,
    last: Option<(usize, usize, Message)>,
    timers: Vec<Vec<Timer>>,
    choices: Vec<Vec<(String, Vec<Proposes>)>>,
    crashed: Vec<bool>,
    storages: Vec<Option<Persistent>>,
}

impl Plain {
    fn of(state: &ActorModelState<Raft, ()>) -> Plain {
        let ActorModelState {
            actor_states,
            network,
            timers_set,
            random_choices,
            crashed,
            history: (),
            actor_storages,
        } = state;
        let plain = |e: &Envelope<Message>| (usize::from(e.src), usize::from(e.dst), e.msg.clone());
        let Network::UnorderedDuplicating(letters, last) = network else {
            unreachable!("actor_model::model makes this network")
        };
        let choices = |choices: &RandomChoices<Proposes>| {
            choices.map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        Plain {
            replicas: actor_states.clone(),
            letters: letters.iter().map(plain).collect(),
            last: last.as_ref().map(plain),
            timers: timers_set.iter().map(|timers| timers.iter().copied().collect()).collect(),
            choices: random_choices.iter().map(choices).collect(),
            crashed: crashed.clone(),
            storages: actor_storages.clone(),
        }
    }

    fn state(self) -> ActorModelState<Raft, ()> {
        let Plain { replicas, letters, last, timers, choices, crashed, storages } = self;
        let envelope = |(src, dst, msg): (usize, usize, Message)| Envelope {
            src: src.into(),
            dst: dst.into(),
            msg,
        };
        let timers = timers.into_iter().map(|set| {
            let mut timers = Timers::new();
            set.into_iter().for_each(|timer| {
                timers.set(timer);
            });
            timers
        });
        let choices = choices.into_iter().map(|all| {
            let mut choices = RandomChoices::default();
            all.into_iter().for_each(|(key, value)| choices.insert(key, value));
            choices
        });
        let Network::UnorderedDuplicating(mut known, _) = Network::new_unordered_duplicating([])
        else {
            unreachable!("the constructor is named after the variant")
        };
        known.extend(letters.into_iter().map(envelope));
        ActorModelState {
            actor_states: replicas,
            network: Network::UnorderedDuplicating(known, last.map(envelope)),
            timers_set: timers.collect(),
            random_choices: choices.collect(),
            crashed,
            history: (),
            actor_storages: storages,
        }
    }
}

/// No state covers another.
impl Covering for ActorModel<Raft, Reference> {
    type Sets = ();
}

impl Space for ActorModel<Raft, Reference> {
    type Memo = ();
    type Names = ();
    type Told = ();

    fn fingerprint(&self, state: &Self::State) -> u64 {
        hash_of(state)
    }

    fn wide_fingerprint(&self, state: &Self::State) -> u128 {
        u128::from(keyed_hash_of(1, state)) << 64 | u128::from(hash_of(state))
    }

    fn orbit(&self) -> usize {
        1
    }

    fn successors(&self, (): &mut (), state: &Self::State, visit: impl FnMut(&Self::State)) {
        let next = self.next_states(state);
        next.iter().filter(|next| Model::within_boundary(self, next)).for_each(visit);
    }

    fn write(&self, state: &Self::State, out: &mut Vec<u8>) {
        let bytes = postcard::to_allocvec(&Plain::of(state));
        out.extend(bytes.expect("every part of a state is plain data of known length"));
    }

    fn read(
        &self,
        (): &mut (),
        bytes: &mut &[u8],
        state: &mut Self::State,
    ) -> Result<(), UnreadableState> {
        self.read_foreign(&(), bytes, state)
    }

    fn tell(&self, (): &mut (), (): &mut ()) -> Vec<u8> {
        Vec::new()
    }

    fn learn(&self, (): &mut (), _: &[u8]) -> Result<(), UnreadableState> {
        Ok(())
    }

    fn read_foreign(
        &self,
        (): &(),
        bytes: &mut &[u8],
        state: &mut Self::State,
    ) -> Result<(), UnreadableState> {
        let (plain, rest) =
            postcard::take_from_bytes::<Plain>(bytes).map_err(|_| UnreadableState)?;
        *bytes = rest;
        *state = plain.state();
        Ok(())
    }
}
