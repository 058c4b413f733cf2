//! The listener's part of a handshake.

use super::{Answer, Channel, Hello, Met, Reply, hear, one_line, say};
use crate::figure2::ServerId;
use crate::runtime::transport::tcp::Shared;
use crate::runtime::transport::tcp::breach::Breach;
use crate::runtime::transport::tcp::frame::{self, NEWEST};
use crate::runtime::transport::tcp::hub::Connection;
use crate::runtime::transport::tcp::security::Stream;
use crate::runtime::transport::{Inbox, Refused};

/// Hears who is at the other end, and answers.
///
/// # Errors
/// When it is not a peer of this node, or either refuses the other.
pub(in super::super) fn receive(
    stream: &mut dyn Stream,
    connection: Connection,
    shared: &Shared,
    inbox: &Inbox,
) -> Result<Met, Breach> {
    let mut magic = [0; 6];
    stream.read_exact(&mut magic)?;
    let channel = Channel::ALL.into_iter().find(|channel| *channel.magic() == magic);
    let Some(channel) = channel else {
        return Err(if frame::is_tls(magic[0]) { Breach::SpeaksTls } else { Breach::Stranger });
    };
    let hello = hear(stream)?;
    Listener { connection, channel, shared, inbox }.answer(stream, hello)
}

struct Listener<'a> {
    connection: Connection,
    channel: Channel,
    shared: &'a Shared,
    inbox: &'a Inbox,
}

impl Listener<'_> {
    fn answer(&self, stream: &mut dyn Stream, hello: Hello) -> Result<Met, Breach> {
        let Hello { oldest, newest, cluster, from, to, run, node } = hello;
        let channel = self.channel;
        let version = newest.min(NEWEST);
        let judged = match version < oldest.max(channel.oldest()) {
            true => Err(Breach::NoCommonVersion { oldest, newest }),
            false => self.judge(stream, &cluster, from, to),
        };
        match judged {
            // It may be of this cluster by its own list of servers: both ends hear both lists.
            Ok(()) | Err(Breach::Refused(Refused::UnknownSender(_))) => {}
            Err(breach) => {
                say(stream, &[], &Answer::Refused { why: breach.why(), node: None })?;
                return Err(breach);
            }
        }
        let met = self.inbox.meet(from, Some(&node));
        let own = self.inbox.hello();
        if let Err(refused) = met {
            say(stream, &[], &Answer::Refused { why: refused.why(), node: Some(own) })?;
            return Err(refused.into());
        }
        say(stream, &[], &Answer::Welcome { version, run: self.shared.run, node: own })?;
        match hear(stream)? {
            Reply::Accepted => Ok(Met { peer: from, channel, version, run }),
            Reply::Refused { why } => {
                let why = one_line(&why);
                self.inbox.refused_by(from, &why);
                Err(Breach::Rejected { peer: from, why })
            }
        }
    }

    /// Whether the other end may be the peer `from`, by all but what its node says.
    fn judge(
        &self,
        stream: &dyn Stream,
        cluster: &str,
        from: ServerId,
        to: ServerId,
    ) -> Result<(), Breach> {
        if *cluster != self.shared.cluster {
            return Err(Breach::OtherCluster(one_line(cluster)));
        }
        if to != self.inbox.id() {
            return Err(Breach::NotMe(to));
        }
        if !self.inbox.knows(from) {
            return Err(Refused::UnknownSender(from).into());
        }
        if !self.shared.proves(stream, from) {
            return Err(Breach::OtherName(from));
        }
        match self.shared.waits_its_turn(self.connection, self.channel, from, self.inbox.patience())
        {
            true => Ok(()),
            false => Err(Breach::Connected(from)),
        }
    }
}
