//! What stored records cannot be, whichever storage they come from.

use crate::runtime::std;

use std::string::{String, ToString};

use super::{FLOOR, Notes};
use crate::figure2::{Entry, Index, ServerId, Term};

/// A record that no server writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsound {
    /// Which one it is.
    pub(super) position: String,
    /// Why it cannot be.
    pub(super) what: String,
}

fn unsound(position: impl ToString, what: String) -> Result<(), Unsound> {
    Err(Unsound { position: position.to_string(), what })
}

/// Looks for records that no server writes: of entries without a term, or whose terms fall
/// along the log, of a ballot that is older than the last entry, of a vote before the first
/// term, of a floor that is no index of the log.
///
/// # Errors
/// The first that there is.
pub(super) fn check<'a>(
    (current_term, voted_for): (Term, Option<ServerId>),
    entries: impl Iterator<Item = &'a Entry>,
    notes: &Notes,
) -> Result<(), Unsound> {
    let (mut last_index, mut last_term): (Index, Term) = (0, 0);
    for entry in entries {
        last_index += 1;
        let position = std::format!("entry {last_index}");
        if entry.term == 0 {
            return unsound(position, "it has term 0, and terms begin with 1".into());
        }
        if entry.term < last_term {
            let term = entry.term;
            return unsound(
                position,
                std::format!("it has term {term}, and the entry before it term {last_term}"),
            );
        }
        last_term = entry.term;
    }
    if current_term < last_term {
        return unsound(
            "the ballot",
            std::format!("it has term {current_term}, and the last entry has term {last_term}"),
        );
    }
    if let (0, Some(server)) = (current_term, voted_for) {
        return unsound("the ballot", std::format!("a vote for {server} in term 0"));
    }
    floor(notes, last_index)
}

fn floor(notes: &Notes, last_index: Index) -> Result<(), Unsound> {
    let position = "the note \"floor\"";
    let Some(value) = notes.get(FLOOR) else {
        return Ok(());
    };
    let Ok(bytes) = <[u8; 8]>::try_from(&value[..]) else {
        return unsound(position, std::format!("it has {} bytes instead of 8", value.len()));
    };
    let floor = Index::from_le_bytes(bytes);
    if floor > last_index {
        return unsound(
            position,
            std::format!("entries up to {floor} were applied, and the last one is {last_index}"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// What is said of these terms along the log, this ballot, and this floor.
    fn said(terms: &[Term], ballot: (Term, Option<ServerId>), floor: Option<&[u8]>) -> String {
        let entry = |&term| Entry::command(term, Vec::new());
        let entries: Vec<Entry> = terms.iter().map(entry).collect();
        let notes = floor.map(|floor| (FLOOR.to_string(), floor.to_vec())).into_iter().collect();
        match check(ballot, entries.iter(), &notes) {
            Ok(()) => String::new(),
            Err(Unsound { position, what }) => std::format!("{position}: {what}"),
        }
    }

    #[test]
    fn records_that_a_server_writes_are_sound() {
        let floor = 3_u64.to_le_bytes();
        assert_eq!(said(&[], (0, None), None), "");
        assert_eq!(said(&[], (1, Some(ServerId(2))), Some(&[0; 8])), "");
        assert_eq!(said(&[1, 1, 4], (4, None), Some(&floor)), "");
        assert_eq!(said(&[1, 1, 4], (9, Some(ServerId(1))), Some(&floor)), "");
    }

    #[test]
    fn records_that_no_server_writes_are_named() {
        let entry_0 = "entry 2: it has term 0, and terms begin with 1";
        assert_eq!(said(&[1, 0], (1, None), None), entry_0);
        let falls = "entry 3: it has term 1, and the entry before it term 2";
        assert_eq!(said(&[2, 2, 1], (2, None), None), falls);
        let old = "the ballot: it has term 2, and the last entry has term 3";
        assert_eq!(said(&[1, 3], (2, None), None), old);
        let vote = "the ballot: a vote for S7 in term 0";
        assert_eq!(said(&[], (0, Some(ServerId(7))), None), vote);
        let beyond = "the note \"floor\": entries up to 3 were applied, and the last one is 2";
        assert_eq!(said(&[1, 1], (1, None), Some(&3_u64.to_le_bytes())), beyond);
        let short = "the note \"floor\": it has 4 bytes instead of 8";
        assert_eq!(said(&[1, 1], (1, None), Some(&[1, 0, 0, 0])), short);
    }
}
