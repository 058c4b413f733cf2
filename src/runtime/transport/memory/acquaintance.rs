//! Two nodes of a network in memory meet before a message passes between them.

use crate::runtime::std;

use std::format;
use std::string::String;
use std::time::{Duration, Instant};
use std::vec::Vec;

use crate::figure2::{Message, ServerId};
use crate::runtime::transport::Inbox;

/// How long to wait before two nodes try again of which one refused the other.
const AGAIN: Duration = Duration::from_millis(100);

/// Two lives that may have met, the earlier one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lives {
    earlier: u64,
    later: u64,
}

impl Lives {
    pub(super) fn of(one: u64, other: u64) -> Lives {
        Lives { earlier: one.min(other), later: one.max(other) }
    }

    /// The other one, if `life` is one of them.
    pub(super) fn other_than(self, life: u64) -> Option<u64> {
        match life {
            life if life == self.earlier => Some(self.later),
            life if life == self.later => Some(self.earlier),
            _ => None,
        }
    }
}

/// How two nodes stand to each other.
pub(super) enum Acquaintance {
    /// A thread lets them meet.
    Meeting {
        /// What came meanwhile, and for whom.
        waiting: Vec<(ServerId, Message)>,
        /// Why they refused each other before.
        said: Option<String>,
        /// One of them has asked meanwhile to meet anew.
        anew: bool,
    },
    Met,
    /// One refuses the other.
    Refused {
        /// When they may try again.
        again: Instant,
        why: String,
    },
}

impl Acquaintance {
    /// They refuse each other, for now.
    pub(super) fn refused(why: String) -> Acquaintance {
        Acquaintance::Refused { again: Instant::now() + AGAIN, why }
    }
}

/// Lets two nodes say hello to each other. Both hear both hellos, whatever either says to the
/// other's.
///
/// # Errors
/// When one refuses the other, or each the other: why.
pub(super) fn introduce(one: &Inbox, other: &Inbox) -> Result<(), String> {
    let (hello_of_one, hello_of_other) = (one.hello(), other.hello());
    let met = [show(&hello_of_one, one, other), show(&hello_of_other, other, one)];
    let refusals: Vec<String> = met.into_iter().filter_map(Result::err).collect();
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(refusals.join("; ")),
    }
}

/// Shows the hello of `from` to `to`.
fn show(hello: &[u8], from: &Inbox, to: &Inbox) -> Result<(), String> {
    to.meet(from.id(), Some(hello)).map_err(|refused| {
        let why = refused.why();
        from.refused_by(to.id(), &why);
        format!("{} refuses {}: {why}", to.id(), from.id())
    })
}
