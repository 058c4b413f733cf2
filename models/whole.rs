//! What a server does whose log is compacted, as it would be with a whole log: for a
//! [`Judge`](crate::Judge) that knows whole logs alone.
//!
//! What a server has compacted, the model still has, as the ghost in its images. With it, a log is
//! whole again, and the hook for snapshots is nothing new: to compact is to do nothing, and an
//! InstallSnapshot is an AppendEntries with all entries up to its mark, behind nothing, all of
//! them committed. That this is true of the code is what the judge is asked: whether the step of
//! the server with the whole log is one that it knows.

use std::iter::once;

use veraft::figure2::{Base, Entries, Entry, Index, Input, Output, Persistent, Record, ServerId};

use crate::actor::{Handed, Replica};
use crate::images::HeldImages;
use crate::judge::Judge;
use crate::modelled::Modelled;

/// What a server with a base has compacted: the entries of an image, or of more.
fn prefix(base: Base, applied: &Handed) -> Option<Vec<Entry>> {
    let last_index = usize::try_from(base.last_index).ok()?;
    let entries = applied.get(..last_index)?;
    Some(entries.iter().map(|(_, entry)| entry.clone()).collect())
}

/// What is stored, with a whole log.
pub fn whole_storage(stored: &Persistent, compacted: &[Entry]) -> Persistent {
    let ballot =
        Record::Ballot { current_term: stored.current_term(), voted_for: stored.voted_for() };
    let log = compacted.iter().chain(stored.log().entries().iter());
    let append = Record::Append { entries: log.cloned().collect() };
    [ballot, append].into_iter().collect()
}

fn whole_replica<P: Modelled>(replica: &Replica<P>) -> Option<P> {
    let base = replica.server.figure2().log().base();
    if base == Base::default() {
        return Some(replica.server.clone());
    }
    replica.server.with_whole_log(&prefix(base, &replica.applied)?)
}

/// The letters that leave, as a server with a whole log would send them.
fn whole_letters<P: Modelled>(
    letters: &[(ServerId, P::Message)],
    images: &HeldImages,
) -> Vec<(ServerId, P::Message)> {
    let whole = |message: &P::Message| {
        let image = images.of_message::<P>(message)?;
        P::whole_message(message, &image)
    };
    let letter = |(to, message): &(ServerId, P::Message)| {
        (*to, whole(message).unwrap_or_else(|| message.clone()))
    };
    letters.iter().map(letter).collect()
}

/// The records that make of the log `before` one that holds `entries` from its beginning.
fn records_of_base(before: &Entries, entries: &[Entry]) -> Vec<Record> {
    let agreed = before.iter().zip(entries).take_while(|(held, new)| held == new).count();
    if agreed == entries.len() {
        return Vec::new();
    }
    let truncate = Record::Truncate { last_index: agreed as Index };
    let truncate = (agreed < before.len()).then_some(truncate);
    let append = Record::Append { entries: entries[agreed..].iter().cloned().collect() };
    truncate.into_iter().chain(once(append)).collect()
}

/// A step of a replica, and the images beside it then.
pub(crate) struct CompactedStep<'a, P: Modelled> {
    pub(crate) before: &'a Replica<P>,
    pub(crate) input: Input<P::Message>,
    pub(crate) output: Output<P::Message>,
    /// What came along with a message.
    pub(crate) image: Option<&'a Handed>,
    pub(crate) after: &'a Replica<P>,
    pub(crate) images: &'a HeldImages,
}

impl<P: Modelled> CompactedStep<'_, P> {
    /// What `judge` says against the step with whole logs. Nothing where the protocol has no
    /// whole logs, or an image is missing: that is for a property to say.
    pub(crate) fn objection(self, judge: &dyn Judge<P>) -> Option<String> {
        let CompactedStep { before, input, output, image, after, images } = self;
        let (whole_before, whole_after) = (whole_replica(before)?, whole_replica(after)?);
        let (log, handed) = (whole_before.figure2().log(), before.server.figure2().volatile());
        let Output { persist, send, timers, restore, apply, proposal, breach } = output;
        let whole_record = |record: Record| match record {
            Record::Base(base) => {
                let entries = prefix(base, &after.applied)?;
                Some(records_of_base(log.entries(), &entries))
            }
            Record::Ballot { .. } | Record::Truncate { .. } | Record::Append { .. } => {
                Some(Vec::from([record]))
            }
        };
        let persist: Option<Vec<Vec<Record>>> = persist.into_iter().map(whole_record).collect();
        let last_index = restore.map_or(0, |base| base.last_index);
        let restored = after
            .applied
            .iter()
            .filter(|(index, _)| handed.last_applied < *index && *index <= last_index);
        let output = Output {
            persist: persist?.into_iter().flatten().collect(),
            send: whole_letters::<P>(&send, images),
            timers,
            restore: None,
            apply: restored.cloned().chain(apply).collect(),
            proposal,
            breach,
        };
        let input = match input {
            Input::Receive { from, message } => {
                let whole = image.and_then(|image| P::whole_message(&message, image));
                Input::Receive { from, message: whole.unwrap_or(message) }
            }
            Input::Timeout(_)
            | Input::Propose { .. }
            | Input::Stored { .. }
            | Input::Repeat { .. }
            | Input::Pipeline { .. } => input,
            Input::Compacted { last_index } => {
                let nothing = whole_before == whole_after && output == Output::default();
                let problem = || format!("to compact up to {last_index} was not to do nothing");
                return (!nothing).then(problem);
            }
        };
        judge.step(&whole_before, &input, &output, &whole_after)
    }
}

/// What `judge` says against a restart, with whole logs.
///
/// A server that starts behind a base takes for committed, and has applied, what the base stands
/// for; with a whole log it would begin at 0, and hear of it again. So the judge is asked of that
/// one, and of the real one it is seen that it differs in nothing else. That it may go on from
/// there is an argument: what it takes for committed it had taken for committed before the crash.
pub(crate) fn restart_objection<P: Modelled>(
    judge: &dyn Judge<P>,
    disk: &Persistent,
    after: &Replica<P>,
) -> Option<String> {
    let base = disk.log().base();
    let compacted = prefix(base, &after.applied)?;
    let (disk, server) = (whole_storage(disk, &compacted), whole_replica(after)?);
    let (config, volatile) = (server.figure2().config().clone(), server.figure2().volatile());
    let begins = (volatile.commit_index, volatile.last_applied);
    let as_stored = *server.figure2().persistent() == disk;
    if !as_stored || begins != (base.last_index, base.last_index) {
        return Some(format!(
            "starts at {begins:?} behind {}, or with another log",
            base.last_index
        ));
    }
    let (whole, _) = P::start(config, disk.clone(), volatile.floor);
    judge.restart(&disk, &whole)
}

/// What `judge` says against what leaves, with whole logs.
pub(crate) fn leaving_objection<P: Modelled>(
    judge: &dyn Judge<P>,
    disk: &Persistent,
    replica: &Replica<P>,
    images: &HeldImages,
    letters: &[(ServerId, P::Message)],
) -> Option<String> {
    let base = disk.log().base();
    if base == Base::default() && replica.server.figure2().log().base() == base {
        return judge.leaving(disk, &replica.server, letters);
    }
    let image = images.content(base.last_index).unwrap_or(&replica.applied);
    let disk = whole_storage(disk, &prefix(base, image)?);
    let letters = whole_letters::<P>(letters, images);
    judge.leaving(&disk, &whole_replica(replica)?, &letters)
}
