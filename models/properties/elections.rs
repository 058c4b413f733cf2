//! What must hold of terms, votes and leaders (§5.2).

use veraft::figure2::{Role, Server, ServerId, Term, Timer};

use super::view::View;

/// Two values where only one can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Two<K, V> {
    /// What they are of.
    pub of: K,
    /// The first value, and the first that differs from it.
    pub values: [V; 2],
}

/// At most one value for each key. Takes time with the square of their number, and no memory.
fn one_each<K: Copy + Eq, V: Copy + Eq>(
    pairs: impl IntoIterator<Item = (K, V), IntoIter: Clone>,
) -> Result<(), Two<K, V>> {
    let mut rest = pairs.into_iter();
    while let Some((of, first)) = rest.next() {
        let mut same = rest.clone().filter(|(key, _)| *key == of).map(|(_, value)| value);
        if let Some(second) = same.find(|value| *value != first) {
            return Err(Two { of, values: [first, second] });
        }
    }
    Ok(())
}

/// Election Safety: at most one server leads a term. Of all that ever led, or of the first that
/// led a term and of whoever leads it now.
///
/// # Errors
/// Two leaders of a term.
pub fn one_leader_per_term<S: Copy + Eq>(
    led: impl IntoIterator<Item = (Term, S), IntoIter: Clone>,
) -> Result<(), Two<Term, S>> {
    one_each(led)
}

/// Election Safety.
///
/// # Errors
/// Two leaders of a term.
pub fn election_safety(view: &impl View) -> Result<(), Two<Term, ServerId>> {
    one_leader_per_term(view.led())
}

/// Each vote is the term, the voter and the candidate: no server votes for two in a term.
///
/// # Errors
/// Two candidates that a server voted for in a term.
pub fn one_vote_per_term(
    votes: impl IntoIterator<Item = ((Term, ServerId), ServerId), IntoIter: Clone>,
) -> Result<(), Two<(Term, ServerId), ServerId>> {
    one_each(votes)
}

/// A term, or a commit index, that went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fell {
    /// What it was.
    pub from: u64,
    /// What it is.
    pub to: u64,
}

/// `currentTerm` never falls, nor does `commitIndex` before a restart.
///
/// # Errors
/// When it did.
pub fn never_falls(from: u64, to: u64) -> Result<(), Fell> {
    match to < from {
        true => Err(Fell { from, to }),
        false => Ok(()),
    }
}

/// The heartbeat timer of a leader runs, the election timer of everybody else, and no other.
///
/// # Errors
/// The first timer that runs and should not, or should and does not.
pub fn timers_fit(server: &Server, runs: impl Fn(Timer) -> bool) -> Result<(), Timer> {
    let leads = server.is_leader();
    let fit = [(Timer::Election, !leads), (Timer::Heartbeat, leads)];
    match fit.into_iter().find(|&(timer, should_run)| runs(timer) != should_run) {
        Some((timer, _)) => Err(timer),
        None => Ok(()),
    }
}

/// Whom a follower takes for the leader of its term, led it.
///
/// # Errors
/// The first server that takes another, or itself, for its leader.
pub fn known_leaders_led(view: &impl View) -> Result<(), ServerId> {
    let knows = |server: &&Server| match server.volatile().role {
        Role::Follower { leader: Some(leader) } => {
            let led = (server.current_term(), leader);
            leader == server.config().id || !view.led().any(|other| other == led)
        }
        Role::Follower { leader: None } | Role::Candidate { .. } | Role::Leader(_) => false,
    };
    match view.servers().find(knows) {
        Some(server) => Err(server.config().id),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use veraft::figure2::{Persistent, Volatile};

    use super::super::fixtures::{Sketch, server, stored};
    use super::*;

    const A: ServerId = ServerId(0);
    const B: ServerId = ServerId(1);

    #[test]
    fn a_leader_beats_and_everybody_else_may_stand() {
        let fit = |leads, running: &[Timer]| {
            let server = server(A, leads, Persistent::default());
            timers_fit(&server, |timer| running.contains(&timer))
        };
        use Timer::{Election, Heartbeat};
        assert_eq!((fit(true, &[Heartbeat]), fit(false, &[Election])), (Ok(()), Ok(())));
        assert_eq!((fit(true, &[]), fit(false, &[])), (Err(Heartbeat), Err(Election)));
        let both = [Election, Heartbeat];
        assert_eq!((fit(true, &both), fit(false, &both)), (Err(Election), Err(Heartbeat)));
    }

    #[test]
    fn whom_a_follower_follows_led_its_term() {
        let knows = |term, leader, led: &[(Term, ServerId)]| {
            let mut sketch = Sketch::of(3);
            let (config, persistent) = (sketch.servers[0].config().clone(), stored(term, &[]));
            let role = Role::Follower { leader };
            let volatile = Volatile { role, ..Volatile::default() };
            sketch.servers[0] = Server::from_parts(config, persistent, volatile);
            sketch.led = led.to_vec();
            known_leaders_led(&sketch)
        };
        assert_eq!(knows(2, None, &[]), Ok(()));
        assert_eq!(knows(2, Some(B), &[(1, A), (2, B)]), Ok(()));
        assert_eq!(knows(2, Some(B), &[(1, B), (2, A)]), Err(A));
        assert_eq!(knows(2, Some(A), &[(2, A)]), Err(A));
    }

    #[test]
    fn a_term_has_one_leader() {
        assert_eq!(one_leader_per_term([(1, 'a'), (2, 'b'), (1, 'a'), (3, 'a')]), Ok(()));
        let two = Two { of: 2, values: ['b', 'c'] };
        assert_eq!(one_leader_per_term([(1, 'a'), (2, 'b'), (3, 'a'), (2, 'c')]), Err(two));
    }

    #[test]
    fn a_server_votes_once_a_term() {
        let [a, b, c] = [0, 1, 2].map(ServerId);
        assert_eq!(one_vote_per_term([((1, a), a), ((1, b), a), ((2, b), c)]), Ok(()));
        let two = Two { of: (1, b), values: [a, c] };
        assert_eq!(one_vote_per_term([((1, a), a), ((1, b), a), ((1, b), c)]), Err(two));
    }

    #[test]
    fn terms_do_not_fall() {
        assert_eq!((never_falls(2, 2), never_falls(2, 3)), (Ok(()), Ok(())));
        assert_eq!(never_falls(2, 1), Err(Fell { from: 2, to: 1 }));
    }
}
