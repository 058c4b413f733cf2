//! What `SAVE`, `BGSAVE` and `LASTSAVE` mean here: an image of this node's map, durable. They
//! concern the node that is asked; each writes images by itself, too.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use veraft::runtime::{CompactError, Metrics};

use crate::reply::{self, Reply};
use crate::service::Shared;

/// In the words of Redis, which clients look for.
const IN_PROGRESS: &str = "ERR Background save already in progress";

/// The saves that clients ask for.
#[derive(Debug)]
pub struct Saves {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether a `BGSAVE` is under way, and how many `SAVE`s are.
    background: bool,
    foreground: usize,
    /// When one last succeeded, or else when the node started.
    last: SystemTime,
    /// Whether the last one failed.
    failed: bool,
}

impl Saves {
    pub fn new(started: SystemTime) -> Saves {
        let state = State { background: false, foreground: 0, last: started, failed: false };
        Saves { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every field is right by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When all that the map then held was last in a durable image, in seconds since 1970.
    pub fn last(&self, metrics: Option<&Metrics>) -> u64 {
        let asked = self.state().last;
        let image = metrics.and_then(|metrics| metrics.image).and_then(|image| image.finished);
        let last = image.map_or(asked, |image| image.max(asked));
        last.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Whether somebody waits for an image.
    pub fn in_progress(&self) -> bool {
        let state = self.state();
        state.background || state.foreground > 0
    }

    pub fn failed(&self) -> bool {
        self.state().failed
    }

    fn ended(&self, background: bool, failed: bool) {
        let mut state = self.state();
        match background {
            true => state.background = false,
            false => state.foreground -= 1,
        }
        state.failed = failed;
        if !failed {
            state.last = SystemTime::now();
        }
    }
}

fn write(shared: &Shared, background: bool) -> Result<(), CompactError> {
    let written = shared.node.compact();
    shared.saves.ended(background, written.is_err());
    written.map(|_| ())
}

/// `SAVE`: answers once the image is durable.
pub fn save(shared: &Shared) -> Reply {
    let mut state = shared.saves.state();
    if state.background {
        return reply::error(IN_PROGRESS);
    }
    state.foreground += 1;
    drop(state);
    match write(shared, false) {
        Ok(()) => reply::ok(),
        Err(error) => reply::error(format!("ERR not saved: {error:?}")),
    }
}

/// `BGSAVE`: answers at once.
pub fn save_behind(shared: &Arc<Shared>) -> Reply {
    let mut state = shared.saves.state();
    if state.background {
        return reply::error(IN_PROGRESS);
    }
    state.background = true;
    drop(state);
    match start(shared) {
        Ok(()) => Reply::Status("Background saving started".into()),
        Err(error) => {
            shared.saves.ended(true, true);
            reply::error(format!("ERR cannot start a thread: {error}"))
        }
    }
}

fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let (saving, span) = (shared.clone(), tracing::Span::current());
    let thread = thread::Builder::new().name("save".into()).spawn(move || {
        let _entered = span.entered();
        if let Err(error) = write(&saving, true) {
            tracing::error!("the background save failed: {error:?}");
        }
    })?;
    shared.connections.add_thread(thread);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_last_save_is_the_start_until_one_has_succeeded() {
        let started = UNIX_EPOCH + Duration::from_secs(1000);
        let saves = Saves::new(started);
        assert_eq!((saves.last(None), saves.failed(), saves.in_progress()), (1000, false, false));
        saves.state().foreground = 2;
        saves.ended(false, true);
        assert_eq!((saves.last(None), saves.failed(), saves.in_progress()), (1000, true, true));
        saves.ended(false, false);
        assert!(saves.last(None) > 1_000_000 && !saves.failed() && !saves.in_progress());
    }
}
