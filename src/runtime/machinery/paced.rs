//! What is written no faster than it may be: the log is synced on the same disk, and waits for what
//! the disk has been given.

use crate::runtime::std;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::driver::Pace;

/// How many bytes of images are written in a second if nothing else is said.
pub(in crate::runtime) const DEFAULT_WRITE_RATE: u64 = 128 * 1024 * 1024;

/// How much goes on at once, in bytes.
const PART: usize = 64 * 1024;

/// The longest pause: an end is noticed after it.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes to another writer, at a pace.
pub(super) struct Paced<'a> {
    to: &'a mut dyn Write,
    pace: Pace,
    began: Instant,
    /// Whether there is no need to wait any more.
    hurries: &'a dyn Fn() -> bool,
}

impl<'a> Paced<'a> {
    /// So many bytes in a second; none without a limit.
    pub(super) fn new(
        to: &'a mut dyn Write,
        rate: Option<u64>,
        hurries: &'a dyn Fn() -> bool,
    ) -> Self {
        Paced { to, pace: Pace::new(rate), began: Instant::now(), hurries }
    }
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = &bytes[..bytes.len().min(PART)];
        let written = self.to.write(part)?;
        let leaves = self.pace.admit(self.began.elapsed(), written as u64);
        while !(self.hurries)()
            && let Some(wait) = leaves.checked_sub(self.began.elapsed())
            && !wait.is_zero()
        {
            thread::sleep(wait.min(PAUSE));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(all(test, not(veraft_shuttle)))]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn write(rate: Option<u64>, hurries: &dyn Fn() -> bool) -> Duration {
        let (mut file, data, start) = (Vec::new(), vec![7; 300_000], Instant::now());
        Paced::new(&mut file, rate, hurries).write_all(&data).unwrap();
        assert!(file == data);
        start.elapsed()
    }

    /// How long it takes at least, never how long at most.
    #[test]
    fn what_is_written_takes_as_long_as_it_may() {
        // The last part has left, and the one before it is paid for, in 0.7 s.
        assert!(write(Some(300_000), &|| false) >= Duration::from_millis(700));
        assert!(write(Some(1), &|| true) < Duration::from_secs(60), "nobody waits at an end");
        assert!(write(None, &|| false) < Duration::from_secs(60));
    }
}
