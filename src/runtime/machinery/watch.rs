//! The watch over peers that lost what they acknowledged.
//!
//! A leader drops a refusal at or below a peer's `match_index`: the peer holds those entries, so
//! the refusal is a late letter. But a peer whose log was lost, or is an old copy, refuses
//! everything, for ever. A late letter comes among others; a correct peer accepts each new
//! heartbeat there. So a peer that answers with nothing but such refusals for longer than any
//! election timeout has lost something.

use crate::runtime::std;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::figure2::{AppendEntriesReply, AppendOutcome, Index, ServerId, Term};

/// So many refusals are needed at least, whatever the time between them: a letter that was
/// doubled and delayed is none of a stream.
const STREAM: u32 = 3;

/// What a leader sees of its peers' answers in its term.
#[derive(Debug)]
pub(super) struct Watch {
    /// The longest election timeout.
    longest: Duration,
    term: Term,
    peers: BTreeMap<ServerId, Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// When the peer last accepted a request.
    succeeded: Option<Instant>,
    refusing: Option<Refusing>,
}

/// An unbroken stream of refusals of what was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Refusing {
    first: Instant,
    last: Instant,
    count: u32,
    told: bool,
}

/// What a peer's answer says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing new.
    None,
    /// It refuses what it has acknowledged, for too long already.
    Lost,
    /// It had, and accepts again.
    Back,
}

impl Watch {
    pub(super) fn new(longest: Duration) -> Self {
        Watch { longest, term: 0, peers: BTreeMap::new() }
    }

    /// A peer's answer reaches the leader of `term`, who knows that the peer holds the log up to
    /// `match_index`.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        term: Term,
        from: ServerId,
        reply: &AppendEntriesReply,
        match_index: Index,
    ) -> Sign {
        if reply.term != term {
            return Sign::None;
        }
        self.begin(term);
        let seen = self.peers.entry(from).or_default();
        match reply.outcome {
            AppendOutcome::Success { .. } => {
                seen.succeeded = Some(now);
                let told = seen.refusing.take().is_some_and(|refusing| refusing.told);
                if told { Sign::Back } else { Sign::None }
            }
            AppendOutcome::Conflict { prev_log_index, .. } if prev_log_index <= match_index => {
                seen.refused(now, self.longest)
            }
            // The logs still part there: this peer never acknowledged it.
            AppendOutcome::Conflict { .. } => {
                seen.refusing = None;
                Sign::None
            }
            AppendOutcome::StaleTerm => Sign::None,
        }
    }

    /// A leader begins its term with no answers.
    fn begin(&mut self, term: Term) {
        if self.term != term {
            self.term = term;
            self.peers.clear();
        }
    }

    /// Whether `peer` has accepted a request of the leader of `term` within the longest
    /// election timeout.
    pub(super) fn is_connected(&self, now: Instant, term: Term, peer: ServerId) -> bool {
        let succeeded = self.peers.get(&peer).and_then(|seen| seen.succeeded);
        let recent = |at: Instant| now.saturating_duration_since(at) <= self.longest;
        self.term == term && succeeded.is_some_and(recent)
    }

    /// The peers that refuse what they acknowledged to the leader of `term`.
    pub(super) fn lost(&self, term: Term) -> impl Iterator<Item = ServerId> + '_ {
        let told = |seen: &Seen| seen.refusing.is_some_and(|refusing| refusing.told);
        let peers = self.peers.iter().filter(move |(_, seen)| self.term == term && told(seen));
        peers.map(|(&peer, _)| peer)
    }
}

