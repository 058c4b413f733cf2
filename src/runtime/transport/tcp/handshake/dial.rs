//! The dialer's part of a handshake.

use super::{Answer, Channel, Hello, Met, Reply, hear, is_closed, one_line, say};
use crate::figure2::ServerId;
use crate::runtime::transport::Inbox;
use crate::runtime::transport::tcp::Shared;
use crate::runtime::transport::tcp::breach::Breach;
use crate::runtime::transport::tcp::frame::NEWEST;
use crate::runtime::transport::tcp::security::Stream;

/// Introduces this node to the server `to` at the other end.
///
/// # Errors
/// When either refuses the other.
pub(in super::super) fn introduce(
    stream: &mut dyn Stream,
    channel: Channel,
    shared: &Shared,
    inbox: &Inbox,
    to: ServerId,
) -> Result<Met, Breach> {
    let oldest = channel.oldest();
    let hello = Hello {
        oldest,
        newest: NEWEST,
        cluster: shared.cluster.clone(),
        from: shared.id,
        to,
        run: shared.run,
        node: inbox.hello(),
    };
    let said = say(stream, channel.magic(), &hello);
    let answer = said.and_then(|()| hear::<Answer>(stream));
    match answer.map_err(unanswered)? {
        Answer::Welcome { version, run, node } => {
            let judged = match (oldest..=NEWEST).contains(&version) {
                true => inbox.meet(to, Some(&node)).map_err(Breach::from),
                false => Err(Breach::Version(version)),
            };
            if let Err(breach) = judged {
                // Whether or not it still hears it.
                let _ = say(stream, &[], &Reply::Refused { why: breach.why() });
                return Err(breach);
            }
            say(stream, &[], &Reply::Accepted)?;
            Ok(Met { peer: to, channel, version, run })
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
