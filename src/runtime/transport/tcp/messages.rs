//! What travels after the handshake: messages, each in a frame of its own or in pieces.
//!
//! The payload of a frame begins with its kind:
//!
//! ```text
//!   0  a message
//!   1  a piece of a message, with more to come
//!   2  the last piece of a message
//! ```
//!
//! Behind it stand the bytes of the message, in postcard's layout of the core's types. A message
//! longer than [`PIECE`] goes in pieces; whole messages may travel between them, pieces of
//! another may not. So a heartbeat waits behind a piece, never behind megabytes.

use crate::runtime::std;

use std::io::Read;
use std::mem;
use std::vec::Vec;

use super::breach::Breach;
use super::frame;
use crate::figure2::{MAX_ENTRIES, Message};

/// How many bytes of a message one frame holds at most when this node writes it.
pub(super) const PIECE: usize = 64 * 1024;

const WHOLE: u8 = 0;
const MORE: u8 = 1;
const LAST: u8 = 2;

/// The oldest version that has an InstallSnapshot.
const INSTALL_SNAPSHOT: u8 = 3;

/// The length of the kind.
const KIND: usize = 1;

/// Buffers that were needed for a message larger than this are given back.
const KEEP: usize = 1024 * 1024;

/// How many bytes a message needs at most beside the bytes of its commands: for each entry a
/// term, what kind it is of, and a length; and its own fields.
const PER_ENTRY: usize = 16;
const PER_MESSAGE: usize = 128;

/// How many bytes of commands fit into a message of `limit` bytes, whatever entries they are in.
pub(super) fn room_for_commands(limit: usize) -> usize {
    limit.saturating_sub(MAX_ENTRIES * PER_ENTRY + PER_MESSAGE)
}

/// Adds a message to `buffer`, in one frame; if it is longer than a piece, gives its bytes back
/// instead, for [`write_piece`].
///
/// # Errors
/// When the message is longer than `limit`, or the version has no layout for it. The buffer is
/// as it was then.
pub(super) fn write(
    buffer: &mut Vec<u8>,
    version: u8,
    message: &Message,
    limit: usize,
) -> Result<Option<Vec<u8>>, Breach> {
    match message {
        Message::AppendEntries(request) if request.entries.len() > MAX_ENTRIES => {
            return Err(Breach::Entries(request.entries.len() as u64));
        }
        Message::InstallSnapshot(_) if version < INSTALL_SNAPSHOT => {
            return Err(Breach::TooNew(version));
        }
        Message::AppendEntries(_)
        | Message::AppendEntriesReply(_)
        | Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::InstallSnapshot(_) => {}
    }
    let start = buffer.len();
    frame::write_with(buffer, version, limit.saturating_add(KIND), |buffer| {
        buffer.push(WHOLE);
        frame::encode(buffer, message)
    })?;
    let body = start + frame::HEADER + KIND;
    if buffer.len() - body <= PIECE {
        return Ok(None);
    }
    let bytes = buffer.split_off(body);
    buffer.truncate(start);
    Ok(Some(bytes))
}

/// Adds a piece of a message to `buffer`.
pub(super) fn write_piece(
    buffer: &mut Vec<u8>,
    version: u8,
    piece: &[u8],
    is_last: bool,
) -> Result<(), Breach> {
    frame::write_with(buffer, version, PIECE + KIND, |buffer| {
        buffer.push(if is_last { LAST } else { MORE });
        buffer.extend_from_slice(piece);
        Ok(())
    })
}

/// The messages that arrive on one connection.
pub(super) struct Incoming {
    version: u8,
    /// How long a message may be.
    limit: usize,
    buffer: Vec<u8>,
    /// The message whose pieces arrive, and the bytes of their frames.
    pieces: Vec<u8>,
    pieces_size: usize,
}

impl Incoming {
    pub(super) fn new(version: u8, limit: usize) -> Self {
        Incoming { version, limit, buffer: Vec::new(), pieces: Vec::new(), pieces_size: 0 }
    }

