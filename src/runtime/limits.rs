//! The limits of a node, checked against each other and against its transport before it starts.

use thiserror::Error;

use super::transport::Transport;
use crate::driver::RoomLimits;

/// How much a node takes and sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// The bytes of the largest command.
    pub(super) max_command_bytes: usize,
    /// The bytes of commands in one message; a single larger command travels alone.
    pub(super) max_append_bytes: usize,
    /// How much room there has to be in the store.
    pub(super) room: RoomLimits,
}

/// Limits that cannot work.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitError {
    /// No command would fit.
    #[error("{setting} is 0, so no command would fit: give at least 1")]
    Zero {
        /// The setting of the builder.
        setting: &'static str,
    },
    /// What this setting allows does not fit into a message of the transport.
    #[error(
        "{setting} is {bytes}, and the transport carries {carries} bytes of commands in a message: \
         lower {setting}, or raise the limit of the transport on every node (for TCP, \
         max_frame_bytes)"
    )]
    TooLarge {
        /// The setting of the builder.
        setting: &'static str,
        /// Its value, in bytes.
        bytes: usize,
        /// How many bytes of commands surely fit into a message.
        carries: usize,
    },
    /// Commands would be refused before the node warns, and compacts its log early.
    #[error(
        "full_below is {full}, and scarce_below {scarce}: a node that compacts its log early is to \
         do so before it refuses commands; raise scarce_below, or lower full_below"
    )]
    Room {
        /// Below so many bytes commands are refused.
        full: u64,
        /// Below so many bytes the node warns.
        scarce: u64,
    },
}

const COMMAND: &str = "max_command_bytes";
const APPEND: &str = "max_append_bytes";

impl Limits {
    /// Nothing is accepted that cannot be sent.
    ///
    /// # Errors
    /// When a limit is 0 that must not be, or one is more than the transport carries, or the store
    /// is full before room is scarce.
    pub(super) fn check(self, transport: &impl Transport) -> Result<(), LimitError> {
        let Limits { max_command_bytes, max_append_bytes, room } = self;
        let carries = transport.max_message_bytes().unwrap_or(usize::MAX);
        for (setting, bytes) in [(COMMAND, max_command_bytes), (APPEND, max_append_bytes)] {
            if bytes == 0 {
                return Err(LimitError::Zero { setting });
            }
            if bytes > carries {
                return Err(LimitError::TooLarge { setting, bytes, carries });
            }
        }
        let RoomLimits { scarce, full } = room;
        match full <= scarce {
            true => Ok(()),
            false => Err(LimitError::Room { full, scarce }),
        }
    }
}
