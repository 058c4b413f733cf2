//! What becomes of a message that no correct peer sends, and of one that contradicts what was
//! applied.

use crate::runtime::std;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use super::log;
use super::server_loop::ServerLoop;
use crate::figure2::{Breach, ServerId};
use crate::runtime::stopped::StopReason;

/// The kinds of breaches that were logged, for each peer.
pub(super) type Logged = HashSet<(ServerId, Discriminant<Breach>)>;

impl<R> ServerLoop<R> {
    /// The server has refused a message, and nothing has changed. The log gets one line for each
    /// peer and kind, and the connection is broken: whatever sends this, it may be cured by a
    /// new one, and it cannot fill the mailbox.
    ///
    /// After a contradiction the server must do nothing more. It may hold the last copy of what
    /// was acknowledged, and the peer will come again.
    pub(super) fn breached(&mut self, from: ServerId, breach: Breach) {
        self.counters.breached(from);
        if breach.is_fatal() {
            let text = std::format!("a request of {from} contradicts this store: {breach}");
            self.stop_for_good(StopReason::Contradicted { text });
            return;
        }
        if self.logged.insert((from, discriminant(&breach))) {
            log::warn!(peer = %from, "dropped a message that no correct server sends: {breach}");
        }
        (self.errands.disconnect)(from);
    }
}
