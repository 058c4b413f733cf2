//! A log in memory and in a file to which a thread appends: one fdatasync for all that waits.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use tokio::sync::oneshot;

use super::Types;
use crate::side::{SLOW_SYNC, Store};

/// Clones are the same log.
#[derive(Clone)]
pub struct Log {
    state: Arc<Mutex<State>>,
    /// To the thread that writes; none where nothing has to be written.
    writer: Option<Sender<Job>>,
}

#[derive(Default)]
struct State {
    /// The index of the first entry there is.
    first: u64,
    entries: VecDeque<EntryOf<Types>>,
    purged: Option<LogIdOf<Types>>,
    vote: Option<VoteOf<Types>>,
}

impl State {
    fn keep_before(&mut self, index: u64) {
        let keep = index.saturating_sub(self.first) as usize;
        self.entries.truncate(keep);
    }
}

/// Makes bytes durable.
type Flush = Box<dyn FnMut(&[u8]) + Send>;

/// Bytes to be written, and whom to tell that they are durable.
struct Job {
    bytes: Vec<u8>,
    done: Done,
}

enum Done {
    Entries(IOFlushed<Types>),
    Other(oneshot::Sender<()>),
}

impl Log {
    pub fn open(store: &Store, id: u64) -> Log {
        let start = |sync: Flush| {
            let (jobs, inbox) = unbounded();
            // It ends with the last clone of the log.
            thread::Builder::new().name(format!("log {id}")).spawn(|| write(inbox, sync)).unwrap();
            jobs
        };
        let writer = match store {
            Store::Disk(directory) => {
                fs::create_dir_all(directory).unwrap();
                let mut file = File::create_new(directory.join(id.to_string())).unwrap();
                File::open(directory).unwrap().sync_all().unwrap();
                Some(start(Box::new(move |bytes| {
                    file.write_all(bytes).unwrap();
                    file.sync_data().unwrap();
                })))
            }
            Store::Slow => Some(start(Box::new(|_| thread::sleep(SLOW_SYNC)))),
            Store::Memory => None,
        };
        Log { state: Arc::default(), writer }
    }

    /// Writes, and waits until it is durable.
    async fn write(&self, payload: &[u8]) {
        let Some(writer) = &self.writer else { return };
        let mut bytes = Vec::new();
        frame(&mut bytes, &[payload]);
        let (done, told) = oneshot::channel();
        writer.send(Job { bytes, done: Done::Other(done) }).unwrap();
        told.await.unwrap();
    }
}

/// The life of the thread that writes.
fn write(inbox: Receiver<Job>, mut sync: Flush) {
    while let Ok(first) = inbox.recv() {
        let (mut bytes, mut waiting) = (first.bytes, vec![first.done]);
        for job in inbox.try_iter() {
            bytes.extend(job.bytes);
            waiting.push(job.done);
        }
        sync(&bytes);
        for done in waiting {
            match done {
                Done::Entries(flushed) => flushed.io_completed(Ok(())),
                // Nobody waits any more if the node ends.
                Done::Other(told) => drop(told.send(())),
            }
        }
    }
}

/// Adds a record: its length, its checksum, its parts.
fn frame(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = bytes.len();
    bytes.extend([0; 8]);
    parts.iter().for_each(|part| bytes.extend(*part));
    let length = (bytes.len() - start - 8) as u32;
    let checksum = crc32fast::hash(&bytes[start + 8..]);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

fn frame_entry(bytes: &mut Vec<u8>, entry: &EntryOf<Types>) {
    let index = entry.log_id.index.to_le_bytes();
    let term = entry.log_id.leader_id.term.to_le_bytes();
    match &entry.payload {
        EntryPayload::Normal(command) => frame(bytes, &[&index, &term, &command.0]),
        EntryPayload::Blank => frame(bytes, &[&index, &term]),
        EntryPayload::Membership(members) => {
            frame(bytes, &[&index, &term, members.to_string().as_bytes()]);
        }
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<EntryOf<Types>>> {
        let state = self.state.lock().unwrap();
        let end = state.first + state.entries.len() as u64;
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => state.first,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => end,
        };
        let at = |index: u64| index.clamp(state.first, end).saturating_sub(state.first) as usize;
        let (from, to) = (at(from), at(to));
        Ok(state.entries.range(from..to.max(from)).cloned().collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf<Types>>> {
        Ok(self.state.lock().unwrap().vote)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let state = self.state.lock().unwrap();
        let last = state.entries.back().map(|entry| entry.log_id).or(state.purged);
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> io::Result<()> {
        self.state.lock().unwrap().vote = Some(*vote);
        self.write(format!("vote {vote}").as_bytes()).await;
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = EntryOf<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut bytes = Vec::new();
        let mut state = self.state.lock().unwrap();
        for entry in entries {
            if self.writer.is_some() {
                frame_entry(&mut bytes, &entry);
            }
            if state.entries.is_empty() {
                state.first = entry.log_id.index;
            }
            state.entries.push_back(entry);
        }
        drop(state);
        match &self.writer {
            Some(writer) => writer.send(Job { bytes, done: Done::Entries(callback) }).unwrap(),
            None => callback.io_completed(Ok(())),
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<Types>>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index + 1);
        self.state.lock().unwrap().keep_before(from);
        self.write(format!("truncate {from}").as_bytes()).await;
        Ok(())
    }

    async fn purge(&mut self, last: LogIdOf<Types>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        while state.entries.front().is_some_and(|entry| entry.log_id.index <= last.index) {
            state.entries.pop_front();
            state.first += 1;
        }
        state.purged = Some(last);
        Ok(())
    }
}
