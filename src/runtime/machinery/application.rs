//! The application's state machine, on a thread of its own, and the proposals that wait for it.

use crate::runtime::std;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::arrived::Arrived;
use super::errands::Errand;
use super::images::{Captured, ImageDesk, ImageNews, ImageTask};
use super::mailbox::{Mailbox, Taken};
use super::restoring::restore;
use super::transfers::Transfers;
use super::work::{Jobs, Work, weigh};
use crate::driver::{DIGEST_EVERY, Fate, Waiters, weight};
use crate::figure2::{Base, Entry, Index, Payload, Term};
use crate::runtime::compact::CompactError;
use crate::runtime::metrics::Counters;
use crate::runtime::proposal::{Accepted, ProposeError, Waiter};
use crate::runtime::restore::RestoreError;
use crate::runtime::state_machine::StateMachine;

/// The state machine, and what its thread works with.
pub(super) struct Application<M: StateMachine> {
    pub(super) machine: M,
    /// Index and term of the last entry that it has applied.
    pub(super) applied: Base,
    pub(super) counters: Arc<Counters>,
    pub(super) desk: Option<Arc<ImageDesk>>,
    pub(super) arrived: Arc<Mailbox<Arrived<M::Response>>>,
    waiting: Waiters<Waiter<M::Response>>,
    /// How many bytes it was given since the start.
    applied_bytes: u64,
    /// What waits for an image from a peer, if this node's own is of no use.
    held: Option<Held>,
    /// Whoever is told digests of the state.
    transfers: Option<Arc<Transfers>>,
}

/// Entries that were committed while there is no state to apply them to.
#[derive(Default)]
struct Held {
    entries: Vec<(Index, Entry)>,
    /// The image that has come.
    spare: Option<Base>,
}

impl<M: StateMachine> Application<M> {
    /// A state machine that is as of `applied`.
    pub(super) fn new(
        machine: M,
        applied: Base,
        counters: Arc<Counters>,
        desk: Option<Arc<ImageDesk>>,
        arrived: Arc<Mailbox<Arrived<M::Response>>>,
    ) -> Self {
        Application {
            machine,
            applied,
            counters,
            desk,
            arrived,
            waiting: Waiters::default(),
            applied_bytes: 0,
            held: None,
            transfers: None,
        }
    }

    /// Peers are told digests of the state.
    pub(super) fn telling(self, transfers: Option<Arc<Transfers>>) -> Self {
        Application { transfers, ..self }
    }

    /// The image as of which the state machine would be is of no use: nothing is applied before
    /// another one has come.
    pub(super) fn lacking_its_image(self) -> Self {
        Application { held: Some(Held::default()), ..self }
    }

    /// The life of the application thread.
    ///
    /// # Errors
    /// When the state machine cannot be restored.
    pub(super) fn run(&mut self, jobs: &Jobs<M::Response>) -> Result<(), RestoreError> {
        while let Taken::All(work) = jobs.take(None) {
            let Work { accepted, restore, passed, spare, capture, committed } = work;
            // What was committed before a proposal was accepted stands before it in the log, and
            // in no later term: that the proposal waits already changes nothing for it.
            accepted.into_iter().for_each(|run| self.waiting.add(run));
            if let Some(base) = restore {
                self.pass(passed);
                self.restore(base)?;
            }
            if capture {
                self.capture();
            }
            match &mut self.held {
                Some(held) => {
                    held.entries.extend(committed);
                    held.spare = spare.or(held.spare);
                    self.recover()?;
                }
                None => committed.into_iter().for_each(|(index, entry)| self.apply(index, &entry)),
            }
        }
        Ok(())
    }

    /// Entries of this weight are in an image, and need not be applied.
    fn pass(&mut self, weight: u64) {
        self.applied_bytes += weight;
        self.counters.backlog_bytes.fetch_sub(weight, Ordering::Relaxed);
    }

