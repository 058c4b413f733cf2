//! A quiet cluster: no letter is under way, every disk has written all it was given, and each
//! election timer has run for a while.

use std::collections::BTreeSet;

use veraft::figure2::{Log, Server, ServerId, Timer};
use veraft_models::orbit::Ref;
use veraft_models::{ClusterState, Handed, ModelNode, Modelled};

use super::clock::Clock;

/// A quiet cluster. Nothing else of a state matters to its future.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position<P: Modelled = Server> {
    members: Vec<Member<P>>,
}

/// A server and its election timer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member<P: Modelled = Server> {
    /// The server.
    pub node: Ref<ModelNode<P>>,
    /// Its election timer.
    pub clock: Clock,
}

impl<P: Modelled> Member<P> {
    /// The server of Figure 2.
    pub fn server(&self) -> &'static Server {
        self.node.value.server()
    }

    /// Whether `timer` runs.
    pub fn runs(&self, timer: Timer) -> bool {
        self.node.timers.contains(&timer)
    }

    /// Whether log, disk and state machine hold what the leader's log holds, all of it.
    fn holds_all_of(&self, leader: &Member<P>) -> bool {
        let ModelNode { replica, disk, .. } = &self.node.value;
        let (log, applied) = (leader.server().log(), &leader.node.replica.applied);
        are_alike(self.server().log(), log)
            && are_alike(disk.log(), log)
            && &replica.applied == applied
            && are_all_of(applied, log)
    }
}

/// Whether two logs end alike, and are the same as far as neither is compacted.
fn are_alike(one: &Log, other: &Log) -> bool {
    let first = one.first_index().max(other.first_index());
    one.last_index() == other.last_index()
        && (first..=one.last_index()).all(|index| one.get(index) == other.get(index))
}

/// Whether a state machine was given all that a log holds, or held before it was compacted.
fn are_all_of(applied: &Handed, log: &Log) -> bool {
    let held = (log.first_index()..).zip(log.entries().iter());
    applied.iter().map(|(index, _)| *index).eq(1..=log.last_index())
        && applied.iter().skip(log.base().last_index as usize).map(|(i, e)| (*i, e)).eq(held)
}

impl<P: Modelled> Position<P> {
    /// The servers of a state that has lost all its letters, each timer set nobody knows when.
    pub fn of(state: &ClusterState<P>) -> Position<P> {
        let member = |&node: &Ref<ModelNode<P>>| {
            let member = Member { node, clock: Clock::UNKNOWN };
            let runs = member.runs(Timer::Election);
            if runs { member } else { Member { clock: Clock::Stopped, ..member } }
        };
        Position { members: state.visible.nodes.iter().map(member).collect() }
    }

    /// The servers, by id.
    pub fn members(&self) -> impl Iterator<Item = (ServerId, &Member<P>)> {
        (0..).map(ServerId).zip(&self.members)
    }

    /// Server `id`.
    pub fn member(&self, id: ServerId) -> &Member<P> {
        &self.members[id.0 as usize]
    }

    /// The same, to be changed.
    pub fn member_mut(&mut self, id: ServerId) -> &mut Member<P> {
        &mut self.members[id.0 as usize]
    }

    /// A round passes. Timers in `set` were set meanwhile, and count from its end.
    pub fn pass_time(&mut self, set: &BTreeSet<ServerId>) {
        for (id, member) in (0..).map(ServerId).zip(&mut self.members) {
            if !set.contains(&id) {
                member.clock = member.clock.a_round_later();
            }
        }
    }

    /// The one leader, if there is one and every other server knows it.
    pub fn leader(&self) -> Option<ServerId> {
        let mut leaders = self.members().filter(|(_, member)| member.server().is_leader());
        let (leader, _) = leaders.next()?;
        let known = self.members().all(|(_, member)| member.server().leader() == Some(leader));
        known.then_some(leader)
    }

    /// Whether some server leads the latest term that any server has seen.
    pub fn leads_latest_term(&self) -> bool {
        let latest = self.members.iter().map(|member| member.server().current_term()).max();
        let mut leaders = self.members.iter().filter(|member| member.server().is_leader());
        leaders.any(|member| Some(member.server().current_term()) == latest)
    }

    /// Whether all servers hold and have applied the log of `leader`, to its end.
    pub fn agrees_with(&self, leader: ServerId) -> bool {
        let leader = self.member(leader);
        self.members.iter().all(|member| member.holds_all_of(leader))
    }
}
