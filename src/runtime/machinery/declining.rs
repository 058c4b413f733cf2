//! A node that cannot keep up takes no more entries for a while.

use crate::runtime::std;

use std::sync::atomic::Ordering;

use super::server_loop::ServerLoop;
use crate::figure2::Message;

impl<R> ServerLoop<R> {
    /// Whether a message is lost here, as on a slow link: it has entries, and the state machine is
    /// too far behind for more of them, or they would fill up the store: to lag is better than to
    /// die. Its leader tries again behind each heartbeat, and heartbeats have none; until then it
    /// commits without this server.
    pub(super) fn declines(&self, message: &Message) -> bool {
        let has_entries = match message {
            Message::AppendEntries(request) => !request.entries.is_empty(),
            Message::AppendEntriesReply(_)
            | Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::InstallSnapshot(_) => false,
        };
        // Who lacks its image has to know entries to be committed before it can take another.
        let is_slow = || {
            !self.may_not_stand()
                && self.counters.backlog_bytes.load(Ordering::Relaxed) > self.max_backlog_bytes
        };
        let declines = has_entries && (is_slow() || self.has_no_room());
        if declines {
            self.counters.appends_declined.fetch_add(1, Ordering::Relaxed);
        }
        declines
    }
}