    /// The state machine becomes the image that has come from a peer, once this node knows
    /// everything in it to be committed: before that, its log could not begin there.
    fn recover(&mut self) -> Result<(), RestoreError> {
        let Some(Held { entries, spare: Some(base) }) = &mut self.held else { return Ok(()) };
        let (base, known) = (*base, entries.last().map_or(self.applied.last_index, |last| last.0));
        if known < base.last_index {
            return Ok(());
        }
        let mut entries = core::mem::take(entries);
        let behind = entries.split_off(entries.partition_point(|one| one.0 <= base.last_index));
        self.pass(weigh(&entries));
        let applied_bytes = self.applied_bytes;
        let image_bytes = self.become_image(base)?;
        let last_index = base.last_index;
        self.tell(ImageNews::Recovered { last_index, applied_bytes, image_bytes });
        behind.into_iter().for_each(|(index, entry)| self.apply(index, &entry));
        Ok(())
    }

    /// Restores the state machine from the image of this base.
    fn become_image(&mut self, base: Base) -> Result<u64, RestoreError> {
        let place = self.desk.as_ref().map(|desk| &*desk.place);
        let image_bytes = restore(&mut self.machine, place, base)?;
        self.applied = base;
        self.counters.applied_index.store(base.last_index, Ordering::Release);
        self.counters.image_restored(base.last_index, image_bytes);
        if let (Some(held), Some(desk)) = (self.held.take(), &self.desk) {
            let passed = weigh(&held.entries);
            desk.is_lacking.store(false, Ordering::Release);
            self.pass(passed);
        }
        Ok(image_bytes)
    }

    fn apply(&mut self, index: Index, entry: &Entry) {
        let response = match &entry.payload {
            Payload::Command(command) => Some(self.machine.apply(index, command)),
            Payload::Blank => None,
        };
        self.applied = Base { last_index: index, last_term: entry.term };
        self.applied_bytes += weight(entry);
        self.counters.applied_index.store(index, Ordering::Release);
        self.counters.backlog_bytes.fetch_sub(weight(entry), Ordering::Relaxed);
        answer(&mut self.waiting, index, entry.term, response);
        if index.is_multiple_of(DIGEST_EVERY)
            && let (Some(transfers), Some(digest)) = (&self.transfers, self.machine.digest())
        {
            transfers.digest(index, digest);
        }
    }

    fn restore(&mut self, base: Base) -> Result<(), RestoreError> {
        let image_bytes = self.become_image(base)?;
        self.tell(ImageNews::Restored { image_bytes });
        self.put(ImageTask::Tidy(base));
        self.waiting.restored(base, fail);
        Ok(())
    }

    fn capture(&mut self) {
        if self.applied == Base::default() || self.held.is_some() {
            return self.tell(ImageNews::Unwritten(None));
        }
        let (base, applied_bytes) = (self.applied, self.applied_bytes);
        match self.machine.capture() {
            Some(image) => self.put(ImageTask::Write(Captured { base, applied_bytes, image })),
            None => self.tell(ImageNews::Unwritten(Some(CompactError::Unsupported))),
        }
    }

    fn tell(&self, news: ImageNews) {
        self.arrived.put(|arrived| arrived.errands.push(Errand::Image(news)));
    }

    fn put(&self, task: ImageTask) {
        if let Some(desk) = &self.desk {
            desk.tasks.put(|tasks| tasks.push(task));
        }
    }
}

/// An entry was applied: whoever waits for it, or waits in vain, is told.
fn answer<R>(waiting: &mut Waiters<Waiter<R>>, index: Index, term: Term, mut response: Option<R>) {
    waiting.applied(index, term, |waiter, fate| match fate {
        Fate::Applied => waiter.applied(Accepted { term, index }, response.take()),
        Fate::Superseded { .. } | Fate::Skipped { .. } => fail(waiter, fate),
    });
}

