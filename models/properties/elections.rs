//! What must hold of terms, votes and leaders (§5.2).

use veraft::figure2::{ServerId, Term};

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

#[cfg(test)]
mod tests {
    use super::*;

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
