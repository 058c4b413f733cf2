//! The world after faults stopped: what is sent arrives, and arrives once; disks write at once;
//! and no timer fires before all is quiet again.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use veraft::figure2::{Server, ServerId, Timer};
use veraft_models::{Action, Cluster, LetterRef, Memo, Modelled, Proposes};

use super::clock::Clock;
use super::failure::Unrecovered;
use super::position::Position;

/// Up to so many servers, letters arrive in every order; among more, in the order in which they
/// were sent: all others would be too many.
pub const IN_EVERY_ORDER: usize = 4;

/// Whether letters arrive in every order among so many servers.
pub fn in_every_order(servers: usize) -> bool {
    servers <= IN_EVERY_ORDER
}

/// After so many letters in a row the servers will not fall silent any more. No cluster of any
/// scope needs a tenth of them.
const ENDLESS: usize = 1000;

/// Lets things happen to positions of one cluster, and keeps a list of them.
pub struct Calm<'a, P: Modelled = Server> {
    cluster: &'a Cluster<P>,
    memo: &'a Memo<P>,
    /// What happened so far, without letters that made no difference.
    pub trail: Vec<Action<LetterRef<P>>>,
    /// How many distinct moments were met, for each thing that happened.
    pub moments: u64,
}

/// A quiet cluster after something happened.
pub struct Quiet<P: Modelled = Server> {
    /// What became of the cluster.
    pub position: Position<P>,
    /// The servers whose election timers were set meanwhile.
    pub set: BTreeSet<ServerId>,
    /// All that happened.
    pub trail: Vec<Action<LetterRef<P>>>,
}

/// A cluster that is not quiet yet.
#[derive(Clone)]
struct Moment<P: Modelled> {
    position: Position<P>,
    /// In the order in which they were sent.
    under_way: Vec<LetterRef<P>>,
    set: BTreeSet<ServerId>,
}

/// What tells moments apart: servers, letters under way by number, timers set.
type Name<P> = (Position<P>, Vec<u32>, BTreeSet<ServerId>);

/// What is known of the moments after something happened.
struct After<P: Modelled> {
    /// Each moment met, and whether all that comes of it was tried.
    met: FxHashMap<Name<P>, bool>,
    quiet: Vec<Quiet<P>>,
    /// How long the trail was before.
    first: usize,
}

impl<'a, P: Modelled> Calm<'a, P> {
    /// A calm world for `cluster`.
    pub fn new(cluster: &'a Cluster<P>, memo: &'a Memo<P>) -> Calm<'a, P> {
        Calm { cluster, memo, trail: Vec::new(), moments: 0 }
    }

    /// Lets `actions` happen, one after the other, and then all that comes of them: answers
    /// every way in which that can end.
    pub fn happen(
        &mut self,
        position: &Position<P>,
        actions: &[Action<LetterRef<P>>],
    ) -> Result<Vec<Quiet<P>>, Unrecovered> {
        let first = self.trail.len();
        let mut after = After { met: FxHashMap::default(), quiet: Vec::new(), first };
        let position = position.clone();
        let mut moment = Moment { position, under_way: Vec::new(), set: BTreeSet::new() };
        for &action in actions {
            self.act(&mut moment, action)?;
        }
        self.arrive(moment, &mut after, 0)?;
        self.trail.truncate(first);
        self.moments += after.met.len() as u64;
        Ok(after.quiet)
    }

    /// What a leader is given, so that it can commit what it holds: a command of a client; where
    /// drivers give blanks, a blank, and only while there is no entry of its own term.
    pub fn proposal(&self, position: &Position<P>, leader: ServerId) -> Option<Proposes> {
        let server = position.member(leader).server();
        match self.cluster.environment.blanks {
            false => Some(Proposes::Command),
            true if server.log().last_term() < server.current_term() => Some(Proposes::Blank),
            true => None,
        }
    }

    /// The heartbeat timers fire that run.
    pub fn heartbeats(&mut self, position: &Position<P>) -> Result<Vec<Quiet<P>>, Unrecovered> {
        let runs = position.members().filter(|(_, member)| member.runs(Timer::Heartbeat));
        let fire = runs.map(|(id, _)| Action::Timeout(id, Timer::Heartbeat));
        self.happen(position, &fire.collect::<Vec<_>>())
    }

    /// What is under way arrives, after so many `letters` in a row.
    fn arrive(
        &mut self,
        mut moment: Moment<P>,
        after: &mut After<P>,
        letters: usize,
    ) -> Result<(), Unrecovered> {
        while let Some(write) = moment.write() {
            self.act(&mut moment, write)?;
        }
        let name = moment.name();
        match after.met.get(&name) {
            Some(true) => return Ok(()),
            Some(false) => return Err(Unrecovered::Endless),
            None if letters == ENDLESS => return Err(Unrecovered::Endless),
            None => {}
        }
        after.met.insert(name.clone(), false);
        if moment.under_way.is_empty() {
            let Moment { position, set, .. } = moment;
            let trail = self.trail[after.first..].to_vec();
            after.quiet.push(Quiet { position, set, trail });
        } else {
            let so_far = self.trail.len();
            for place in moment.choices() {
                let mut next = moment.clone();
                let letter = next.under_way.remove(place);
                self.act(&mut next, Action::Deliver(letter))?;
                self.arrive(next, after, letters + 1)?;
                self.trail.truncate(so_far);
            }
        }
        after.met.insert(name, true);
        Ok(())
    }

    fn act(
        &mut self,
        moment: &mut Moment<P>,
        action: Action<LetterRef<P>>,
    ) -> Result<(), Unrecovered> {
        let id = action.server();
        let member = moment.position.member_mut(id);
        let effect = self.cluster.effect_on(self.memo, member.node, action);
        if effect.node == member.node && effect.sent().is_empty() && !effect.sets_election_timer {
            return Ok(());
        }
        self.trail.push(action);
        if effect.node.failed.is_some() {
            return Err(Unrecovered::Assertion(id));
        }
        if effect.node.replica.breach.is_some() {
            return Err(Unrecovered::Breach(id));
        }
        if effect.node.replica.untrue_answer.is_some() {
            return Err(Unrecovered::UntrueAnswer(id));
        }
        moment.under_way.extend(effect.sent());
        member.node = effect.node;
        if !member.runs(Timer::Election) {
            member.clock = Clock::Stopped;
        } else if effect.sets_election_timer {
            member.clock = Clock::SET;
            moment.set.insert(id);
        }
        Ok(())
    }
}

impl<P: Modelled> Moment<P> {
    /// What the next disk has to write, if one has.
    fn write(&self) -> Option<Action<LetterRef<P>>> {
        let mut waiting = self.position.members().filter(|(_, m)| !m.node.pending.is_empty());
        waiting.next().map(|(id, _)| Action::CarryOut(id))
    }

    /// The places of the letters that may arrive next, equal ones once.
    fn choices(&self) -> Vec<usize> {
        if !in_every_order(self.position.members().count()) {
            return vec![0];
        }
        let first = |&place: &usize| !self.under_way[..place].contains(&self.under_way[place]);
        (0..self.under_way.len()).filter(first).collect()
    }

    /// All that matters to its future: where letters arrive in every order, that in which they
    /// were sent does not.
    fn name(&self) -> Name<P> {
        let mut letters: Vec<u32> = self.under_way.iter().map(|letter| letter.number()).collect();
        if in_every_order(self.position.members().count()) {
            letters.sort_unstable();
        }
        (self.position.clone(), letters, self.set.clone())
    }
}
