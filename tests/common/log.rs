//! What all threads of a suite log.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// The log of this process. Taken from now on.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Writer);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        Log(Mutex::default())
    })
}

pub struct Log(Mutex<Vec<u8>>);

impl Log {
    /// The lines of `level` that contain `text`.
    pub fn lines(&self, level: &str, text: &str) -> Vec<String> {
        let all = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let fits = |line: &&str| line.contains(level) && line.contains(text);
        all.lines().filter(fits).map(str::to_string).collect()
    }

    pub fn warnings(&self, text: &str) -> Vec<String> {
        self.lines("WARN", text)
    }
}

#[derive(Clone)]
struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log().0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Writer;

    fn make_writer(&'a self) -> Writer {
        Writer
    }
}
