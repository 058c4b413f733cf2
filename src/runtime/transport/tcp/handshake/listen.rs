//! The listener's part of a handshake.

use crate::runtime::std;

use std::vec::Vec;

use super::{Answer, Hello, LIMIT, MAGIC, Met, Reply, hear, one_line, say};
use crate::figure2::ServerId;
use crate::runtime::transport::tcp::breach::Breach;
use crate::runtime::transport::tcp::frame::{self, NEWEST, OLDEST};
use crate::runtime::transport::tcp::hub::Connection;
use crate::runtime::transport::tcp::security::Stream;
use crate::runtime::transport::tcp::{Shared, version_1};
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
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(if frame::is_tls(magic[0]) { Breach::SpeaksTls } else { Breach::Stranger });
    }
    let mut bytes = Vec::new();
    let (version, _) = frame::read(stream, &mut bytes, LIMIT)?.ok_or(Breach::CutOff)?;
    let listener = Listener { connection, shared, inbox };
    match version {
        version_1::VERSION => listener.answer_version_1(stream, frame::decode(&bytes)?),
        _later => listener.answer(stream, frame::decode(&bytes)?),
    }
}

struct Listener<'a> {
    connection: Connection,
    shared: &'a Shared,
    inbox: &'a Inbox,
}

impl Listener<'_> {
    fn answer(&self, stream: &mut dyn Stream, hello: Hello) -> Result<Met, Breach> {
        let Hello { oldest, newest, cluster, from, to, run, node } = hello;
        let version = newest.min(NEWEST);
        let judged = match version < oldest.max(OLDEST) {
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
        match hear(stream, super::HANDSHAKE)? {
            Reply::Accepted => Ok(Met { peer: from, version, run: Some(run) }),
            Reply::Refused { why } => {
                let why = one_line(&why);
                self.inbox.refused_by(from, &why);
                Err(Breach::Rejected { peer: from, why })
            }
        }
    }

    fn answer_version_1(
        &self,
        stream: &mut dyn Stream,
        hello: version_1::Hello,
    ) -> Result<Met, Breach> {
        let version_1::Hello { cluster, from, to } = hello;
        let judged = self.judge(stream, &cluster, from, to);
        let met = judged.and_then(|()| Ok(self.inbox.meet(from, None)?));
        let mut bytes = Vec::new();
        if let Some(verdict) = verdict(&met) {
            frame::write(&mut bytes, version_1::VERSION, &verdict, LIMIT)?;
        }
        stream.write_all(&bytes)?;
        stream.flush()?;
        met.map(|()| Met { peer: from, version: version_1::VERSION, run: None })
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
        match self.shared.waits_its_turn(self.connection, from, self.inbox.patience()) {
            true => Ok(()),
            false => Err(Breach::Connected(from)),
        }
    }
}

/// What a node of version 1 is told. For a refused hello it knows no better word than that its
/// sender is unknown, and for a peer that is connected already none.
fn verdict(judged: &Result<(), Breach>) -> Option<version_1::Verdict> {
    match judged {
        Ok(()) => Some(version_1::Verdict::Welcome),
        Err(Breach::OtherCluster(_)) => Some(version_1::Verdict::OtherCluster),
        Err(Breach::NotMe(_)) => Some(version_1::Verdict::NotMe),
        Err(Breach::Refused(_)) => Some(version_1::Verdict::UnknownSender),
        Err(Breach::OtherName(_)) => Some(version_1::Verdict::OtherName),
        Err(
            Breach::Connected(_)
            | Breach::Io(_)
            | Breach::CutOff
            | Breach::Unanswered
            | Breach::Slow
            | Breach::Stranger
            | Breach::SpeaksTls
            | Breach::SpeaksNoTls
            | Breach::TlsCutOff
            | Breach::Version(_)
            | Breach::NoCommonVersion { .. }
            | Breach::MixedVersions { .. }
            | Breach::TooLong { .. }
            | Breach::Checksum
            | Breach::Garbled(_)
            | Breach::Kind(_)
            | Breach::TooNew
            | Breach::Entries(_)
            | Breach::Rejected { .. }
            | Breach::BothRefuse { .. },
        ) => None,
    }
}
