//! What is durable when a letter leaves.
//!
//! A server runs ahead of its disk, and a crash takes back what the disk does not have yet. To the
//! abstract system, what was taken back has not happened: it restarts from what is there. That is
//! right as long as nobody has heard of it, so what a letter says of its sender must be true of
//! the sender's disk when it leaves. These rules are about records and no actions, so they are no
//! formulas of the system; each says of the disk what an action says of the server.
//!
//! Requests of a leader are an exception: they say what the leader's log holds while it leads, which
//! its own disk may not hold yet (thesis, 10.2.1). A leader that crashes then forgets entries that
//! others have heard of. The system has no such action; what the page says of it is where the
//! proof ends.

use std::fmt;

use veraft::figure2::{Entry, Index, Message, Persistent, Server, ServerId, Term};

use super::letters::Telling;

/// A letter that says what the disk of its sender does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDurable {
    /// The sender.
    pub server: ServerId,
    /// What the letter says of it.
    pub said: Saying,
}

/// What a letter says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// That it has reached a term.
    Term(Term),
    /// That it has voted for somebody in a term.
    Vote(Term, ServerId),
    /// That its log holds what the leader of a term has there.
    Entry(Term, Index),
}

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotDurable { server, said } = self;
        match said {
            Saying::Term(term) => {
                write!(f, "{server} says that it is in term {term}, and its disk is not yet")
            }
            Saying::Vote(term, candidate) => write!(
                f,
                "{server} says that it votes for {candidate} in term {term}, and its disk does \
                 not\n  say so yet: after a crash it could vote again"
            ),
            Saying::Entry(term, index) => write!(
                f,
                "{server} says in term {term} what its log holds at index {index}, and its disk \
                 does\n  not hold it yet: after a crash it would be gone"
            ),
        }
    }
}

/// The first of `letters`, which leave `server` now, that says more than `disk` does.
pub(super) fn leaving(
    disk: &Persistent,
    server: &Server,
    letters: &[(ServerId, Message)],
) -> Result<(), NotDurable> {
    let id = server.config().id;
    let refuted = letters.iter().find_map(|(to, message)| {
        let telling = Telling::of(id, *to, message);
        said(id, telling, message.term()).find(|said| !is_true(*said, disk, server))
    });
    match refuted {
        Some(said) => Err(NotDurable { server: id, said }),
        None => Ok(()),
    }
}

/// What a letter says of server `id`.
fn said(id: ServerId, telling: Telling<'_>, term: Term) -> impl Iterator<Item = Saying> {
    let more = match telling {
        Telling::Nothing | Telling::Refuses { .. } | Telling::Request(_) => None,
        Telling::Asks(_) => Some(Saying::Vote(term, id)),
        Telling::Grants { term, candidate } => Some(Saying::Vote(term, candidate)),
        Telling::Acknowledges { term, index } => Some(Saying::Entry(term, index)),
    };
    [Saying::Term(term)].into_iter().chain(more)
}

fn is_true(said: Saying, disk: &Persistent, server: &Server) -> bool {
    match said {
        Saying::Term(term) => disk.current_term() >= term,
        // A vote of a term that is over need not be known any more.
        Saying::Vote(term, candidate) => {
            disk.current_term() > term
                || (disk.current_term() == term && disk.voted_for() == Some(candidate))
        }
        Saying::Entry(term, index) => disk.current_term() > term || holds(index, disk, server),
    }
}

/// The disk holds what the server itself holds up to `index`.
fn holds(index: Index, disk: &Persistent, server: &Server) -> bool {
    // One that has gone on to another term may hold something else by then.
    let same_term = server.current_term() == disk.current_term();
    let pairs = disk.log().entries().iter().zip(server.log().entries().iter());
    let is_same = |(a, b): (&Entry, &Entry)| std::ptr::eq(a, b) || a == b;
    let up_to = usize::try_from(index).unwrap_or(usize::MAX);
    let as_here = !same_term || pairs.take(up_to).all(is_same);
    as_here && disk.log().last_index() >= index
}
