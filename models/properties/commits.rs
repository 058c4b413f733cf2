//! What must hold of what is committed (§5.3, §5.4).

use veraft::figure2::{Base, Config, Entry, Index, Leader, Persistent, Role, Server, ServerId};

use super::logs::holds;
use super::view::{Committed, View};

/// What a server lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacks {
    /// The server.
    pub server: ServerId,
    /// The first index at which it lacks the entry.
    pub index: Index,
}

/// Leader Completeness: an entry committed in a term is in the log of every leader of a later
/// term. True of whoever does not lead.
///
/// # Errors
/// The first index at which the leader lacks what was committed.
pub fn leader_is_complete<'a>(
    server: &Server,
    committed: impl IntoIterator<Item = Committed<'a>>,
) -> Result<(), Lacks> {
    if !server.is_leader() {
        return Ok(());
    }
    let lacks = |committed: &Committed<'_>| {
        committed.term < server.current_term()
            && !holds(server.log(), committed.index, committed.entry)
    };
    match committed.into_iter().find(lacks) {
        Some(Committed { index, .. }) => Err(Lacks { server: server.config().id, index }),
        None => Ok(()),
    }
}

/// Leader Completeness, of every leader.
///
/// # Errors
/// The first leader that lacks what was committed.
pub fn leader_completeness(view: &impl View) -> Result<(), Lacks> {
    view.servers().try_for_each(|server| leader_is_complete(server, view.committed()))
}

/// State Machine Safety: what is applied at an index, an entry or a command, is what others apply
/// there, as far as it is known.
///
/// # Errors
/// The first index at which something else is applied.
pub fn applied_agrees<'a, T: Eq + 'a>(
    applied: impl IntoIterator<Item = (Index, &'a T)>,
    known: impl Fn(Index) -> Option<&'a T>,
) -> Result<(), Index> {
    let differs = |&(index, applied): &(Index, &T)| known(index).is_some_and(|k| k != applied);
    match applied.into_iter().find(differs) {
        Some((index, _)) => Err(index),
        None => Ok(()),
    }
}

/// Entries are applied in order, behind what was `applied` before.
///
/// # Errors
/// The index whose turn it was.
pub fn applied_in_turn(applied: Index, next: impl IntoIterator<Item = Index>) -> Result<(), Index> {
    match (applied + 1..).zip(next).find(|(turn, index)| turn != index) {
        Some((turn, _)) => Err(turn),
        None => Ok(()),
    }
}

/// A committed entry that a crash can still undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStored {
    /// The index of the entry.
    pub index: Index,
    /// How many servers have it on their disk.
    pub stored: usize,
}

/// Commit durability: a quorum has a committed entry on its disks.
///
/// # Errors
/// When none has.
pub fn commit_is_durable<'a>(
    config: &Config,
    index: Index,
    entry: &Entry,
    disk: impl Fn(ServerId) -> &'a Persistent,
) -> Result<(), NotStored> {
    let stores = |server| holds(disk(server).log(), index, entry);
    match config.is_quorum(stores) {
        true => Ok(()),
        false => {
            let stored = config.servers.iter().filter(|server| stores(**server)).count();
            Err(NotStored { index, stored })
        }
    }
}

/// Commit durability, of everything that was committed.
///
/// # Errors
/// The first entry that is not durable.
pub fn commit_durability(view: &impl View) -> Result<(), NotStored> {
    let Some(config) = view.servers().next().map(Server::config) else { return Ok(()) };
    view.committed().try_for_each(|Committed { index, entry, term: _ }| {
        commit_is_durable(config, index, entry, |id| view.disk(id))
    })
}

/// Whoever could still win an election has everything that was committed. A server could win if
/// its durable log is as up to date as those of a quorum, its own included. This falls sooner
/// than Leader Completeness, which needs the election too.
///
/// # Errors
/// The first such server that lacks something.
pub fn electable_are_complete(view: &impl View) -> Result<(), Lacks> {
    if view.committed().next().is_none() {
        return Ok(());
    }
    let rank = |server| (view.disk(server).log().last_term(), view.disk(server).log().last_index());
    for config in view.servers().map(Server::config) {
        let server = config.id;
        let lacks = |committed: &Committed<'_>| {
            !holds(view.disk(server).log(), committed.index, committed.entry)
        };
        if let Some(Committed { index, .. }) = view.committed().find(lacks)
            && config.is_quorum(|voter| rank(voter) <= rank(server))
        {
            return Err(Lacks { server, index });
        }
    }
    Ok(())
}

/// What a leader believes a peer to hold, the peer durably holds. Only of peers that the
/// leader's term has not ended for: a later leader may replace what was not committed.
///
/// # Errors
/// The first peer that does not hold what some leader believes, and the first index.
pub fn match_index_is_true(view: &impl View) -> Result<(), Lacks> {
    for leader in view.servers() {
        let match_index = match &leader.volatile().role {
            Role::Leader(Leader { match_index, next_index: _ }) => match_index,
            Role::Follower { .. } | Role::Candidate { .. } => continue,
        };
        for (&server, &matched) in match_index {
            let disk = view.disk(server);
            if disk.current_term() > leader.current_term() {
                continue;
            }
            let behind = leader.log().first_index()..=matched;
            let mut claimed = behind.zip(leader.log().entries().iter());
            let lacks = |&(index, entry): &(Index, &Entry)| !holds(disk.log(), index, entry);
            let lacking = claimed.find(lacks).map(|(index, _)| index);
            // What the leader has compacted it cannot name, but for the last entry of it; by Log
            // Matching, that stands for those before it.
            let Base { last_index, last_term } = leader.log().base();
            let agrees = disk.log().term_at(last_index).agrees_with(last_term);
            let parts = (last_index <= matched && !agrees).then_some(last_index);
            let short = disk.log().last_index() < matched;
            let short = short.then(|| disk.log().last_index() + 1);
            if let Some(index) = lacking.into_iter().chain(parts).chain(short).min() {
                return Err(Lacks { server, index });
            }
        }
    }
    Ok(())
}

