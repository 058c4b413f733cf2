//! `docs/proof.md`: what is proved, from what, what ties it to the code, and what is outside.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::Deserialize;

use super::actions::ACTIONS;
use super::bends::{self, Bend};
use super::cuts::CUTS;
use super::finite::needs::{NEEDS, Need};
use super::lemmas::{self, Layer, Lemma, PROMISES, Proof};
use super::symbols::{Subject, Symbol};

/// What `docs/proof.md` says.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    // Writing to a String does not fail.
    let _ = write_all(&mut page);
    page
}

const HEAD: &str = include_str!("page/head.md");
const ASSUMPTIONS: &str = include_str!("page/assumptions.md");
const REFINEMENT: &str = include_str!("page/refinement.md");
const OUTSIDE: &str = include_str!("page/outside.md");

/// How long each obligation took, as `check prove --json` said.
const TIMES: &str = include_str!("page/times.json");

/// What is read of it.
#[derive(Debug, Deserialize)]
struct Times {
    solvers: Vec<String>,
    obligations: Vec<Timed>,
}

#[derive(Debug, Deserialize)]
struct Timed {
    name: String,
    said: Vec<Took>,
}

#[derive(Debug, Deserialize)]
struct Took {
    questions: usize,
    seconds: f64,
}

/// Of a lemma or a cut: its obligations, their questions, and the seconds of each solver.
#[derive(Clone, Debug, Default)]
struct Work {
    obligations: usize,
    questions: usize,
    seconds: Vec<f64>,
}

impl Times {
    fn read() -> Times {
        serde_json::from_str(TIMES).expect("a test holds times.json to what is read of it")
    }

    /// By what is proved: the part of the names behind the slash.
    fn by_goal(&self) -> BTreeMap<&str, Work> {
        let mut works: BTreeMap<&str, Work> = BTreeMap::new();
        for Timed { name, said } in &self.obligations {
            let goal = name.split_once('/').map_or(name.as_str(), |(_, goal)| goal);
            let work = works.entry(goal).or_default();
            work.obligations += 1;
            work.questions += said.first().map_or(0, |took| took.questions);
            work.seconds.resize(said.len(), 0.0);
            for (sum, took) in work.seconds.iter_mut().zip(said) {
                *sum += took.seconds;
            }
        }
        works
    }
}

fn write_all(page: &mut String) -> fmt::Result {
    let times = Times::read();
    writeln!(page, "\n## The system\n\n{SYSTEM}")?;
    for (kind, title) in KINDS {
        let symbols: Vec<String> = Symbol::ALL
            .iter()
            .filter(|symbol| symbol.kind() == kind)
            .map(|symbol| format!("`{}`", symbol.name()))
            .collect();
        writeln!(page, "| {title} | {} |", symbols.join(", "))?;
    }
    writeln!(page, "\n| action | what happens | rules |\n|---|---|---|")?;
    for action in ACTIONS {
        let rules = action.rules.join(", ");
        writeln!(page, "| {} | {} | {rules} |", action.name, action.about)?;
    }
    writeln!(page, "\n## The invariant\n\n{INVARIANT}")?;
    let promised: Vec<String> =
        PROMISES.iter().map(|(title, name)| format!("*{title}* is `{name}`")).collect();
    writeln!(page, "What Raft promises is among the lemmas: {}.", promised.join(", "))?;
    let [first, second] = &times.solvers[..] else {
        panic!("times.json is of two solvers, which a test demands");
    };
    writeln!(
        page,
        "The seconds are those of {first} and of {second}, all obligations of the lemma together, \
         in one run on a machine\nwith two cores."
    )?;
    let works = times.by_goal();
    for (layer, title) in LAYERS {
        let proofs = "| lemma | what it says | why it is there | obligations | seconds |";
        writeln!(page, "\n### {title}\n\n{proofs}\n|---|---|---|---:|---:|")?;
        for lemma in lemmas::all().filter(|lemma| lemma.layer == layer) {
            write_lemma(page, lemma, works.get(lemma.name).cloned().unwrap_or_default())?;
        }
    }
    writeln!(page, "\n### On the way\n\n{WAY}\n\n| action | cut | what it says | from |")?;
    writeln!(page, "|---|---|---|---|")?;
    for cut in CUTS {
        let written = |name: &&str| match lemmas::all().any(|lemma| lemma.name == *name) {
            true => format!("`{name}`"),
            false => format!("*{name}*"),
        };
        let from: Vec<String> = cut.from.iter().map(written).collect();
        writeln!(page, "| {} | *{}* | {} | {} |", cut.action, cut.name, cut.says, from.join(", "))?;
    }
    write_needs(page)?;
    write_bends(page)?;
    write!(page, "\n{ASSUMPTIONS}\n{REFINEMENT}\n{OUTSIDE}")
}

/// What each lemma is needed for.
fn write_needs(page: &mut String) -> fmt::Result {
    let what = "| lemma | without it |";
    writeln!(page, "\n### What each lemma is needed for\n\n{NEEDED}\n\n{what}\n|---|---|")?;
    for (name, need) in NEEDS {
        let need = match need {
            Need::Kept(action, other) => format!("*{action}* does not keep `{other}`"),
            Need::Follows(other) => format!("`{other}` does not follow"),
            Need::Nothing(why) => format!("nothing else falls ({why})"),
        };
        writeln!(page, "| `{name}` | {need} |")?;
    }
    Ok(())
}

