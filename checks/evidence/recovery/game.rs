//! The game: the adversary chooses which election timer fires next, or lets a round pass, as
//! [clocks](super::clock) allow; the cluster wins where it has a leader that everybody hears and
//! that brings a new entry to every state machine. All choices are tried.

use rustc_hash::{FxHashMap, FxHashSet};
use veraft::figure2::{Server, ServerId, Timer};
use veraft_models::{Action, Cluster, ClusterState, LetterRef, Memo, Modelled, Proposes};

use super::calm::{Calm, Quiet};
use super::failure::Unrecovered;
use super::position::Position;

/// How many heartbeats a leader has for bringing a new entry to every state machine: one to
/// tell that it is committed, and one to spare.
const HEARTBEATS: u32 = 2;

/// A game against all adversaries, over many starts.
pub struct Game<P: Modelled = Server> {
    memo: Memo<P>,
    /// Positions from which the cluster recovers, with the most rounds that takes.
    known: FxHashMap<Position<P>, u32>,
    /// Positions with a leader that was tried, and brought a new entry to everybody.
    served: FxHashSet<Position<P>>,
    moments: u64,
}

/// A game that the adversary won.
#[derive(Clone, Debug)]
pub struct LostGame<P: Modelled = Server> {
    /// Why.
    pub failure: Unrecovered,
    /// What happened since faults stopped.
    pub trail: Vec<Action<LetterRef<P>>>,
}

impl<P: Modelled> Default for Game<P> {
    fn default() -> Self {
        let (known, served) = Default::default();
        Game { memo: Memo::default(), known, served, moments: 0 }
    }
}

impl<P: Modelled> Game<P> {
    /// How many positions were met.
    pub fn positions(&self) -> usize {
        self.known.len()
    }

    /// How many moments there were between positions, at which letters were under way: equal ones
    /// counted again for each position.
    pub fn moments(&self) -> u64 {
        self.moments
    }

    /// Plays from a state of `cluster` in which everything under way is lost, for at most
    /// `rounds` rounds. Answers the most rounds that an adversary can keep the cluster without
    /// a leader.
    pub fn play(
        &mut self,
        cluster: &Cluster<P>,
        state: &ClusterState<P>,
        rounds: u32,
    ) -> Result<u32, LostGame<P>> {
        let calm = Calm::new(cluster, &self.memo);
        let Game { memo: _, known, served, moments: _ } = self;
        let mut player = Player { calm, known, served, rounds };
        let played = player.play(Position::of(state));
        self.moments += player.calm.moments;
        played.map_err(|failure| LostGame { failure, trail: player.calm.trail })
    }
}

struct Player<'a, P: Modelled> {
    calm: Calm<'a, P>,
    known: &'a mut FxHashMap<Position<P>, u32>,
    served: &'a mut FxHashSet<Position<P>>,
    rounds: u32,
}