/// `next_index` lies above `match_index`, and at most one behind the leader's log: what a leader
/// sends next, it has, and the peer is not known to. True of whoever does not lead.
///
/// # Errors
/// The first peer for which it does not.
pub fn next_index_in_range(server: &Server) -> Result<(), ServerId> {
    let Role::Leader(Leader { next_index, match_index }) = &server.volatile().role else {
        return Ok(());
    };
    let in_range = |peer, next| {
        let matched = match_index.get(peer).copied().unwrap_or(0);
        matched < next && next <= server.log().last_index() + 1
    };
    match next_index.iter().find(|&(peer, &next)| !in_range(peer, next)) {
        Some((&peer, _)) => Err(peer),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Sketch, entry, server, stored};
    use veraft::figure2::Volatile;

    use super::*;

    const A: ServerId = ServerId(0);
    const B: ServerId = ServerId(1);
    const C: ServerId = ServerId(2);

    #[test]
    fn a_leader_of_a_later_term_has_what_was_committed() {
        let entry = entry(1, 7);
        let committed = [Committed { index: 1, entry: &entry, term: 2 }];
        let is_complete = |term, leads, log: &[_]| {
            leader_is_complete(&server(A, leads, stored(term, log)), committed)
        };
        assert_eq!(is_complete(3, true, &[(1, 7)]), Ok(()));
        // Late votes may still make a leader of the term in which it was committed.
        assert_eq!(is_complete(2, true, &[]), Ok(()));
        assert_eq!(is_complete(3, false, &[]), Ok(()));
        let lacks = Err(Lacks { server: A, index: 1 });
        assert_eq!(is_complete(3, true, &[]), lacks);
        assert_eq!(is_complete(3, true, &[(1, 8)]), lacks);
    }

    #[test]
    fn a_leader_sends_what_it_has_and_the_peer_is_not_known_to() {
        let in_range = |next, matched| {
            let follower = server(A, false, stored(2, &[(1, 7), (2, 8)]));
            let (next_index, match_index) = ([(B, next)].into(), [(B, matched)].into());
            let role = Role::Leader(Leader { next_index, match_index });
            let volatile = Volatile { role, ..Volatile::default() };
            let persistent = follower.persistent().clone();
            next_index_in_range(&Server::from_parts(
                follower.config().clone(),
                persistent,
                volatile,
            ))
        };
        assert_eq!((in_range(1, 0), in_range(3, 0), in_range(3, 2)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((in_range(0, 0), in_range(4, 2), in_range(2, 2)), (Err(B), Err(B), Err(B)));
    }

    #[test]
    fn servers_apply_the_same_each_in_its_turn() {
        let (one, other) = (entry(1, 7), entry(1, 8));
        let known = |index| (index == 2).then_some(&one);
        assert_eq!(applied_agrees([(1, &other), (2, &one)], known), Ok(()));
        assert_eq!(applied_agrees([(1, &one), (2, &other)], known), Err(2));
        assert_eq!(applied_in_turn(3, [4, 5]), Ok(()));
        assert_eq!(applied_in_turn(3, [4, 6]), Err(5));
        assert_eq!(applied_in_turn(3, [3]), Err(4));
    }

    #[test]
    fn a_quorum_stores_what_is_committed() {
        let mut sketch = Sketch::of(3);
        sketch.committed.push((1, entry(1, 7), 1));
        let [one, two] = [(1, 7), (1, 8)].map(|entry| stored(1, &[entry]));
        sketch.disks[..2].clone_from_slice(&[one.clone(), two]);
        assert_eq!(commit_durability(&sketch), Err(NotStored { index: 1, stored: 1 }));
        sketch.disks[2] = one;
        assert_eq!(commit_durability(&sketch), Ok(()));
    }

    #[test]
    fn whoever_could_win_has_what_was_committed() {
        let mut sketch = Sketch::of(3);
        sketch.disks[0] = stored(2, &[(1, 7)]);
        sketch.disks[1] = stored(2, &[(1, 7)]);
        sketch.disks[2] = stored(2, &[(2, 9)]);
        assert_eq!(electable_are_complete(&sketch), Ok(()), "nothing is committed");
        sketch.committed.push((1, entry(1, 7), 1));
        let lacks = Err(Lacks { server: C, index: 1 });
        assert_eq!(electable_are_complete(&sketch), lacks);
        sketch.disks[2] = stored(2, &[]);
        assert_eq!(electable_are_complete(&sketch), Ok(()), "nobody votes for it");
    }

    #[test]
    fn a_peer_has_what_its_leader_believes() {
        let mut sketch = Sketch::of(3);
        let log = stored(2, &[(1, 7), (2, 8)]);
        sketch.servers[0] = server(A, true, log.clone());
        sketch.disks[1] = log;
        sketch.believe(0, [(B, 2), (C, 0)]);
        assert_eq!(match_index_is_true(&sketch), Ok(()));
        sketch.believe(0, [(B, 2), (C, 1)]);
        assert_eq!(match_index_is_true(&sketch), Err(Lacks { server: C, index: 1 }));
        sketch.disks[2] = stored(2, &[(1, 9)]);
        assert_eq!(match_index_is_true(&sketch), Err(Lacks { server: C, index: 1 }));
        sketch.disks[2] = stored(3, &[(1, 9)]);
        assert_eq!(match_index_is_true(&sketch), Ok(()), "the leader's term has ended there");
    }
}
