//! The game: the adversary chooses which election timer fires next, or lets a round pass, as
//! [clocks](super::clock) allow; the cluster wins where it has a leader that everybody hears and
//! that brings a new entry to every state machine. All choices are tried.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use veraft::figure2::{ServerId, Timer};
use veraft_models::{Action, Cluster, ClusterState, Memo};

use super::calm::Calm;
use super::failure::Failure;
use super::position::Position;

/// How many heartbeats a leader has for bringing a new entry to every state machine: one to
/// tell that it is committed, and one to spare.
const HEARTBEATS: usize = 2;

/// A game against all adversaries, over many starts.
#[derive(Default)]
pub struct Game {
    memo: Memo,
    /// Positions from which the cluster recovers, with the most rounds that takes.
    known: FxHashMap<Position, u32>,
}

/// A game that the adversary won.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Why.
    pub failure: Failure,
    /// What happened since faults stopped.
    pub trail: Vec<Action>,
}

impl Game {
    /// How many positions were met.
    pub fn positions(&self) -> usize {
        self.known.len()
    }

    /// Plays from a state of `cluster` in which everything under way is lost, for at most
    /// `rounds` rounds. Answers the most rounds that an adversary can keep the cluster without
    /// a leader.
    pub fn play(
        &mut self,
        cluster: &Cluster,
        state: &ClusterState,
        rounds: u32,
    ) -> Result<u32, Lost> {
        let calm = Calm::new(cluster, &self.memo);
        let mut player = Player { calm, known: &mut self.known, rounds };
        let played = player.play(Position::of(state));
        played.map_err(|failure| Lost { failure, trail: player.calm.trail })
    }
}

struct Player<'a> {
    calm: Calm<'a>,
    known: &'a mut FxHashMap<Position, u32>,
    rounds: u32,
}

impl Player<'_> {
    fn play(&mut self, mut position: Position) -> Result<u32, Failure> {
        let failed = position.members().find(|(_, member)| member.node.failed.is_some());
        if let Some((id, _)) = failed {
            return Err(Failure::Assertion(id));
        }
        let led = position.leads_latest_term();
        self.calm.happen(&mut position, &[])?;
        let heard = self.calm.heartbeats(&mut position)?;
        if let Some(leader) = heard_leader(&position, &heard) {
            return self.serve(position, leader).map(|()| 0);
        }
        if led {
            return Err(Failure::Unheard);
        }
        self.worst(position, self.rounds)
    }

    /// The most rounds that an adversary can keep the cluster without a leader from here on, if
    /// no more than are `left`.
    fn worst(&mut self, position: Position, left: u32) -> Result<u32, Failure> {
        if let Some(&rounds) = self.known.get(&position).filter(|&&rounds| rounds <= left) {
            return Ok(rounds);
        }
        let so_far = self.calm.trail.len();
        let mut most = 0;
        // Time first: of the ways to lose, those in which little happens are easier to read.
        if !position.members().any(|(_, member)| member.clock.must_fire()) {
            most = self.round(position.clone(), left)?;
            self.calm.trail.truncate(so_far);
        }
        let ripe = position.members().filter(|(_, member)| member.clock.may_fire());
        for id in ripe.map(|(id, _)| id).collect::<Vec<_>>() {
            let mut next = position.clone();
            self.calm.happen(&mut next, &[Action::Timeout(id, Timer::Election)])?;
            most = most.max(self.worst(next, left)?);
            self.calm.trail.truncate(so_far);
        }
        self.known.insert(position, most);
        Ok(most)
    }

    /// A round passes, with heartbeats of whoever leads.
    fn round(&mut self, mut position: Position, left: u32) -> Result<u32, Failure> {
        let heard = self.calm.heartbeats(&mut position)?;
        if let Some(leader) = heard_leader(&position, &heard) {
            return self.serve(position, leader).map(|()| 0);
        }
        let Some(left) = left.checked_sub(1) else {
            return Err(Failure::NoLeader(self.rounds));
        };
        position.pass_time(&heard);
        self.worst(position, left).map(|rounds| rounds + 1)
    }

    /// The leader takes in a new entry, and brings all it has to everybody. It beats faster than
    /// any election timer that it resets, so the adversary has no choice left.
    fn serve(&mut self, mut position: Position, leader: ServerId) -> Result<(), Failure> {
        let entries = |position: &Position| position.member(leader).server().log().last_index();
        let before = entries(&position);
        self.calm.happen(&mut position, &[Action::Propose(leader)])?;
        if entries(&position) <= before {
            return Err(Failure::Refused(leader));
        }
        for _ in 0..HEARTBEATS {
            let heard = self.calm.heartbeats(&mut position)?;
            if heard_leader(&position, &heard) != Some(leader) {
                return Err(Failure::LeaderLost(leader));
            }
            if position.agrees_with(leader) {
                return Ok(());
            }
        }
        Err(Failure::Disagreement(leader))
    }
}

/// The one leader, if there is one, every server knows it, and heartbeats set the timers of all
/// others.
fn heard_leader(position: &Position, heard: &BTreeSet<ServerId>) -> Option<ServerId> {
    let leader = position.leader()?;
    let mut others = position.members().map(|(id, _)| id).filter(|&id| id != leader);
    others.all(|id| heard.contains(&id)).then_some(leader)
}
