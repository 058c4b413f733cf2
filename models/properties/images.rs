//! What must hold of images and of the bases that name them (§7).

use veraft::figure2::{Base, Entry, Index, Server};

use super::view::{Committed, View};

/// A committed prefix: an image has in it what was committed, from the first entry to its own
/// last, in order, and no more.
///
/// # Errors
/// The first index at which it does not.
pub fn image_is_committed<'a>(
    last_index: Index,
    content: &[(Index, Entry)],
    committed: impl IntoIterator<Item = Committed<'a>>,
) -> Result<(), Index> {
    let mut committed = committed.into_iter();
    for (turn, held) in (1..).zip(content) {
        let is_so =
            |c: Committed<'_>| turn <= last_index && (c.index, c.entry) == (held.0, &held.1);
        if held.0 != turn || !committed.next().is_some_and(is_so) {
            return Err(turn);
        }
    }
    let end = content.len() as Index;
    if end == last_index { Ok(()) } else { Err(end + 1) }
}

/// What a log begins behind was committed: the entry of its base, by index and term.
///
/// # Errors
/// The base, if it was not.
pub fn base_is_committed<'a>(
    base: Base,
    committed: impl IntoIterator<Item = Committed<'a>>,
) -> Result<(), Base> {
    let Base { last_index, last_term } = base;
    let mut there = committed.into_iter().filter(|c| c.index == last_index);
    let is_so = base == Base::default() || there.any(|c| c.entry.term == last_term);
    if is_so { Ok(()) } else { Err(base) }
}

/// What any log begins behind, of a server or on its disk, was committed.
///
/// # Errors
/// The first base that was not.
pub fn bases_are_committed(view: &impl View) -> Result<(), Base> {
    let logs = view.servers().flat_map(|server: &Server| {
        [server.log(), view.disk(server.config().id).log()].map(|log| log.base())
    });
    logs.into_iter().try_for_each(|base| base_is_committed(base, view.committed()))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::entry;
    use super::*;

    #[test]
    fn an_image_is_what_was_committed_up_to_its_index() {
        let entries = [entry(1, 7), entry(2, 8)];
        let committed = || {
            (1..).zip(&entries).map(|(index, entry)| Committed { index, entry, term: entry.term })
        };
        let check = |last_index, content: &[(Index, Entry)]| {
            image_is_committed(last_index, content, committed())
        };
        let [one, two] = [(1, entry(1, 7)), (2, entry(2, 8))];
        assert_eq!(check(0, &[]), Ok(()));
        assert_eq!(check(1, std::slice::from_ref(&one)), Ok(()));
        assert_eq!(check(2, &[one.clone(), two.clone()]), Ok(()));
        assert_eq!(check(2, std::slice::from_ref(&one)), Err(2), "it ends before its mark");
        assert_eq!(check(1, &[one.clone(), two.clone()]), Err(2), "it goes on behind its mark");
        assert_eq!(check(1, std::slice::from_ref(&two)), Err(1), "it begins late");
        assert_eq!(check(1, &[(1, entry(1, 9))]), Err(1), "another entry was committed");
        let three = [one, two, (3, entry(2, 9))];
        assert_eq!(check(3, &three), Err(3), "nothing was committed there");
    }

    #[test]
    fn a_base_is_the_mark_of_a_committed_entry() {
        let entry = entry(2, 7);
        let committed = [Committed { index: 1, entry: &entry, term: 3 }];
        let check = |last_index, last_term| {
            base_is_committed(Base { last_index, last_term }, committed).is_ok()
        };
        assert!(check(0, 0) && check(1, 2));
        assert!(!check(1, 1) && !check(1, 3) && !check(2, 2) && !check(0, 1));
    }
}
