//! How errors look where Rust prints them in their `Debug` form: when `main` returns one, and in
//! the panic of an `unwrap`. A person reads that, so it is the text, and what caused it.

use crate::runtime::std;

use std::error::Error;
use std::fmt;

/// Writes the text of `error`, then the text of each cause.
fn write_with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

macro_rules! readable {
    ($($error:ty),+ $(,)?) => {
        $(impl fmt::Debug for $error {
            /// The text and its causes.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_with_causes(self, f)
            }
        })+
    };
}

readable!(
    crate::runtime::backup::BackupError,
    crate::runtime::backup::UnusableBackup,
    crate::runtime::builder::StartError,
    crate::runtime::compact::CompactError,
    crate::runtime::restore::RestoreError,
    super::identity::UnfitStore,
    crate::runtime::leadership::NoLeader,
    crate::runtime::stopped::StopReason,
    crate::runtime::stopped::Stopped,
    crate::runtime::limits::LimitError,
    crate::runtime::proposal::ProposeError,
    crate::runtime::readmit::ReadmitError,
    crate::runtime::storage::StorageError,
    crate::runtime::transport::Refused,
    crate::runtime::transport::TransportError,
);

#[cfg(feature = "tls")]
readable!(crate::runtime::transport::TlsError);

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::format;
    use std::io;
    use std::string::ToString;
    use std::sync::Arc;
    use std::vec::Vec;

    use super::*;
    use crate::runtime::stopped::{StopReason, Stopped};
    use crate::runtime::{ProposeError, StartError, StorageError, TransportError};

    fn refusal() -> io::Error {
        io::Error::other("the disk is on fire")
    }

    fn storage() -> StorageError {
        StorageError::Io { action: "sync", path: "/data".into(), source: refusal() }
    }

    /// The cause stands at the end, once, however deep it lies, and no name of a type is seen.
    #[test]
    fn an_error_tells_its_causes_once() {
        let stopped = || Stopped { reason: StopReason::Storage(Arc::new(storage())) };
        let thread = StartError::Thread { thread: "disk", source: refusal() };
        let recording = StartError::Recording { path: "/rec".into(), source: refusal() };
        let listen = TransportError::Listen { address: "here".into(), source: refusal() };
        let errors: Vec<Box<dyn Error>> = Vec::from([
            Box::new(storage()) as Box<dyn Error>,
            Box::new(StartError::Storage(storage())),
            Box::new(stopped()),
            Box::new(ProposeError::Lost(stopped())),
            Box::new(ProposeError::Stopped(stopped())),
            Box::new(thread),
            Box::new(recording),
            Box::new(StartError::Transport(listen)),
        ]);
        for error in errors {
            let (shown, text) = (format!("{error:?}"), error.to_string());
            assert!(shown.starts_with(&text), "{shown}");
            assert!(shown.ends_with(": the disk is on fire"), "{shown}");
            assert_eq!(shown.matches("the disk is on fire").count(), 1, "{shown}");
            assert!(!shown.contains(['{', '(', '"']), "{shown}");
        }
    }

    #[test]
    fn an_error_without_a_cause_is_its_text() {
        let stopped = Stopped { reason: StopReason::Shutdown };
        assert_eq!(format!("{stopped:?}"), "the node has stopped: it was shut down");
    }
}
