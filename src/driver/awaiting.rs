//! An InstallSnapshot waits for its image: to the core both are one slow letter.

use crate::figure2::{Base, Index, InstallSnapshot};

/// The InstallSnapshot that waits for its image, the newest one alone. A leader repeats it behind
/// each heartbeat, and what was lost here comes again.
#[derive(Clone, Debug, Default)]
pub struct Awaiting {
    newest: Option<InstallSnapshot>,
    /// The mark of the newest image that is whole here.
    whole: Base,
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
    /// An InstallSnapshot arrives at a server that has committed entries up to `commit_index`.
    pub fn arrived(&mut self, message: InstallSnapshot, commit_index: Index) -> Arrival {
        if message.base.last_index <= commit_index {
            return Arrival::Hand(message);
        }
        if let Some(message) = self.with_image(message.clone()) {
            return Arrival::Hand(message);
        }
        // Whoever leads now, in a later term, says so itself.
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

    /// The message with the mark of the image that is whole here, if that reaches far enough. It
    /// is a committed prefix whoever made it, so a leader has it in its log, too (Leader
    /// Completeness), unless its term is older than what is in the image.
    fn with_image(&self, message: InstallSnapshot) -> Option<InstallSnapshot> {
        let reaches = self.whole.last_index >= message.base.last_index;
        let is_late = message.term < self.whole.last_term;
        (reaches && !is_late).then_some(InstallSnapshot { base: self.whole, ..message })
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
        assert_eq!(awaiting.whole(base(90)), Some(install(5, 90)));
        assert_eq!(awaiting.whole(base(90)), None, "it was given to the server");
    }

    #[test]
    fn what_needs_no_image_is_handed_on() {
        let mut awaiting = Awaiting::default();
        assert_eq!(awaiting.arrived(install(3, 70), 70), Arrival::Hand(install(3, 70)));
        assert_eq!(awaiting.whole(base(90)), None, "nothing waited");
        // A repeated one, whose reply was lost.
        assert_eq!(awaiting.arrived(install(3, 80), 70), Arrival::Hand(install(3, 90)));
        assert_eq!(awaiting.arrived(install(3, 91), 70), Arrival::Fetch(install(3, 91)));
        assert_eq!(awaiting.whole(base(80)), None, "an older one takes its place");
    }

    /// An entry of term 4 was committed, so there is a leader of a later term than 3.
    #[test]
    fn an_image_is_not_given_in_the_name_of_a_leader_whose_term_is_older() {
        let image = Base { last_index: 90, last_term: 4 };
        let mut awaiting = Awaiting::default();
        assert_eq!(awaiting.arrived(install(3, 80), 10), Arrival::Fetch(install(3, 80)));
        assert_eq!(awaiting.whole(image), None);
        assert_eq!(awaiting.arrived(install(3, 80), 10), Arrival::Outdated);
        let handed = InstallSnapshot { base: image, ..install(4, 85) };
        assert_eq!(awaiting.arrived(install(4, 85), 10), Arrival::Hand(handed));
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