    /// The next message, and the bytes that it took; `None` when the stream has ended.
    ///
    /// # Errors
    /// When something else arrives.
    pub(super) fn next(
        &mut self,
        stream: &mut impl Read,
    ) -> Result<Option<(Message, usize)>, Breach> {
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        let limit = self.limit.saturating_add(KIND);
        while let Some((version, size)) = frame::read(stream, &mut self.buffer, limit)? {
            if version != self.version {
                return Err(Breach::MixedVersions { frame: version, connection: self.version });
            }
            match self.buffer.split_first() {
                Some((&WHOLE, message)) => return Ok(Some((decode(message)?, size))),
                Some((&kind @ (MORE | LAST), piece)) => {
                    let length = self.pieces.len() + piece.len();
                    if length > self.limit {
                        return Err(Breach::TooLong { length, limit: self.limit });
                    }
                    self.pieces.extend_from_slice(piece);
                    self.pieces_size += size;
                    if kind == LAST {
                        let size = mem::take(&mut self.pieces_size);
                        let message = mem::take(&mut self.pieces);
                        return Ok(Some((decode(&message)?, size)));
                    }
                }
                Some((&kind, _)) => return Err(Breach::Kind(kind)),
                None => return Err(Breach::Garbled(postcard::Error::DeserializeUnexpectedEnd)),
            }
        }
        match self.pieces.is_empty() {
            true => Ok(None),
            false => Err(Breach::CutOff),
        }
    }
}

fn decode(message: &[u8]) -> Result<Message, Breach> {
    bound_entries(message)?;
    frame::decode(message)
}

