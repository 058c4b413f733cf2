//! The dialer's part of a handshake.

use crate::runtime::std;

use std::string::ToString;
use std::vec::Vec;

use super::{Answer, Hello, MAGIC, Met, Reply, hear, is_closed, one_line, say};
use crate::figure2::ServerId;
use crate::runtime::transport::tcp::breach::Breach;
use crate::runtime::transport::tcp::frame::{self, NEWEST, OLDEST};
use crate::runtime::transport::tcp::security::Stream;
use crate::runtime::transport::tcp::{Shared, version_1};
use crate::runtime::transport::{Inbox, Refused};

/// Introduces this node to the server `to` at the other end.
///
/// # Errors
/// When either refuses the other.
pub(in super::super) fn introduce(
    stream: &mut dyn Stream,
    shared: &Shared,
    inbox: &Inbox,
    to: ServerId,
) -> Result<Met, Breach> {
    let hello = Hello {
        oldest: OLDEST,
        newest: NEWEST,
        cluster: shared.cluster.clone(),
        from: shared.id,
        to,
        run: shared.run,
        node: inbox.hello(),
    };
    let answer = say(stream, MAGIC, &hello).and_then(|()| hear::<Answer>(stream, super::HANDSHAKE));
    match answer.map_err(unanswered)? {
        Answer::Welcome { version, run, node } => {
            let judged = match (OLDEST..=NEWEST).contains(&version) {
                true => inbox.meet(to, Some(&node)).map_err(Breach::from),
                false => Err(Breach::Version(version)),
            };
            if let Err(breach) = judged {
                // Whether or not it still hears it.
                let _ = say(stream, &[], &Reply::Refused { why: breach.why() });
                return Err(breach);
            }
            say(stream, &[], &Reply::Accepted)?;
            Ok(Met { peer: to, version, run: Some(run) })
        }
        Answer::Refused { why, node } => {
            let why = one_line(&why);
            // It may be this node's turn to learn, or to refuse.
            let ours = node.map_or(Ok(()), |node| inbox.meet(to, Some(&node)));
            inbox.refused_by(to, &why);
            Err(match ours {
                Ok(()) => Breach::Rejected { peer: to, why },
                Err(ours) => Breach::BothRefuse { peer: to, why, ours },
            })
        }
    }
}

/// An end of the connection in the place of an answer may mean an older version.
fn unanswered(breach: Breach) -> Breach {
    let closed = matches!(breach, Breach::CutOff)
        || matches!(&breach, Breach::Io(error) if is_closed(error));
    if closed { Breach::Unanswered } else { breach }
}

/// Does the same as a node of version 1 would.
///
/// # Errors
/// When the peer refuses, or this node does not want a peer that says nothing of itself.
pub(in super::super) fn introduce_as_version_1(
    stream: &mut dyn Stream,
    shared: &Shared,
    inbox: &Inbox,
    to: ServerId,
) -> Result<Met, Breach> {
    let (cluster, from) = (shared.cluster.clone(), shared.id);
    let hello = version_1::Hello { cluster, from, to };
    let mut bytes = Vec::from(MAGIC);
    frame::write(&mut bytes, version_1::VERSION, &hello, super::LIMIT)?;
    stream.write_all(&bytes)?;
    stream.flush()?;
    let refusal = match hear(stream, version_1::VERSION)? {
        version_1::Verdict::Welcome => {
            inbox.meet(to, None)?;
            return Ok(Met { peer: to, version: version_1::VERSION, run: None });
        }
        version_1::Verdict::OtherCluster => Breach::OtherCluster("another".into()).why(),
        version_1::Verdict::NotMe => Breach::NotMe(to).why(),
        version_1::Verdict::UnknownSender => Refused::UnknownSender(from).to_string(),
        version_1::Verdict::OtherName => Breach::OtherName(from).why(),
    };
    inbox.refused_by(to, &refusal);
    Err(Breach::Rejected { peer: to, why: refusal })
}