impl<P: Modelled> Player<'_, P> {
    fn play(&mut self, position: Position<P>) -> Result<u32, Unrecovered> {
        let failed = position.members().find(|(_, member)| member.node.failed.is_some());
        if let Some((id, _)) = failed {
            return Err(Unrecovered::Assertion(id));
        }
        let led = position.leads_latest_term();
        self.unless_heard(&position, |player, after| match led {
            true => Err(Unrecovered::Unheard),
            false => player.worst(after.position, player.rounds),
        })
    }

    /// The most rounds that an adversary can keep the cluster without a leader from here on, if
    /// no more than are `left`.
    fn worst(&mut self, position: Position<P>, left: u32) -> Result<u32, Unrecovered> {
        if let Some(&rounds) = self.known.get(&position).filter(|&&rounds| rounds <= left) {
            return Ok(rounds);
        }
        let mut most = 0;
        // Time first: of the ways to lose, those in which little happens are easier to read.
        if !position.members().any(|(_, member)| member.clock.must_fire()) {
            most = self.round(&position, left)?;
        }
        let ripe = position.members().filter(|(_, member)| member.clock.may_fire());
        for (id, _) in ripe {
            let fires = self.calm.happen(&position, &[Action::Timeout(id, Timer::Election)])?;
            most = most.max(self.each(fires, |player, after| player.worst(after.position, left))?);
        }
        self.known.insert(position, most);
        Ok(most)
    }

    /// A round passes, with heartbeats of whoever leads.
    fn round(&mut self, position: &Position<P>, left: u32) -> Result<u32, Unrecovered> {
        self.unless_heard(position, |player, Quiet { mut position, set, trail: _ }| {
            let Some(left) = left.checked_sub(1) else {
                return Err(Unrecovered::NoLeader(player.rounds));
            };
            position.pass_time(&set);
            player.worst(position, left).map(|rounds| rounds + 1)
        })
    }

    /// Whoever leads sends heartbeats. If everybody hears one leader, it is tried; if not, `then`
    /// goes on.
    fn unless_heard(
        &mut self,
        position: &Position<P>,
        mut then: impl FnMut(&mut Self, Quiet<P>) -> Result<u32, Unrecovered>,
    ) -> Result<u32, Unrecovered> {
        let beats = self.calm.heartbeats(position)?;
        self.each(beats, |player, after| match after.heard_leader() {
            Some(leader) => player.serve(&after.position, leader).map(|()| 0),
            None => then(player, after),
        })
    }

    /// The leader takes in what it is given, and brings all it has to everybody. It beats faster
    /// than any election timer that it resets, so the adversary chooses no timer any more.
    fn serve(&mut self, position: &Position<P>, leader: ServerId) -> Result<(), Unrecovered> {
        if self.served.contains(position) {
            return Ok(());
        }
        match self.calm.proposal(position, leader) {
            Some(proposes) => self.take_in(position, leader, proposes)?,
            None => self.spread(position, leader, HEARTBEATS)?,
        };
        self.served.insert(position.clone());
        Ok(())
    }

    /// The leader is given an entry, and brings it to everybody.
    fn take_in(
        &mut self,
        position: &Position<P>,
        leader: ServerId,
        proposes: Proposes,
    ) -> Result<u32, Unrecovered> {
        let entries = |position: &Position<P>| position.member(leader).server().log().last_index();
        let proposed = self.calm.happen(position, &[Action::Propose(leader, proposes)])?;
        self.each(proposed, |player, after| match entries(&after.position) {
            now if now > entries(position) => player.spread(&after.position, leader, HEARTBEATS),
            _ => Err(Unrecovered::Refused(leader)),
        })
    }

    /// With at most so many `heartbeats`, everybody has applied all that the leader holds.
    fn spread(
        &mut self,
        position: &Position<P>,
        leader: ServerId,
        heartbeats: u32,
    ) -> Result<u32, Unrecovered> {
        let Some(left) = heartbeats.checked_sub(1) else {
            return Err(Unrecovered::Disagreement(leader));
        };
        let beats = self.calm.heartbeats(position)?;
        self.each(beats, |player, after| match after.heard_leader() {
            Some(heard) if heard == leader => match after.position.agrees_with(leader) {
                true => Ok(0),
                false => player.spread(&after.position, leader, left),
            },
            Some(_) | None => Err(Unrecovered::LeaderLost(leader)),
        })
    }

    /// Goes on from each of `ways`; answers the most rounds that one took.
    fn each(
        &mut self,
        ways: Vec<Quiet<P>>,
        mut then: impl FnMut(&mut Self, Quiet<P>) -> Result<u32, Unrecovered>,
    ) -> Result<u32, Unrecovered> {
        let so_far = self.calm.trail.len();
        let mut most = 0;
        for way in ways {
            self.calm.trail.extend(&way.trail);
            most = most.max(then(self, way)?);
            self.calm.trail.truncate(so_far);
        }
        Ok(most)
    }
}

impl<P: Modelled> Quiet<P> {
    /// The one leader, if there is one, every server knows it, and the timers of all others were
    /// set.
    fn heard_leader(&self) -> Option<ServerId> {
        let leader = self.position.leader()?;
        let mut others = self.position.members().map(|(id, _)| id).filter(|&id| id != leader);
        others.all(|id| self.set.contains(&id)).then_some(leader)
    }
}