/// Refuses a message of too many entries before there is memory for them: an empty one takes two
/// bytes here, and thirty times as many where it is decoded.
fn bound_entries(message: &[u8]) -> Result<(), Breach> {
    /// The number of the variant AppendEntries, in every version.
    const APPEND_ENTRIES: u32 = 2;
    let Ok((APPEND_ENTRIES, rest)) = postcard::take_from_bytes::<u32>(message) else {
        return Ok(());
    };
    // The term, the leader, the previous entry's index and term, and how many entries follow.
    let ([_, _, _, _, count], _) = postcard::take_from_bytes::<[u64; 5]>(rest)?;
    match count > MAX_ENTRIES as u64 {
        true => Err(Breach::Entries(count)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::{
        AppendEntries, AppendEntriesReply, AppendOutcome, Base, Command, Entry, InstallSnapshot,
        RequestVote, RequestVoteReply, ServerId,
    };
    use std::fs;
    use std::string::ToString;

    fn append(commands: impl IntoIterator<Item = Vec<u8>>) -> Message {
        let entry = |bytes| Entry::command(300, Command::from(bytes));
        Message::AppendEntries(AppendEntries {
            term: 300,
            leader_id: ServerId(2),
            prev_log_index: 70_000,
            prev_log_term: 299,
            entries: commands.into_iter().map(entry).collect(),
            leader_commit: 69_000,
        })
    }

    /// The frames of a message.
    fn frames(version: u8, message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        let large = write(&mut bytes, version, message, 1 << 24).unwrap().unwrap_or_default();
        let count = large.chunks(PIECE).count();
        for (number, piece) in large.chunks(PIECE).enumerate() {
            write_piece(&mut bytes, version, piece, number + 1 == count).unwrap();
        }
        bytes
    }

    fn read_all(version: u8, mut bytes: &[u8]) -> Result<Vec<Message>, Breach> {
        let mut incoming = Incoming::new(version, 1 << 24);
        let mut messages = Vec::new();
        let (mut counted, all) = (0, bytes.len());
        while let Some((message, size)) = incoming.next(&mut bytes)? {
            messages.push(message);
            counted += size;
        }
        assert_eq!(counted, all);
        Ok(messages)
    }

    #[test]
    fn messages_small_and_large_come_back_as_they_were_sent() {
        let large = append([Vec::from([b'x'; 5 * PIECE])]);
        let messages = [append([]), append([b"a command".to_vec()]), large.clone(), append([])];
        for version in [2, 3] {
            let bytes: Vec<u8> = messages.iter().flat_map(|one| frames(version, one)).collect();
            assert_eq!(read_all(version, &bytes).unwrap(), messages);
        }
        let cut_off = &frames(2, &large)[..PIECE + KIND + frame::HEADER];
        assert!(matches!(read_all(2, cut_off), Err(Breach::CutOff)));
    }

    #[test]
    fn a_message_passes_between_the_pieces_of_another() {
        let (large, small) = (append([Vec::from([b'x'; 3 * PIECE])]), append([]));
        let mut bytes = frames(2, &large);
        let first = PIECE + KIND + frame::HEADER;
        bytes.splice(first..first, frames(2, &small));
        assert_eq!(read_all(2, &bytes).unwrap(), [small, large]);
    }

    /// The layout is a promise to nodes of other builds: a change needs a new version.
    #[test]
    fn the_layout_of_version_2_is_pinned() {
        let cases: [(Message, &[u8]); 5] = [
            (
                Message::RequestVote(RequestVote {
                    term: 300,
                    candidate_id: ServerId(2),
                    last_log_index: 70_000,
                    last_log_term: 299,
                }),
                &[0, 172, 2, 2, 240, 162, 4, 171, 2],
            ),
            (
                Message::RequestVoteReply(RequestVoteReply { term: 300, vote_granted: true }),
                &[1, 172, 2, 1],
            ),
            (append([]), &[2, 172, 2, 2, 240, 162, 4, 171, 2, 0, 136, 155, 4]),
            (
                append([b"abc".to_vec()]),
                &[
                    2, 172, 2, 2, 240, 162, 4, 171, 2, 1, 172, 2, 0, 3, b'a', b'b', b'c', 136, 155,
                    4,
                ],
            ),
            (
                Message::AppendEntriesReply(AppendEntriesReply {
                    term: 300,
                    outcome: AppendOutcome::Conflict {
                        prev_log_index: 1,
                        conflict_term: Some(2),
                        conflict_index: 3,
                    },
                }),
                &[3, 172, 2, 2, 1, 1, 2, 3],
            ),
        ];
        for (message, bytes) in cases {
            let mut expected = Vec::new();
            frame::write_with(&mut expected, 2, 1000, |buffer| {
                buffer.push(WHOLE);
                buffer.extend(bytes);
                Ok(())
            })
            .unwrap();
            assert_eq!(frames(2, &message), expected, "{message:?}");
        }
        let mut piece = Vec::new();
        write_piece(&mut piece, 2, b"some", false).unwrap();
        assert_eq!(piece[..5], [2, 5, 0, 0, 0]);
        assert_eq!(piece[9..], *b"\x01some");
        piece.clear();
        write_piece(&mut piece, 2, b"last", true).unwrap();
        assert_eq!(piece[9..], *b"\x02last");
    }

    /// Version 3 is version 2, and one message more.
    #[test]
    fn the_layout_of_version_3_is_pinned() {
        let base = Base { last_index: 70_000, last_term: 299 };
        let install =
            Message::InstallSnapshot(InstallSnapshot { term: 300, leader_id: ServerId(2), base });
        let mut expected = Vec::new();
        frame::write_with(&mut expected, 3, 1000, |buffer| {
            buffer.extend([WHOLE, 4, 172, 2, 2, 240, 162, 4, 171, 2]);
            Ok(())
        })
        .unwrap();
        assert_eq!(frames(3, &install), expected);
        assert_eq!(read_all(3, &expected).unwrap(), Vec::from([install.clone()]));
        let refused = write(&mut Vec::new(), 2, &install, 1000);
        assert!(matches!(refused, Err(Breach::TooNew(2))), "{refused:?}");
        for message in [append([]), append([Vec::from([b'x'; 2 * PIECE])])] {
            let mut as_in_2 = frames(3, &message);
            let mut at = 0;
            while at < as_in_2.len() {
                assert_eq!(as_in_2[at], 3);
                as_in_2[at] = 2;
                let length = as_in_2[at + 1..at + 5].try_into().unwrap();
                at += frame::HEADER + u32::from_le_bytes(length) as usize;
            }
            assert_eq!(as_in_2, frames(2, &message));
        }
    }

    /// What nodes of version 2 have written, kept under `tests`.
    fn recorded(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wire-2");
        fs::read(std::format!("{folder}/message-{name}.bin")).unwrap()
    }

    #[test]
    fn the_layout_of_version_2_is_what_its_nodes_have_written() {
        let kinds = [
            "request-vote",
            "vote-granted",
            "vote-denied",
            "heartbeat",
            "append-entries",
            "append-entries-in-pieces",
            "append-success",
            "append-stale-term",
            "append-conflict",
            "append-conflict-past-end",
        ];
        for kind in kinds {
            let bytes = recorded(kind);
            let messages = read_all(2, &bytes).unwrap();
            assert_eq!(messages.len(), 1, "{kind}");
            assert_eq!(frames(2, &messages[0]), bytes, "{kind}");
        }
        let large = append([Vec::from([b'x'; 100_000])]);
        let recorded = read_all(2, &recorded("append-entries-in-pieces")).unwrap();
        let (Message::AppendEntries(large), [Message::AppendEntries(recorded)]) =
            (large, &recorded[..])
        else {
            panic!("{recorded:?}")
        };
        assert_eq!(large.entries, recorded.entries);
    }

    #[test]
    fn too_many_entries_are_neither_written_nor_read() {
        let empty = |count| append((0..count).map(|_| Vec::new()));
        for version in [2, 3] {
            let most = frames(version, &empty(MAX_ENTRIES));
            assert_eq!(read_all(version, &most).unwrap().len(), 1);
        }
        let one_more = empty(MAX_ENTRIES + 1);
        let refused = write(&mut Vec::new(), 2, &one_more, 1 << 24).unwrap_err();
        assert!(refused.to_string().starts_with("a message of 262145 entries"), "{refused}");
        for version in [2, 3] {
            let mut bytes = Vec::new();
            frame::write_with(&mut bytes, version, 1 << 24, |buffer| {
                buffer.push(WHOLE);
                frame::encode(buffer, &one_more)
            })
            .unwrap();
            let refused = read_all(version, &bytes);
            assert!(matches!(refused, Err(Breach::Entries(262_145))), "{refused:?}");
        }
    }

    #[test]
    fn what_has_room_fits_into_a_frame() {
        let limit = MAX_ENTRIES * PER_ENTRY + PER_MESSAGE + 1_000_000;
        let room = room_for_commands(limit);
        let fits = |message: Message| write(&mut Vec::new(), 2, &message, limit).is_ok();
        assert!(fits(append([Vec::from_iter((0..room).map(|_| b'x'))])));
        let mut many = append((0..MAX_ENTRIES).map(|at| match at < 4 {
            true => Vec::from_iter((0..room / 4).map(|_| b'x')),
            false => Vec::new(),
        }));
        if let Message::AppendEntries(request) = &mut many {
            let greatest = |mut entry: Entry| {
                entry.term = u64::MAX;
                entry
            };
            request.entries = request.entries.iter().cloned().map(greatest).collect();
            (request.term, request.prev_log_index) = (u64::MAX, u64::MAX);
            (request.prev_log_term, request.leader_commit) = (u64::MAX, u64::MAX);
            request.leader_id = ServerId(u64::MAX);
        }
        assert!(fits(many));
        assert_eq!(room_for_commands(1000), 0);
    }
}
