//! The rules of Figure 2, and those beyond it: where the core implements each, and what shows that
//! it is needed.
//!
//! A rule is cited, by its id in backquotes, in the doc comment of the one item that implements
//! it.

pub mod citations;
pub mod page;
mod thesis;

pub use thesis::THESIS;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// What it demands, in a few words.
    pub about: &'static str,
    /// Why the core cannot keep it, and who does; none where it does.
    pub beyond: Option<&'static str>,
}

/// A box of Figure 2, or a part of one; what belongs together of what is beyond it.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Its rules, in the order of the paper.
    pub rules: &'static [Rule],
}

const fn rule(id: &'static str, about: &'static str) -> Rule {
    Rule { id, about, beyond: None }
}

/// Figure 2.
pub const FIGURE_2: &[Section] = &[
    Section {
        title: "Persistent state on all servers",
        rules: &[
            rule("PS.1", "currentTerm: the latest term seen; 0 at first, never falls"),
            rule("PS.2", "votedFor: the candidate voted for in that term; none at first"),
            rule("PS.3", "log[]: the entries, each with its term; the first has index 1"),
        ],
    },
    Section {
        title: "Volatile state on all servers",
        rules: &[
            rule("VS.1", "commitIndex: 0 at first, rises"),
            rule("VS.2", "lastApplied: 0 at first, rises"),
        ],
    },
    Section {
        title: "Volatile state on leaders",
        rules: &[
            rule("LS.1", "nextIndex[]: after an election, the last index + 1"),
            rule("LS.2", "matchIndex[]: 0 after an election, rises"),
        ],
    },
    Section {
        title: "RequestVote: receiver",
        rules: &[
            rule("RV.1", "refuse a candidate of an older term"),
            rule("RV.2", "one vote a term, for a candidate whose log is up to date"),
        ],
    },
    Section {
        title: "AppendEntries: receiver",
        rules: &[
            rule("AE.1", "refuse a leader of an older term"),
            rule("AE.2", "refuse unless the entry at prevLogIndex has prevLogTerm"),
            rule("AE.3", "an entry that conflicts goes, and all that follow it"),
            rule("AE.4", "append entries not yet in the log"),
            rule("AE.5", "commitIndex follows leaderCommit, up to the last new entry"),
        ],
    },
    Section {
        title: "Rules for all servers",
        rules: &[
            rule("ALL.1", "apply what is committed, in order"),
            rule("ALL.2", "a greater term: adopt it and follow"),
        ],
    },
    Section {
        title: "Rules for followers",
        rules: &[
            rule("FO.1", "answer candidates and leaders"),
            rule("FO.2", "election timeout: become a candidate"),
        ],
    },
    Section {
        title: "Rules for candidates",
        rules: &[
            rule("CA.1a", "an election begins: increment currentTerm"),
            rule("CA.1b", "an election begins: vote for oneself"),
            rule("CA.1c", "an election begins: reset the election timer"),
            rule("CA.1d", "an election begins: ask all others for their vote"),
            rule("CA.2", "votes from a majority: become leader"),
            rule("CA.3", "AppendEntries from the new leader: follow"),
            rule("CA.4", "election timeout: start another election"),
        ],
    },
    Section {
        title: "Rules for leaders",
        rules: &[
            rule("LE.1a", "upon election: a heartbeat to each server"),
            rule("LE.1b", "repeat heartbeats before election timeouts pass"),
            rule("LE.2", "a client's command: append it, answer once it is applied"),
            rule("LE.3", "last index >= nextIndex: send the entries from there on"),
            rule("LE.3a", "success: update nextIndex and matchIndex"),
            rule("LE.3b", "inconsistency: decrement nextIndex and retry"),
            rule("LE.4", "commit an entry of the own term once a majority has it"),
        ],
    },
    Section {
        title: "Not in the paper: what no correct peer sends",
        rules: &[
            rule("BR.1", "hear peers alone, each in its own name"),
            rule("BR.2", "no term is far above one's own, none overflows"),
            rule("BR.3", "a candidate's last entry is of an earlier term"),
            rule("BR.4", "terms never fall along what a leader sends, nor pass its own"),
            rule("BR.5", "a term has one leader"),
            rule("BR.6", "what was committed or applied is never contradicted"),
            rule("BR.7", "a leader is answered what it asked"),
            rule("BR.8", "a snapshot is of an entry that its leader can hold"),
        ],
    },
];

/// Every rule, in the order of the pages.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FIGURE_2.iter().chain(THESIS).flat_map(|section| section.rules)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::citations::{citations, is_id};
    use super::*;
    use crate::evidence::mutants;

    #[test]
    fn each_rule_is_cited_once_and_nothing_else_is() {
        let mut cited: BTreeMap<String, usize> = BTreeMap::new();
        for citation in citations() {
            *cited.entry(citation.id).or_default() += 1;
        }
        let in_core = all().filter(|rule| rule.beyond.is_none());
        let expected: BTreeMap<String, usize> =
            in_core.map(|rule| (rule.id.to_owned(), 1)).collect();
        assert_eq!(cited, expected);
    }

    /// Rules that only look like one would be listed as parts of the runtime.
    #[test]
    fn each_mutant_breaks_a_rule_that_there_is_or_none() {
        for mutant in mutants::all() {
            let known = all().any(|rule| rule.id == mutant.rule);
            assert!(known || !is_id(mutant.rule), "{}: {}", mutant.name, mutant.rule);
        }
    }

    #[test]
    fn each_rule_has_a_mutant() {
        for rule in all().filter(|rule| rule.beyond.is_none()) {
            assert!(mutants::all().any(|mutant| mutant.rule == rule.id), "{} has none", rule.id);
        }
    }
}
