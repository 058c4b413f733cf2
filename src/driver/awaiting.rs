//! An InstallSnapshot waits for its image: to the core both are one slow letter.

use crate::figure2::{Base, Index, InstallSnapshot, Term};

/// The InstallSnapshot that waits for its image, the newest one alone. A leader repeats it behind
/// each heartbeat, and what was lost here comes again.
#[derive(Clone, Debug, Default)]
pub struct Awaiting {
    newest: Option<InstallSnapshot>,
    /// The mark of the newest image that is whole here.
    whole: Base,
    /// What the leader of a term has said of its commit index; of the latest term only.
    heard: (Term, Index),
}

/// What to do about an InstallSnapshot that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Give this to the server: nothing has to be fetched for it.
    Hand(InstallSnapshot),
    /// It waits for an image, which its sender has.
    Fetch(InstallSnapshot),
    /// A newer one waits, or will come.
    Outdated,
}

impl Awaiting {
    /// The leader of `term` says in an AppendEntries up to where its log is committed.
    pub fn heard(&mut self, term: Term, leader_commit: Index) {
        self.heard = self.heard.max((term, leader_commit));
    }

    /// An InstallSnapshot arrives at a server that has committed entries up to `commit_index`.
    pub fn arrived(&mut self, message: InstallSnapshot, commit_index: Index) -> Arrival {
        if message.base.last_index <= commit_index {
            return Arrival::Hand(message);
        }
        if let Some(message) = self.with_image(message.clone()) {
            return Arrival::Hand(message);
        }
        // Its leader, or a later one, will say that it holds what is in the image.
        let is_late = self.whole.last_index >= message.base.last_index;
        if is_late || self.newest.as_ref().is_some_and(|newest| rank(newest) > rank(&message)) {
            return Arrival::Outdated;
        }
        self.newest = Some(message.clone());
        Arrival::Fetch(message)
    }

    /// An image of this mark is whole and durable. Returns what waited for it.
    pub fn whole(&mut self, base: Base) -> Option<InstallSnapshot> {
        if base.last_index > self.whole.last_index {
            self.whole = base;
        }
        let message = self.newest.clone().and_then(|newest| self.with_image(newest))?;
        self.newest = None;
        Some(message)
    }

    /// The server has committed entries up to `commit_index`: whatever waits for no more than
    /// that waits no longer. Whether something still waits.
    pub fn committed(&mut self, commit_index: Index) -> bool {
        self.newest.take_if(|newest| newest.base.last_index <= commit_index);
        self.newest.is_some()
    }

    /// The message with the mark of the image that is whole here, if that reaches far enough.
    ///
    /// Whoever made it, it is a committed prefix, but perhaps one that was committed in a later
    /// term than the message's, and then the message's leader need not hold it: what it says next
    /// could contradict. So the leader has to have said that its own log is committed up to there:
    /// then it could have sent that mark itself, had it compacted its log. `check run snap-others`
    /// explores all that may be given.
    fn with_image(&self, message: InstallSnapshot) -> Option<InstallSnapshot> {
        let reaches = self.whole.last_index >= message.base.last_index;
        let (term, leader_commit) = self.heard;
        let vouched = term == message.term && leader_commit >= self.whole.last_index;
        let is_its_own = self.whole == message.base;
        let handed = reaches && (vouched || is_its_own);
        handed.then_some(InstallSnapshot { base: self.whole, ..message })
    }
}

fn rank(message: &InstallSnapshot) -> (u64, Index) {
    (message.term, message.base.last_index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure2::ServerId;

    fn base(last_index: Index) -> Base {
        Base { last_index, last_term: 1 }
    }

    fn install(term: u64, last_index: Index) -> InstallSnapshot {
        InstallSnapshot { term, leader_id: ServerId(2), base: base(last_index) }
    }

    #[test]
    fn the_newest_waits_until_its_image_is_whole() {
        let mut awaiting = Awaiting::default();
        let fetch = |message: &InstallSnapshot| Arrival::Fetch(message.clone());
        for message in [install(3, 70), install(3, 70), install(3, 80), install(5, 75)] {
            assert_eq!(awaiting.arrived(message.clone(), 10), fetch(&message));
        }
        for late in [install(3, 80), install(5, 70)] {
            assert_eq!(awaiting.arrived(late, 10), Arrival::Outdated);
        }
        assert_eq!(awaiting.whole(base(74)), None, "it falls short");
        // The image of another leader reaches farther.
        awaiting.heard(5, 90);
        assert_eq!(awaiting.whole(base(90)), Some(install(5, 90)));
        assert_eq!(awaiting.whole(base(90)), None, "it was given to the server");
    }

    #[test]
    fn what_needs_no_image_is_handed_on() {
        let mut awaiting = Awaiting::default();
        assert_eq!(awaiting.arrived(install(3, 70), 70), Arrival::Hand(install(3, 70)));
        assert_eq!(awaiting.whole(base(90)), None, "nothing waited");
        // A repeated one, whose reply was lost.
        awaiting.heard(3, 95);
        assert_eq!(awaiting.arrived(install(3, 80), 70), Arrival::Hand(install(3, 90)));
        assert_eq!(awaiting.arrived(install(3, 91), 70), Arrival::Fetch(install(3, 91)));
        assert_eq!(awaiting.whole(base(80)), None, "an older one takes its place");
    }

    /// The leader of term 3 may be about to be deposed, and the image be of what a later one
    /// committed.
    #[test]
    fn a_later_image_is_given_once_the_leader_says_that_it_has_committed_all_of_it() {
        let image = Base { last_index: 90, last_term: 2 };
        let mut awaiting = Awaiting::default();
        assert_eq!(awaiting.arrived(install(3, 80), 10), Arrival::Fetch(install(3, 80)));
        awaiting.heard(3, 89);
        assert_eq!(awaiting.whole(image), None);
        awaiting.heard(2, 99);
        assert_eq!(awaiting.arrived(install(3, 80), 10), Arrival::Outdated);
        awaiting.heard(3, 90);
        let handed = InstallSnapshot { base: image, ..install(3, 80) };
        assert_eq!(awaiting.arrived(install(3, 80), 10), Arrival::Hand(handed));
        // What another leader has said is nothing to the leader of term 4.
        assert_eq!(awaiting.arrived(install(4, 85), 10), Arrival::Outdated);
        awaiting.heard(4, 90);
        let handed = InstallSnapshot { base: image, ..install(4, 85) };
        assert_eq!(awaiting.arrived(install(4, 85), 10), Arrival::Hand(handed));
    }

    #[test]
    fn the_leaders_own_image_needs_no_word_of_it() {
        let mut awaiting = Awaiting::default();
        awaiting.arrived(install(3, 80), 10);
        assert_eq!(awaiting.whole(base(80)), Some(install(3, 80)));
    }

    #[test]
    fn what_the_log_brings_meanwhile_is_waited_for_no_longer() {
        let mut awaiting = Awaiting::default();
        awaiting.arrived(install(3, 70), 10);
        assert!(awaiting.committed(69));
        assert!(!awaiting.committed(70));
        assert_eq!(awaiting.whole(base(70)), None);
    }
}
