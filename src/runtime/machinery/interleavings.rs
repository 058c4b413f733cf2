//! The hand-over between the threads of a node, under a scheduler that tries interleavings:
//! nothing leaves before it is durable, everything leaves in order, every proposal is answered,
//! and no end of a node leaves a thread behind (a deadlock fails the test).
//!
//! Ordinary test runs leave this out:
//!
//! ```text
//! RUSTFLAGS="--cfg veraft_shuttle" cargo test -p veraft --lib interleavings --target-dir target/shuttle
//! ```

use crate::runtime::std;

use std::boxed::Box;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use shuttle::thread;

use super::application::Application;
use super::fixtures::{self, OWN, PEER, config, standing};
use super::life::{InFlight, Life};
use super::outlets::Gated;
use crate::driver::{Driver, Held, Timing};
use crate::figure2::{
    Base, Command, Index, Leader, Message, Output, Payload, Persistent, Record, RequestVoteReply,
    Role, Server, Term, Volatile,
};
use crate::runtime::proposal::{Place, ProposeError, Waiter};
use crate::runtime::state_machine::StateMachine;
use crate::runtime::stopped::StopReason;
use crate::runtime::storage::{Notes, Storage, StorageError};
use crate::runtime::transport::Link;

const SCHEDULES: usize = 5_000;

/// How many preemptions the second kind of scheduler places.
const DEPTH: usize = 4;

fn explore(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, DEPTH);
}

/// Counts the records that are durable, and lets others run in the middle of a write.
struct Disc {
    appended: u64,
    durable: Arc<AtomicU64>,
}

impl Storage for Disc {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        Ok(Persistent::default())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        thread::yield_now();
        self.appended += records.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        thread::yield_now();
        self.durable.store(self.appended, Ordering::SeqCst);
        thread::yield_now();
        Ok(())
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(Notes::new())
    }

    fn note(&mut self, _name: &str, _value: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Demands that entry n is applied after n - 1, and when n records are durable.
struct Ordered {
    last: Index,
    durable: Arc<AtomicU64>,
}

impl StateMachine for Ordered {
    type Response = Index;

    fn apply(&mut self, index: Index, _command: &Command) -> Index {
        assert_eq!(index, self.last + 1, "applied out of order");
        assert!(self.durable.load(Ordering::SeqCst) > 0, "applied before it was durable");
        self.last = index;
        index
    }
}

/// Demands that messages leave in order, each when as many records are durable as its term says.
struct Wire {
    last: Term,
    durable: Arc<AtomicU64>,
}

impl Link for Wire {
    fn send(&mut self, messages: Vec<Message>) -> u64 {
        for message in messages {
            thread::yield_now();
            let term = message.term();
            assert!(term >= self.last, "sent out of order");
            assert!(self.durable.load(Ordering::SeqCst) >= term, "sent before it was durable");
            self.last = term;
        }
        0
    }

    /// Takes some messages at once, and leaves others to the sender thread.
    fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
        thread::yield_now();
        match message.term() % 2 == 0 {
            true => Ok(self.send(Vec::from([message]))),
            false => Err(Some(message)),
        }
    }
}

/// The parts of a node that hand over to each other, on a disk that counts its durable records.
struct Parts {
    node: fixtures::Parts<Index>,
    durable: Arc<AtomicU64>,
}

impl Deref for Parts {
    type Target = fixtures::Parts<Index>;

    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

impl Parts {
    fn new() -> Parts {
        Parts { node: fixtures::Parts::on(&Notes::new()), durable: Arc::default() }
    }

    fn spawn_disk(&self) -> thread::JoinHandle<()> {
        let mut disk = self.writer(Disc { appended: 0, durable: self.durable.clone() });
        thread::spawn(move || assert!(disk.run().is_ok()))
    }

    fn spawn_application(&self) -> thread::JoinHandle<()> {
        let machine = Ordered { last: 0, durable: self.durable.clone() };
        let (outlets, counters) = (self.outlets.clone(), self.counters.clone());
        let arrived = self.arrived.clone();
        let mut application = Application::new(machine, Base::default(), counters, None, arrived);
        thread::spawn(move || assert!(application.run(&outlets.jobs).is_ok()))
    }

    fn spawn_sender(&self) -> thread::JoinHandle<()> {
        let link = Box::new(Wire { last: 0, durable: self.durable.clone() });
        let outbox = self.outlets.outboxes[&PEER].clone();
        thread::spawn(move || outbox.run(link))
    }

    /// Demands that what users are told is durable: as many records as the term says.
    fn spawn_user(&self) -> thread::JoinHandle<()> {
        let (outlets, durable) = (self.outlets.clone(), self.durable.clone());
        thread::spawn(move || {
            for _ in 0..3 {
                let told = outlets.noticeboard.read().term;
                assert!(durable.load(Ordering::SeqCst) >= told, "told before it was durable");
                thread::yield_now();
            }
        })
    }

