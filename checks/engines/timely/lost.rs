//! What ends a search by several processes before its end: a process that is lost, or a worker
//! that died.

use std::net::{Shutdown, TcpStream};
use std::panic;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};
use std::thread;

/// The connections to the other processes, and why the search cannot be finished, if it cannot.
#[derive(Debug)]
pub struct Lost {
    why: OnceLock<String>,
    sockets: Vec<TcpStream>,
}

impl Lost {
    /// Nothing is lost yet of these connections.
    ///
    /// # Errors
    /// When the system has no handles left.
    pub fn new(sockets: &[Option<TcpStream>]) -> std::io::Result<Arc<Lost>> {
        let sockets = sockets.iter().flatten().map(TcpStream::try_clone);
        Ok(Arc::new(Lost { why: OnceLock::new(), sockets: sockets.collect::<Result<_, _>>()? }))
    }

    /// Why the search cannot be finished; none if nothing is lost.
    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// The search cannot be finished. The other processes notice, for their connections to this
    /// one end without a farewell.
    pub fn lose(&self, why: String) {
        // Before anybody hears of it: a farewell must not come in between.
        for socket in &self.sockets {
            // It may have ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        // The first reason is the reason; the others follow from it.
        let _ = self.why.set(why);
    }

    /// From here on, for as long as the search lasts or until the next of this process begins, a
    /// lost connection is noticed.
    pub fn watch(self: &Arc<Lost>) {
        *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(self);
        // A thread that is held in the hook keeps it from being replaced, so there is one for all.
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let other_panics = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                let thread = thread::current();
                let name = thread.name().unwrap_or_default();
                let connection =
                    name.strip_prefix("timely:send-").or(name.strip_prefix("timely:recv-"));
                match connection {
                    Some(process) => hold(process),
                    None => other_panics(panic),
                }
            }));
        });
    }
}

/// The search whose connections are watched.
static WATCHED: Mutex<Weak<Lost>> = Mutex::new(Weak::new());

/// What becomes of timely's own threads, whose names begin with `timely:send` and `timely:recv`:
/// they panic when a connection ends without a farewell, and are held there. Were they to unwind,
/// they would poison the queues between them and the workers, whose panics would follow, in
/// destructors too.
fn hold(process: &str) -> ! {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    if let Some(lost) = watched {
        lost.lose(format!("lost process {process}"));
    }
    loop {
        thread::park();
    }
}
