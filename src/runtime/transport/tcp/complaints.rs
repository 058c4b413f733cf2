//! What is worth a line in the log: the first few of a kind, not the flood.

use crate::runtime::std;

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::time::{Duration, Instant};
use std::vec::Vec;

use crate::runtime::machinery::sync::{Mutex, lock};

/// How many lines of a kind are written in a period.
const FEW: u64 = 4;

/// How long a period is. At its end one line says what it was spared.
pub(super) const PERIOD: Duration = Duration::from_secs(30);

/// How many different texts about one peer are remembered.
const TEXTS: usize = 8;

/// Decides what anybody who reaches the port may write into the log.
pub(super) struct Complaints {
    period: Mutex<Period>,
}

struct Period {
    began: Instant,
    /// How often each kind came up.
    kinds: BTreeMap<&'static str, u64>,
}

impl Period {
    fn new() -> Self {
        Period { began: Instant::now(), kinds: BTreeMap::new() }
    }
}

impl Default for Complaints {
    fn default() -> Self {
        Complaints { period: Mutex::new(Period::new()) }
    }
}

impl Complaints {
    /// Whether to write a line of this kind.
    pub(super) fn may_say(&self, kind: &'static str) -> bool {
        let mut period = lock(&self.period);
        let count = period.kinds.entry(kind).or_default();
        *count += 1;
        *count <= FEW
    }

    /// At the end of a period, what was not written in it, if anything; before, nothing, unless
    /// `at_once`.
    pub(super) fn summary(&self, at_once: bool) -> Option<String> {
        let mut period = lock(&self.period);
        if !at_once && period.began.elapsed() < PERIOD {
            return None;
        }
        let Period { began: _, kinds } = std::mem::replace(&mut *period, Period::new());
        drop(period);
        let spared = kinds.into_iter().filter(|&(_, count)| count > FEW);
        let spared: Vec<String> =
            spared.map(|(kind, count)| format!("{kind}: {}", count - FEW)).collect();
        (!spared.is_empty()).then(|| spared.join(", "))
    }
}

/// What was said of one peer since all was well with it: each text once.
#[derive(Default)]
pub(super) struct Said(BTreeSet<String>);

impl Said {
    /// Whether `text` is new.
    pub(super) fn is_new(&mut self, text: String) -> bool {
        self.0.len() < TEXTS && self.0.insert(text)
    }

    /// All is well.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_flood_is_a_few_lines_and_a_sum() {
        let complaints = Complaints::default();
        let said = (0..1000).filter(|_| complaints.may_say("noise")).count() as u64;
        assert_eq!(said, FEW);
        assert!(complaints.may_say("another kind"));
        assert_eq!(complaints.summary(false), None);
        assert_eq!(complaints.summary(true), Some("noise: 996".to_string()));
        assert_eq!(complaints.summary(true), None);
        assert!(complaints.may_say("noise"));
    }

    #[test]
    fn a_text_is_new_once_until_all_is_well() {
        let mut said = Said::default();
        assert!(said.is_new("refused".into()));
        assert!(!said.is_new("refused".into()));
        assert!(said.is_new("refused for another reason".into()));
        said.clear();
        assert!(said.is_new("refused".into()));
        assert!((0..100).filter(|n| said.is_new(n.to_string())).count() < TEXTS);
    }
}
