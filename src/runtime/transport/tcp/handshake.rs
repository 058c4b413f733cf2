//! The first words on a connection: which cluster, who sends, and to whom.

use crate::runtime::std;

use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Shared;
use super::frame::{self, Breach};
use super::security::Stream;
use crate::figure2::ServerId;
use crate::runtime::transport::{Inbox, Refused};

/// What every connection begins with, so that a lost browser gets a clear answer in the log.
const MAGIC: &[u8; 6] = b"veraft";

/// The longest frame of a handshake, in bytes.
const LIMIT: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Hello {
    cluster: String,
    from: ServerId,
    to: ServerId,
}

/// The receiver's answer. What it refuses, it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    Welcome,
    OtherCluster,
    NotMe,
    UnknownSender,
    OtherName,
}

/// Introduces this node to the server `to` at the other end.
///
/// # Errors
/// When that server refuses.
pub(super) fn introduce(
    stream: &mut dyn Stream,
    shared: &Shared,
    to: ServerId,
) -> Result<(), Breach> {
    let mut bytes = Vec::from(MAGIC);
    let from = shared.id;
    frame::write(&mut bytes, &Hello { cluster: shared.cluster.clone(), from, to }, LIMIT)?;
    stream.write_all(&bytes)?;
    stream.flush()?;
    let answer = frame::read(stream, &mut bytes, LIMIT)?;
    match answer.map(|(verdict, _)| verdict).ok_or(Breach::CutOff)? {
        Verdict::Welcome => Ok(()),
        Verdict::OtherCluster => Err(Breach::OtherCluster("another than ours".into())),
        Verdict::NotMe => Err(Breach::NotMe(to)),
        Verdict::UnknownSender => Err(Refused::UnknownSender(from).into()),
        Verdict::OtherName => Err(Breach::OtherName(from)),
    }
}

/// Hears who is at the other end, and answers.
///
/// # Errors
/// When it is not a peer of this node.
pub(super) fn receive(
    stream: &mut dyn Stream,
    shared: &Shared,
    inbox: &Inbox,
) -> Result<ServerId, Breach> {
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(Breach::Stranger);
    }
    let mut bytes = Vec::new();
    let hello = frame::read(stream, &mut bytes, LIMIT)?;
    let (Hello { cluster: theirs, from, to }, _) = hello.ok_or(Breach::CutOff)?;
    let (verdict, result) = if theirs != shared.cluster {
        (Verdict::OtherCluster, Err(Breach::OtherCluster(theirs)))
    } else if to != inbox.id() {
        (Verdict::NotMe, Err(Breach::NotMe(to)))
    } else if !inbox.knows(from) {
        (Verdict::UnknownSender, Err(Refused::UnknownSender(from).into()))
    } else if !shared.proves(stream, from) {
        (Verdict::OtherName, Err(Breach::OtherName(from)))
    } else {
        (Verdict::Welcome, Ok(from))
    };
    bytes.clear();
    frame::write(&mut bytes, &verdict, LIMIT)?;
    stream.write_all(&bytes)?;
    stream.flush()?;
    result
}
