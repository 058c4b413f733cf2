//! The hook for snapshots: compaction, and the InstallSnapshot RPC (§7 of the extended paper and
//! its Figure 13; chapter 5 of the thesis). Not in Figure 2.
//!
//! The core knows marks only. The image of the state machine that belongs to a mark is the
//! driver's: it travels beside the message, and an InstallSnapshot reaches [`Server::step`] once
//! the image is complete, verified and durable. To the core it is one slow letter.
//!
//! ```text
//!   driver: image of 1..=i is durable ──► Compacted { i } ──► Record::Base ──► the prefix may go
//!   leader: next entry is compacted  ───► InstallSnapshot ──► Record::Base ──► restore, and from
//!                                         to the peer                          there on as ever
//! ```

use serde::{Deserialize, Serialize};

use super::log::{Base, Index, Term, TermAt};
use super::{
    AppendEntriesReply, AppendOutcome, Message, Output, Record, Role, Server, ServerId, Timer,
    TimerDuty,
};

/// Arguments of the InstallSnapshot RPC. Its results are those of AppendEntries: who has the image
/// of a mark agrees with the leader up to there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstallSnapshot {
    /// The leader's term.
    pub term: Term,
    /// The leader, so that followers can redirect clients.
    pub leader_id: ServerId,
    /// The mark of the image: where the leader's log begins.
    pub base: Base,
}

impl Server {
    /// The driver has an image of the state machine as of `last_index` on its disk: the log up
    /// to there is not needed any more. `SN.1`: each server compacts on its own, and only what
    /// it has applied. The base keeps the term of its last entry.
    ///
    /// An image that was begun before a later one was installed changes nothing.
    pub(super) fn compact(&mut self, last_index: Index, output: &mut Output) {
        let applied = self.volatile.last_applied;
        assert!(last_index <= applied, "an image at {last_index}, and only {applied} is applied");
        let log = self.persistent.log();
        if last_index <= log.base().last_index {
            return;
        }
        if let TermAt::Term(last_term) = log.term_at(last_index) {
            self.write(Record::Base(Base { last_index, last_term }), output);
        }
    }

    /// Receiver implementation. `SN.6`: a leader of an older term is refused; any other is
    /// followed. `SN.12`: what is acknowledged is the mark; no more is known of what follows it.
    pub(super) fn receive_install_snapshot(
        &mut self,
        request: InstallSnapshot,
        output: &mut Output,
    ) {
        let InstallSnapshot { term, leader_id, base } = request;
        let outcome = if term < self.current_term() {
            AppendOutcome::StaleTerm
        } else {
            assert!(!self.is_leader(), "another leader in the term that this server leads");
            self.volatile.role = Role::Follower { leader: Some(leader_id) };
            output.timers.push(TimerDuty::Set(Timer::Election));
            self.install(base, output);
            AppendOutcome::Success { match_index: base.last_index }
        };
        let reply = AppendEntriesReply { term: self.current_term(), outcome };
        output.send.push((leader_id, Message::AppendEntriesReply(reply)));
    }

    /// `SN.7`: what is committed here already is not installed. Otherwise the log begins at
    /// `base` (see [`Record::Base`]), and the state machine becomes its image.
    fn install(&mut self, base: Base, output: &mut Output) {
        if base.last_index <= self.volatile.commit_index {
            return;
        }
        self.write(Record::Base(base), output);
        self.volatile.commit_index = base.last_index;
        self.volatile.last_applied = base.last_index;
        // Nothing behind the image is applied before it is restored.
        self.volatile.stored = base.last_index;
        output.restore = Some(base);
    }
}
