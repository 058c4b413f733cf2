//! How everything is printed, so that a closed or full output ends a command as it should.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// The exit status of a program whose output nobody reads any more, as shells know it: 128 and
/// the number of SIGPIPE.
pub const CLOSED: u8 = 141;

/// The exit status where an output cannot be written.
const UNWRITABLE: u8 = 2;

/// Prints, and remembers the first failure; what comes after it goes nowhere.
pub struct Printer {
    to: Box<dyn Write>,
    failure: Option<io::Error>,
}

impl Printer {
    /// Prints to `to`.
    pub fn new(to: impl Write + 'static) -> Printer {
        Printer { to: Box::new(to), failure: None }
    }

    /// Prints results.
    pub fn stdout() -> Printer {
        #[expect(clippy::disallowed_methods, reason = "this is what is used instead")]
        Printer::new(io::stdout())
    }

    /// Prints what stands beside the results. Nobody can be told that it cannot be written.
    pub fn stderr() -> Printer {
        #[expect(clippy::disallowed_methods, reason = "this is what is used instead")]
        Printer::new(io::stderr())
    }

    /// Prints a text as it is, at once.
    pub fn text(&mut self, text: impl Display) {
        self.bytes(text.to_string().as_bytes());
    }

    /// Prints a line, at once.
    pub fn line(&mut self, line: impl Display) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    /// Takes in how something ended that another printed to the same place.
    pub fn printed(&mut self, result: io::Result<()>) {
        if let (None, Err(error)) = (&self.failure, result) {
            self.failure = Some(error);
        }
    }

    /// Whether nothing can be printed any more.
    pub fn is_lost(&self) -> bool {
        self.failure.is_some()
    }

    /// The exit status of a command that would end with `status` if all was printed: no success,
    /// if something was not. Says so on stderr, unless the reader left.
    pub fn end(mut self, status: u8) -> u8 {
        self.bytes(&[]);
        let otherwise = match self.failure {
            None => 0,
            Some(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED,
            Some(error) => {
                note(format_args!("check: cannot write to stdout: {error}"));
                UNWRITABLE
            }
        };
        if status == 0 { otherwise } else { status }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            let result = self.to.write_all(bytes).and_then(|()| self.to.flush());
            self.printed(result);
        }
    }
}

/// Never fails: see [`Printer::is_lost`].
impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line on stderr, if it can be written.
pub fn note(line: impl Display) {
    Printer::stderr().line(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_not_printed_is_no_success_and_hides_no_failure() {
        for (kind, instead) in [(ErrorKind::BrokenPipe, CLOSED), (ErrorKind::StorageFull, 2)] {
            for (status, expected) in [(0, instead), (1, 1), (3, 3)] {
                let mut printer = Printer::new(Failing(kind));
                assert!(!printer.is_lost());
                printer.line("a verdict");
                assert!(printer.is_lost());
                assert_eq!(printer.end(status), expected, "{kind:?}");
            }
        }
        let mut printer = Printer::new(Vec::new());
        printer.line("a verdict");
        assert_eq!(printer.end(0), 0);
    }
}