impl Seen {
    /// A silence as long as an election timeout breaks the stream: what comes after it may be
    /// left over from before.
    fn refused(&mut self, now: Instant, longest: Duration) -> Sign {
        let stream = |refusing: &Refusing| now.saturating_duration_since(refusing.last) <= longest;
        let new = Refusing { first: now, last: now, count: 0, told: false };
        let before = self.refusing.filter(stream).unwrap_or(new);
        let count = before.count.saturating_add(1);
        let long = now.saturating_duration_since(before.first) > longest && count >= STREAM;
        let told = before.told || long;
        self.refusing = Some(Refusing { first: before.first, last: now, count, told });
        if told && !before.told { Sign::Lost } else { Sign::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const PEER: ServerId = ServerId(2);
    const LONGEST: Duration = Duration::from_millis(300);
    const TERM: Term = 7;

    fn success() -> AppendOutcome {
        AppendOutcome::Success { match_index: 5 }
    }

    fn refusal(prev_log_index: Index) -> AppendOutcome {
        AppendOutcome::Conflict { prev_log_index, conflict_term: None, conflict_index: 1 }
    }

    /// What is said of answers at these milliseconds, of a peer that acknowledged index 5.
    fn signs(answers: impl IntoIterator<Item = (u64, AppendOutcome)>) -> Vec<(u64, Sign)> {
        let (mut watch, start) = (Watch::new(LONGEST), Instant::now());
        let said = answers.into_iter().filter_map(|(at, outcome)| {
            let now = start + Duration::from_millis(at);
            let reply = AppendEntriesReply { term: TERM, outcome };
            let sign = watch.answered(now, TERM, PEER, &reply, 5);
            (sign != Sign::None).then_some((at, sign))
        });
        said.collect()
    }

    fn every_50(from: u64, to: u64, outcome: AppendOutcome) -> Vec<(u64, AppendOutcome)> {
        (from..=to).step_by(50).map(|at| (at, outcome.clone())).collect()
    }

    #[test]
    fn a_peer_that_only_refuses_what_it_acknowledged_is_noticed_once_and_when_it_is_back() {
        let mut answers = Vec::from([(0, success())]);
        answers.extend(every_50(50, 1000, refusal(5)));
        answers.push((1050, success()));
        answers.extend(every_50(1100, 1500, refusal(5)));
        let expected = [(400, Sign::Lost), (1050, Sign::Back), (1450, Sign::Lost)];
        assert_eq!(signs(answers), expected);
    }

    #[test]
    fn one_success_between_the_refusals_is_enough() {
        let mut answers = every_50(0, 2000, refusal(5));
        answers.iter_mut().step_by(6).for_each(|(_, outcome)| *outcome = success());
        assert_eq!(signs(answers), []);
    }

    #[test]
    fn a_refusal_of_what_was_never_acknowledged_is_how_logs_are_brought_together() {
        assert_eq!(signs(every_50(0, 2000, refusal(6))), []);
    }

    #[test]
    fn late_letters_around_a_silence_are_no_stream() {
        let letters = [0, 1, 2, 290, 601, 602, 890];
        assert_eq!(signs(letters.map(|at| (at, refusal(3)))), []);
        let two = [(0, refusal(3)), (300, refusal(3))];
        assert_eq!(signs(two), []);
    }

    #[test]
    fn a_new_term_begins_anew() {
        let (mut watch, start) = (Watch::new(LONGEST), Instant::now());
        for (at, term) in [(0, 1), (100, 1), (200, 1), (301, 2), (400, 2), (500, 1)] {
            let reply = AppendEntriesReply { term, outcome: refusal(5) };
            let now = start + Duration::from_millis(at);
            assert_eq!(watch.answered(now, term.max(watch.term), PEER, &reply, 5), Sign::None);
        }
        assert_eq!(watch.lost(2).count(), 0);
    }

    #[test]
    fn who_accepted_a_request_within_an_election_timeout_is_connected() {
        let (mut watch, start) = (Watch::new(LONGEST), Instant::now());
        let reply = AppendEntriesReply { term: TERM, outcome: success() };
        watch.answered(start, TERM, PEER, &reply, 5);
        assert!(watch.is_connected(start + LONGEST, TERM, PEER));
        assert!(!watch.is_connected(start + LONGEST * 2, TERM, PEER));
        assert!(!watch.is_connected(start, TERM + 1, PEER));
        assert!(!watch.is_connected(start, TERM, ServerId(3)));
    }
}
