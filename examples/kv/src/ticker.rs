//! Lets the time of the log go on while nobody asks for anything.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::clock::Clock;
use crate::entry::to_command;
use crate::operation::Operation;
use crate::service::Shared;

/// The thread of a node that proposes ticks, if the node leads and keys wait to expire.
pub struct Ticker {
    /// Dropping it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    pub fn start(shared: Arc<Shared>) -> io::Result<Ticker> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("ticker".into()).spawn(move || {
            let mut last = None;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Clock::LOOK) {
                last = last.filter(|last: &veraft::runtime::PendingProposal<_>| !last.is_done());
                let leads = || shared.node.status().is_ok_and(|status| status.is_leader());
                if last.is_none() && shared.clock.is_due(Instant::now()) && leads() {
                    let stamp = shared.clock.stamp(Instant::now());
                    last = Some(shared.node.propose_small(to_command(&Operation::Tick, stamp)));
                }
            }
        })?;
        Ok(Ticker { stop, thread })
    }

    pub fn stop(self) {
        let Ticker { stop, thread } = self;
        drop(stop);
        if thread.join().is_err() {
            tracing::error!("the thread that proposes ticks panicked");
        }
    }
}