/// Every bent action, and the rules that are not bent.
fn write_bends(page: &mut String) -> fmt::Result {
    let what = "| bend | rule | in it | falls |";
    writeln!(page, "\n## Every rule is needed\n\n{BENT}\n\n{what}\n|---|---|---|---|")?;
    for bend in bends::all() {
        let Bend { name, rule, does, falls, .. } = bend;
        writeln!(page, "| {name} | {rule} | {does} | `{falls}` |")?;
    }
    writeln!(page, "\nOther rules bear on no safety:\n\n| rule | why |\n|---|---|")?;
    bends::UNBENT.iter().try_for_each(|(rule, why)| writeln!(page, "| {rule} | {why} |"))
}

const SYSTEM: &str = "\
A state is these functions; servers, quorums, requests and payloads are any number of things, terms
and indices any numbers. *History* is read by no guard, and what servers keep and send is never made
from it.

| what | functions |
|---|---|";

const INVARIANT: &str = "\
Every lemma holds at the first start, and every action, from any state in which all lemmas hold,
reachable or not, leads to one in which they do. The *log of a term* is the one that its leader had,
as long as it got while it led; *held* is what a server has said to the leader of a term that it has
of that log.";

const WAY: &str = "\
What a solver would have to find by luck is said, and proved once, for the action that needs it.";

const NEEDED: &str = "\
`check prove --without LEMMA` shows it: a small state in which all others hold, an action, and what falls
then. What z3 finds is evaluated, and told only if it is so. Where nothing is found, that is up to three
servers, terms to 3 and indices to 2: `vote_held_was_cast` was too much for z3 beyond. Lemmas that follow from
others are not listed.";

const BENT: &str = "\
An abstract system that no bend could break would prove nothing. Each of these breaks one rule, and
`check prove --bend NAME` shows a small state in which the whole invariant holds, the bent action, and the
lemma that falls, evaluated by the same formulas. `check prove --possible` shows for each action a state in
which the invariant holds and the action can happen: so nothing is proved of what cannot be.";

const KINDS: [(Subject, &str); 5] = [
    (Subject::Server, "what a server keeps"),
    (Subject::Letters, "what was sent"),
    (Subject::Fixed, "what a request says; quorums"),
    (Subject::History, "history"),
    (Subject::Defined, "defined by the others"),
];

const LAYERS: [(Layer, &str); 4] = [
    (Layer::Votes, "Votes"),
    (Layer::Logs, "Logs"),
    (Layer::Commits, "Commits"),
    (Layer::Machines, "State machines"),
];

fn write_lemma(page: &mut String, lemma: &Lemma, work: Work) -> fmt::Result {
    let Lemma { name, says, reason, proof, .. } = lemma;
    let follows = match proof {
        Proof::Induction => String::new(),
        Proof::Follows(from) => {
            let from: Vec<String> = from.iter().map(|name| format!("`{name}`")).collect();
            format!("; follows from {}", from.join(", "))
        }
    };
    let seconds: Vec<String> = work.seconds.iter().map(|took| format!("{took:.2}")).collect();
    let (obligations, seconds) = (work.obligations, seconds.join(", "));
    writeln!(page, "| `{name}` | {says} | {reason}{follows} | {obligations} | {seconds} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    use crate::evidence::proof::obligations::obligations;
    use veraft_models::assumptions;

    #[test]
    fn the_page_is_the_one_that_is_kept_and_has_no_empty_cell() {
        let page = page();
        let kept = include_str!("../../../docs/proof.md");
        let differs = page.lines().zip(kept.lines()).find(|(now, then)| now != then);
        let write = "run `check rules proof > docs/proof.md`";
        assert_eq!(differs, None, "{write}");
        assert_eq!(page.len(), kept.len(), "{write}");
        for line in page.lines().filter(|line| line.starts_with('|')) {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            assert!(cells.clone().count() > 1 && !cells.clone().any(str::is_empty), "{line}");
        }
    }

    #[test]
    fn the_times_are_those_of_all_obligations_by_two_solvers() {
        let times = Times::read();
        let timed: BTreeSet<&str> = times.obligations.iter().map(|one| one.name.as_str()).collect();
        let all = obligations();
        let all: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let again = "run `check prove --json > checks/evidence/proof/page/times.json`";
        assert_eq!(timed, all, "{again}");
        assert_eq!(times.solvers.len(), 2, "{again}, with both solvers");
        assert!(times.obligations.iter().all(|one| one.said.len() == 2), "{again}");
    }

    #[test]
    fn the_page_says_of_each_assumption_what_it_is_to_the_proof() {
        for assumption in assumptions::ASSUMPTIONS {
            let row = format!("| {} |", assumption.name);
            assert!(ASSUMPTIONS.contains(&row), "{} is missing", assumption.name);
        }
        let rows = ASSUMPTIONS.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(rows, assumptions::ASSUMPTIONS.len() + 1, "with the head");
    }
}
