//! The world after faults stopped: what is sent arrives, once and in the order in which it was
//! sent; disks write at once; and no timer fires before all is quiet again.

use std::collections::{BTreeSet, VecDeque};

use veraft::figure2::{ServerId, Timer};
use veraft_models::orbit::Ref;
use veraft_models::{Action, Cluster, Letter, Memo};

use super::clock::Clock;
use super::failure::Failure;
use super::position::Position;

/// Lets things happen to positions of one cluster, and keeps a list of them.
pub struct Calm<'a> {
    cluster: &'a Cluster,
    memo: &'a Memo,
    /// What happened so far, without letters that made no difference.
    pub trail: Vec<Action>,
}

/// A server sends no more letters than this because of one thing that happens, for each pair of
/// servers: entries travel in batches, and a refusal moves a leader back by a term at least.
const LETTERS_OF_A_PAIR: usize = 100;

impl<'a> Calm<'a> {
    /// A calm world for `cluster`.
    pub fn new(cluster: &'a Cluster, memo: &'a Memo) -> Calm<'a> {
        Calm { cluster, memo, trail: Vec::new() }
    }

    /// Lets `actions` happen, one after the other, and then all that comes of them. Answers
    /// whose election timers were set by that.
    pub fn happen(
        &mut self,
        position: &mut Position,
        actions: &[Action],
    ) -> Result<BTreeSet<ServerId>, Failure> {
        let mut set = BTreeSet::new();
        let mut under_way = VecDeque::new();
        for &action in actions {
            self.act(position, action, &mut under_way, &mut set)?;
        }
        let servers = position.members().count();
        for _ in 0..LETTERS_OF_A_PAIR * servers * servers {
            let writes = |(id, member): (_, &super::position::Member)| {
                (!member.node.pending.is_empty()).then_some(Action::CarryOut(id))
            };
            let next = position.members().find_map(writes);
            let Some(next) = next.or_else(|| under_way.pop_front().map(Action::Deliver)) else {
                return Ok(set);
            };
            self.act(position, next, &mut under_way, &mut set)?;
        }
        Err(Failure::Endless)
    }

    /// The heartbeat timers fire that run.
    pub fn heartbeats(&mut self, position: &mut Position) -> Result<BTreeSet<ServerId>, Failure> {
        let runs = position.members().filter(|(_, member)| member.runs(Timer::Heartbeat));
        let fire = runs.map(|(id, _)| Action::Timeout(id, Timer::Heartbeat));
        let fire: Vec<Action> = fire.collect();
        self.happen(position, &fire)
    }

    fn act(
        &mut self,
        position: &mut Position,
        action: Action,
        under_way: &mut VecDeque<Ref<Letter>>,
        set: &mut BTreeSet<ServerId>,
    ) -> Result<(), Failure> {
        let id = action.server();
        let member = position.member_mut(id);
        let effect = self.cluster.effect_on(self.memo, member.node, action);
        if effect.node == member.node && effect.sent.is_empty() && !effect.sets_election_timer {
            return Ok(());
        }
        self.trail.push(action);
        if effect.node.failed.is_some() {
            return Err(Failure::Assertion(id));
        }
        under_way.extend(&effect.sent);
        member.node = effect.node;
        if !member.runs(Timer::Election) {
            member.clock = Clock::Stopped;
        } else if effect.sets_election_timer {
            member.clock = Clock::SET;
            set.insert(id);
        }
        Ok(())
    }
}
