//! Tells an example in Raft's words: what the state is, what happens, and what then differs.

use std::fmt;

use super::super::evaluate::{Datum, Ready, Structure};
use super::super::formula::{Expr, Shape, Sort, Var};
use super::super::lemmas::Lemma;
use super::super::symbols::{AbstractState, Symbol};
use super::super::tables::Tables;
use super::deeds::deed;
use super::lines::lines;
use super::wanted::Example;

/// How wide a line may be.
const WIDTH: usize = 80;

/// A member of a sort in words: servers are S0, S1 and so on, requests R0, and payloads a, b.
pub fn member(of: &Tables, sort: Sort, member: Datum) -> String {
    match sort {
        Sort::Server => format!("S{member}"),
        Sort::Request => format!("R{member}"),
        Sort::Payload => {
            char::from_u32('a' as u32 + member as u32).map_or(member.to_string(), String::from)
        }
        Sort::Quorum => {
            let servers = 0..of.size(Sort::Server);
            let inside = servers.filter(|&s| of.value(Symbol::Member, &[s, member]) != 0);
            let names: Vec<String> = inside.map(|s| format!("S{s}")).collect();
            names.join(" and ")
        }
        Sort::Truth => (if member == 0 { "no" } else { "yes" }).to_owned(),
        Sort::Term | Sort::Index => member.to_string(),
    }
}

/// The members for which a lemma does not hold, with the names that its formula has for them; none
/// where it holds.
pub fn failing(lemma: &Lemma, of: &Tables) -> Option<Vec<(Var, Datum)>> {
    let parts = (lemma.holds)(&AbstractState::default()).conjuncts();
    parts.into_iter().find_map(|part| {
        let Shape::All(vars, body, _) = part.node() else { return None };
        instance(vars, *body, of).map(|values| vars.iter().copied().zip(values).collect())
    })
}

/// The first members of which `body` does not hold.
fn instance(vars: &[Var], body: Expr, of: &Tables) -> Option<Vec<Datum>> {
    let ready = Ready::new(body, vars);
    let mut values = vec![0; vars.len()];
    loop {
        if !ready.holds(of, &values) {
            return Some(values);
        }
        let next = |(value, var): (&Datum, &Var)| value + 1 < of.size(var.sort);
        let place = values.iter().zip(vars).rposition(next)?;
        values[place] += 1;
        values[place + 1..].fill(0);
    }
}

impl fmt::Display for Example<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Example { before, action, parameters, after, fallen } = self;
        let first = lines(before);
        first.iter().try_for_each(|line| paragraph(f, "  ", line))?;
        if let Some(action) = action {
            paragraph(f, "", &format!("then {}:", deed(self, action, parameters)))?;
            let last = lines(after);
            let new = || last.iter().filter(|line| !first.contains(line));
            new().try_for_each(|line| paragraph(f, "  ", line))?;
            if new().next().is_none() {
                paragraph(f, "  ", "nothing differs")?;
            }
        }
        for lemma in fallen {
            let told = failing(lemma, after).unwrap_or_default();
            let told: Vec<String> = told
                .into_iter()
                .map(|(var, value)| format!("{} = {}", var.name, member(after, var.sort, value)))
                .collect();
            let Lemma { name, says, .. } = lemma;
            paragraph(f, "", &format!("{name} does not hold: {says}; see {}", told.join(", ")))?;
        }
        Ok(())
    }
}

fn paragraph(f: &mut fmt::Formatter<'_>, indent: &str, text: &str) -> fmt::Result {
    writeln!(f, "{}", folded(indent, text))
}

/// A text, folded where a line would be too wide.
pub fn folded(indent: &str, text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), indent.to_owned());
    for (place, word) in text.split(' ').enumerate() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{indent}    {word}")));
        } else {
            line.push_str(if place > 0 { " " } else { "" });
            line.push_str(word);
        }
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::proof::bends;
    use crate::evidence::proof::finite::sizes::GROWING;
    use crate::evidence::proof::finite::wanted::Wanted;
    use crate::evidence::proof::lemmas;

    /// S0 and S1 stand in term 1, and S2 has voted for S0.
    fn two_candidates() -> Tables {
        let mut state = GROWING[1].tables();
        for c in [0, 1] {
            state.set(Symbol::CurrentTerm, &[c], 1);
            state.set(Symbol::Candidate, &[c], 1);
            state.set(Symbol::VotedFor, &[c, c], 1);
            state.set(Symbol::VotesGranted, &[c, c], 1);
            state.set(Symbol::Asked, &[c, 1], 1);
            state.set(Symbol::Vote, &[c, 1, c], 1);
        }
        state.set(Symbol::CurrentTerm, &[2], 1);
        state.set(Symbol::VotedFor, &[2, 0], 1);
        state.set(Symbol::Granted, &[2, 1, 0], 1);
        state.set(Symbol::Vote, &[2, 1, 0], 1);
        state
    }

    #[test]
    fn a_second_vote_is_told_with_the_members_that_show_it() {
        let bend = bends::all().find(|bend| bend.name == "vote-twice").unwrap();
        let ready = bend.ready();
        let wanted = Wanted {
            given: lemmas::all().collect(),
            action: Some(&ready),
            falls: vec![bend.fallen()],
        };
        let told = wanted.example(&two_candidates(), &[2, 1]).unwrap().to_string();
        assert_eq!(
            told,
            "  S0: candidate in term 1, voted for S0, has the votes of S0
  S1: candidate in term 1, voted for S1, has the votes of S1
  S2: follower in term 1, voted for S0
  S0 has asked for votes in term 1, with an empty log
  S1 has asked for votes in term 1, with an empty log
  S2 has told S0 that it has its vote in term 1
  in term 1 S0 and S2 have voted for S0
  in term 1 S1 has voted for S1
then S2 gives S1 its vote in term 1:
  S2: follower in term 1, voted for S0 and S1
  S2 has told S1 that it has its vote in term 1
  in term 1 S1 and S2 have voted for S1
one_vote does not hold: no server casts two votes in a term; see v = S2, t = 1,
    c = S0, d = S1
"
        );
    }

    #[test]
    fn what_is_no_example_is_none() {
        let bend = bends::all().find(|bend| bend.name == "vote-twice").unwrap();
        let ready = bend.ready();
        let all: Vec<&'static Lemma> = lemmas::all().collect();
        let wanted = Wanted { given: all, action: Some(&ready), falls: vec![bend.fallen()] };
        // A second vote for the same candidate breaks nothing; nobody asked for a vote of S2;
        // and where a vote was not remembered, the lemmas that are given do not hold.
        assert!(wanted.example(&two_candidates(), &[2, 0]).is_none());
        assert!(wanted.example(&two_candidates(), &[0, 2]).is_none());
        let mut forgotten = two_candidates();
        forgotten.set(Symbol::VotedFor, &[2, 0], 0);
        assert!(wanted.example(&forgotten, &[2, 1]).is_none());
    }
}