/// Tells that nothing was applied for it here.
fn fail<R>(waiter: Waiter<R>, fate: Fate) {
    match fate {
        Fate::Superseded { term, index } => {
            waiter.fail(ProposeError::Superseded { term, index });
        }
        Fate::Skipped { term, index } => waiter.fail(ProposeError::Skipped { term, index }),
        Fate::Applied => unreachable!("an entry that was applied has a response"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Run;
    use crate::runtime::machinery::life::{InFlight, Life};
    use crate::runtime::proposal::{Applied, PendingProposal, Place};
    use crate::runtime::state_machine::Image;
    use crate::runtime::storage::ImageName;
    use crate::runtime::storage::images::write_image;
    use std::io::{self, Read, Write};

    type Pending = PendingProposal<&'static str>;

    fn run(
        term: Term,
        first_index: Index,
        waiters: Vec<Waiter<&'static str>>,
    ) -> Run<Waiter<&'static str>> {
        Run { term, first_index, waiters: waiters.into() }
    }

    fn waiters(count: usize) -> (Vec<Pending>, Vec<Waiter<&'static str>>) {
        let life = Arc::new(Life::default());
        let waiter = |_| {
            assert_eq!(life.admit(InFlight::NO_LIMIT, 1), Ok(()));
            Waiter::command(Place::new(life.clone(), 1))
        };
        (0..count).map(waiter).unzip()
    }

    fn superseded(pending: Pending) -> (Term, Index) {
        match pending.wait() {
            Err(ProposeError::Superseded { term, index }) => (term, index),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proposal_gets_the_response_of_its_own_entry() {
        let (pending, ends) = waiters(2);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        answer(&mut waiting, 4, 2, Some("older"));
        assert!(pending.iter().all(|pending| !pending.is_done()));
        answer(&mut waiting, 5, 3, Some("first"));
        answer(&mut waiting, 6, 3, Some("second"));
        let answers: Vec<_> = pending.into_iter().map(|one| one.wait().unwrap()).collect();
        assert_eq!(answers[0], Applied { term: 3, index: 5, response: "first" });
        assert_eq!(answers[1], Applied { term: 3, index: 6, response: "second" });
    }

    #[test]
    fn an_entry_of_a_later_term_supersedes_all_of_earlier_ones() {
        let (mut pending, ends) = waiters(3);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        answer(&mut waiting, 5, 3, Some("mine"));
        answer(&mut waiting, 6, 4, Some("another's"));
        assert_eq!(superseded(pending.pop().unwrap()), (3, 7));
        assert_eq!(superseded(pending.pop().unwrap()), (3, 6));
        assert!(pending.pop().unwrap().wait().is_ok());
    }

    #[test]
    fn an_entry_of_an_earlier_term_supersedes_what_stood_at_its_index() {
        let (mut pending, ends) = waiters(2);
        let (mut later, later_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        waiting.add(run(6, 5, later_ends));
        answer(&mut waiting, 5, 2, Some("an old one"));
        assert_eq!(superseded(later.pop().unwrap()), (6, 5));
        assert!(!pending.pop().unwrap().is_done());
        assert_eq!(superseded(pending.pop().unwrap()), (3, 5));
    }

    #[test]
    fn a_blank_between_two_proposals_moves_no_answer() {
        let (mut pending, ends) = waiters(1);
        let (later, later_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(3, 5, ends));
        waiting.add(run(3, 7, later_ends));
        answer(&mut waiting, 5, 3, Some("first"));
        answer(&mut waiting, 6, 3, None);
        answer(&mut waiting, 7, 3, Some("second"));
        pending.extend(later);
        let answers: Vec<_> = pending.into_iter().map(|one| one.wait().unwrap()).collect();
        assert_eq!((answers[0].index, answers[0].response), (5, "first"));
        assert_eq!((answers[1].index, answers[1].response), (7, "second"));
    }

    #[test]
    fn the_same_index_in_two_terms_is_told_apart() {
        let (mut old, old_ends) = waiters(1);
        let (mut new, new_ends) = waiters(1);
        let mut waiting = Waiters::default();
        waiting.add(run(1, 5, old_ends));
        waiting.add(run(3, 5, new_ends));
        answer(&mut waiting, 5, 3, Some("new"));
        assert_eq!(superseded(old.pop().unwrap()), (1, 5));
        assert_eq!(new.pop().unwrap().wait().unwrap().response, "new");
    }

    /// Counts what it does; an image of it is that count.
    struct Counting(u64);

    impl StateMachine for Counting {
        type Response = &'static str;

        fn apply(&mut self, _index: Index, _command: &crate::figure2::Command) -> &'static str {
            self.0 += 1;
            "done"
        }

        fn capture(&mut self) -> Option<std::boxed::Box<dyn Image>> {
            Some(std::boxed::Box::new(Counted(self.0)))
        }

        fn restore(&mut self, image: &mut dyn Read) -> io::Result<()> {
            let mut count = [0; 8];
            image.read_exact(&mut count)?;
            self.0 = u64::from_le_bytes(count);
            Ok(())
        }
    }

    struct Counted(u64);

    impl Image for Counted {
        fn write(self: std::boxed::Box<Self>, to: &mut dyn Write) -> io::Result<()> {
            to.write_all(&self.0.to_le_bytes())
        }
    }

    /// The application of a node on a new place for images, and what it hands on.
    fn application() -> (Application<Counting>, Arc<ImageDesk>) {
        let place = crate::runtime::storage::images::memory::MemoryImages::default();
        let desk = Arc::new(ImageDesk::new(Arc::new(place)));
        let arrived = Arc::new(Mailbox::new(Arrived::default()));
        let counters = Arc::new(Counters::new([]));
        let machine = Counting(0);
        let new = Application::new(machine, Base::default(), counters, Some(desk.clone()), arrived);
        (new, desk)
    }

    /// Does this work, and ends.
    fn done(mut of: Application<Counting>, work: Work<&'static str>) -> Application<Counting> {
        let jobs = Jobs::new(work);
        jobs.finish();
        of.run(&jobs).unwrap();
        of
    }

    fn entries(indices: std::ops::RangeInclusive<Index>) -> Vec<(Index, Entry)> {
        indices.map(|index| (index, Entry::command(3, &b"x"[..]))).collect()
    }

    #[test]
    fn a_state_is_captured_between_two_applies_with_the_mark_of_the_last_one() {
        let (application, desk) = application();
        let application = done(application, Work { committed: entries(1..=7), ..Work::default() });
        let work = Work { capture: true, committed: entries(8..=9), ..Work::default() };
        let application = done(application, work);
        assert_eq!(application.machine.0, 9);
        let Taken::All(tasks) = desk.tasks.take(None) else { panic!("nothing to do") };
        let [ImageTask::Write(captured)] = &tasks[..] else { panic!("an image") };
        assert_eq!(captured.base, Base { last_index: 7, last_term: 3 });
        assert_eq!(captured.applied_bytes, 7 * weight(&entries(1..=1)[0].1));
    }

    #[test]
    fn what_is_in_an_image_is_not_applied_and_whoever_waits_for_it_is_told() {
        let (application, desk) = application();
        let base = Base { last_index: 50, last_term: 3 };
        let name = ImageName { base, number: 1 };
        let write = |to: &mut dyn Write| to.write_all(&77_u64.to_le_bytes());
        write_image(&*desk.place, name, write, &|| false).unwrap();
        let (mut pending, ends) = waiters(3);
        let mut work = Work { committed: entries(1..=20), ..Work::default() };
        work.accepted.push(run(3, 49, ends));
        assert_eq!(work.restore(base).len(), 20);
        work.committed.extend(entries(51..=52));
        let application = done(application, work);
        assert_eq!((application.machine.0, application.applied.last_index), (79, 52));
        assert_eq!(pending.pop().unwrap().wait().unwrap().index, 51);
        for (index, pending) in [50, 49].into_iter().zip(pending.into_iter().rev()) {
            let skipped = pending.wait().unwrap_err();
            assert!(skipped.may_still_commit(), "{skipped}");
            let ProposeError::Skipped { term: 3, index: found } = skipped else {
                panic!("{skipped}")
            };
            assert_eq!(found, index);
        }
        let Taken::All(tasks) = desk.tasks.take(None) else { panic!("nothing to do") };
        assert!(matches!(tasks[..], [ImageTask::Tidy(tidied)] if tidied == base));
    }
}
