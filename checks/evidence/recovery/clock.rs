//! When an election timer may fire, and when it must: all that the recovery knows of time.
//!
//! A *round* is the shortest election timeout, and the longest is [`LONGEST`] of them (§5.6
//! proposes 150 to 300 ms). Time is counted in whole rounds. That loses no order of firings: the
//! bounds of a timeout are themselves possible timeouts, and whatever order such clocks allow,
//! clocks that show whole numbers allow too (Henzinger, Manna and Pnueli, "What good are digital
//! clocks?", 1992).

/// The longest election timeout, in rounds.
pub const LONGEST: u8 = 2;

/// The election timer of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// It does not run.
    Stopped,
    /// It was set, and has not fired since.
    Runs {
        /// Whether the shortest timeout has passed, so that it may fire.
        ripe: bool,
        /// How many rounds may pass before it must fire; at most [`LONGEST`].
        left: u8,
    },
}

impl Clock {
    /// A timer that is set now.
    pub const SET: Clock = Clock::Runs { ripe: false, left: LONGEST };

    /// A timer that was set nobody knows when, before faults stopped: it may fire now, or only
    /// when one that is set now must.
    pub const UNKNOWN: Clock = Clock::Runs { ripe: true, left: LONGEST };

    /// Whether it may fire now.
    pub fn may_fire(self) -> bool {
        matches!(self, Clock::Runs { ripe: true, left: _ })
    }

    /// Whether it fires before any more time passes.
    pub fn must_fire(self) -> bool {
        matches!(self, Clock::Runs { ripe: _, left: 0 })
    }

    /// The same timer a round later.
    ///
    /// # Panics
    /// When it must fire before.
    pub fn a_round_later(self) -> Clock {
        match self {
            Clock::Stopped => Clock::Stopped,
            Clock::Runs { ripe: _, left } => {
                assert!(left > 0, "time passes over a timer that must fire");
                Clock::Runs { ripe: true, left: left - 1 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_one_to_two_rounds_after_it_was_set() {
        assert!(!Clock::SET.may_fire() && !Clock::SET.must_fire());
        let one = Clock::SET.a_round_later();
        assert!(one.may_fire() && !one.must_fire());
        let two = one.a_round_later();
        assert!(two.may_fire() && two.must_fire());
    }
}
