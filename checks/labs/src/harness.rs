//! What a lab script can do to a cluster, and see of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use veraft::figure2::{Command, Index, Persistent, Term};

use crate::failure::Violation;

/// A cluster under test. The scripts of [`suites`](crate::suites) run on any: on the simulator,
/// where [`sleep`](Harness::sleep) advances virtual time, and on real nodes, where it waits.
///
/// Servers are counted from 0. At first all run, all are connected, and the network is
/// reliable.
pub trait Harness {
    /// How many servers the cluster has.
    fn servers(&self) -> usize;

    /// The time since the cluster started.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn sleep(&mut self, time: Duration) -> Result<(), Violation>;

    /// A number from `range`, drawn at random.
    fn random(&mut self, range: RangeInclusive<u64>) -> u64;

    /// Proposes `commands` to a server that runs, all at once, each on its own, and waits for
    /// the answers: where each stands, or none where the server does not lead.
    fn start(
        &mut self,
        server: usize,
        commands: &[Command],
    ) -> Result<Vec<Option<Started>>, Violation>;

    /// What a server that runs says of itself; none while it is down.
    fn status(&self, server: usize) -> Option<ServerStatus>;

    /// Drops everything to and from `server` from now on, or no longer.
    fn set_connected(&mut self, server: usize, connected: bool);

    /// Stops `server` in the middle of what it does: what was not durable is lost.
    fn crash(&mut self, server: usize);

    /// Starts a server that is down with what it has stored.
    fn restart(&mut self, server: usize) -> Result<(), Violation>;

    /// Changes how well messages fare from now on.
    fn set_network(&mut self, network: Network);

    /// How many requests have arrived at `server` since the cluster started.
    fn requests(&self, server: usize) -> u64;

    /// The command that `server` applied at `index` since it last started.
    fn applied(&self, server: usize, index: Index) -> Option<Command>;

    /// How many bytes the persistent state of `server` has: term, vote and log, in postcard.
    fn persisted_bytes(&self, server: usize) -> usize;

    /// What the cluster did wrong so far, if anything.
    fn violation(&self) -> Option<Violation>;
}

/// How well messages fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// 1 to 10 ms delay, no loss.
    Reliable,
    /// 0 to 26 ms delay; a tenth of the requests and a tenth of the replies are lost.
    Unreliable,
    /// As unreliable, and a tenth of the messages arrive long after all that they were about:
    /// up to 3 s late.
    Straggling,
}

/// Where an accepted command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The term in which the leader received it.
    pub term: Term,
    /// Its index, if it is ever committed.
    pub index: Index,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its current term.
    pub term: Term,
    /// Whether it leads that term.
    pub leads: bool,
}

/// How many bytes a persistent state has in postcard.
pub fn persisted_bytes(persistent: &Persistent) -> usize {
    postcard::to_allocvec(persistent).map_or(usize::MAX, |bytes| bytes.len())
}