    fn close(&self) {
        self.gate.close();
        self.outlets.outboxes.values().for_each(|outbox| outbox.close());
        self.outlets.jobs.close();
    }
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn messages_leave_in_order_once_their_records_are_durable() {
    explore(|| {
        let parts = Parts::new();
        let threads = [parts.spawn_disk(), parts.spawn_sender(), parts.spawn_user()];
        let mut records = 0;
        for (step, writes) in [(1, true), (2, false), (3, true), (4, true), (5, false)] {
            records += u64::from(writes);
            let reply = RequestVoteReply { term: records, vote_granted: true };
            let persist = writes.then_some(Record::Truncate { last_index: 0 });
            let gated = Gated::of(Held {
                step,
                persist: persist.into_iter().collect(),
                standing: Some(standing(records)),
                send: Vec::from([(PEER, Message::RequestVoteReply(reply))]),
                ..Held::default()
            });
            if let Some(free) = parts.gate.enter(gated, writes) {
                parts.outlets.release(free);
            }
        }
        parts.close();
        join(threads);
    });
}

/// What a server owes that has voted: a record, and a message that waits for it.
fn vote() -> Gated<Index> {
    let reply = RequestVoteReply { term: 1, vote_granted: true };
    Gated::of(Held {
        step: 1,
        persist: Vec::from([Record::Truncate { last_index: 0 }]),
        send: Vec::from([(PEER, Message::RequestVoteReply(reply))]),
        ..Held::default()
    })
}

/// Nothing comes by later that would wake a thread by chance. (Who waits here for ever takes
/// more steps than the scheduler allows.)
#[test]
fn threads_that_sleep_are_woken() {
    explore(|| {
        let parts = Parts::new();
        let threads = [parts.spawn_disk(), parts.spawn_sender()];
        thread::yield_now();
        assert!(parts.gate.enter(vote(), true).is_none());
        let outbox = &parts.outlets.outboxes[&PEER];
        while parts.durable.load(Ordering::SeqCst) == 0 || outbox.depth() > 0 {
            thread::yield_now();
        }
        parts.close();
        join(threads);
    });
}

/// A disk whose sync fails.
struct Broken;

impl Storage for Broken {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        Ok(Persistent::default())
    }

    fn append(&mut self, _records: &[Record]) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Err(StorageError::other("the disk is on fire"))
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(Notes::new())
    }

    fn note(&mut self, _name: &str, _value: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }
}

#[test]
fn what_waits_for_a_write_that_fails_never_leaves() {
    explore(|| {
        let parts = Parts::new();
        let mut disk = parts.writer(Broken);
        let writes = thread::spawn(move || disk.run().err().map(|failure| failure.unreleased));
        assert!(parts.gate.enter(vote(), true).is_none());
        let unreleased = writes.join().unwrap();
        assert_eq!(unreleased.map_or(0, |unreleased| unreleased.len()), 1);
        assert_eq!(parts.outlets.outboxes[&PEER].depth(), 0, "it left");
    });
}

/// A node that leads a cluster of one, so that what it accepts is committed.
#[test]
fn every_proposal_is_answered_also_when_the_node_stops_meanwhile() {
    explore(|| {
        let parts = Parts::new();
        let life = Arc::new(Life::default());
        let arrived = parts.arrived.clone();
        let ballot = Record::Ballot { current_term: 1, voted_for: Some(OWN) };
        let role = Role::Leader(Leader::default());
        let volatile = Volatile { role, ..Volatile::default() };
        let server = Server::from_parts(config([OWN]), [ballot].into_iter().collect(), volatile);
        let server_loop = parts.server_loop(Driver::new(server, Timing::default()));
        let mut threads = Vec::from([parts.spawn_disk(), parts.spawn_application()]);
        threads.push(thread::spawn(move || server_loop.run(Output::default())));
        for _ in 0..2 {
            let (life, arrived) = (life.clone(), arrived.clone());
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    assert_eq!(life.admit(InFlight::NO_LIMIT, 1), Ok(()));
                    let (pending, waiter) = Waiter::command(Place::new(life.clone(), 1));
                    arrived.put(|arrived| {
                        let payload = Payload::Command(Command::from(&b"x"[..]));
                        arrived.proposals.push((payload, waiter));
                    });
                    match pending.wait() {
                        Ok(applied) => assert_eq!(applied.index, applied.response),
                        Err(ProposeError::Lost(_) | ProposeError::Stopped(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }));
        }
        (0..4).for_each(|_| thread::yield_now());
        life.end(StopReason::Shutdown);
        arrived.close();
        parts.close();
        join(threads);
        assert_eq!(life.in_flight(), InFlight { proposals: 0, bytes: 0 });
    });
}
