//! Actions as sentences: who does what.

use super::super::evaluate::{Datum, Structure};
use super::super::ready::ReadyAction;
use super::super::symbols::Symbol;
use super::lines::request;
use super::telling::member;
use super::wanted::Example;

/// What happens in an example, in a sentence.
pub fn deed(example: &Example, action: &ReadyAction, parameters: &[Datum]) -> String {
    let before = &example.before;
    let vars = &action.step.parameters;
    let told: Vec<String> =
        vars.iter().zip(parameters).map(|(var, &value)| member(before, var.sort, value)).collect();
    let term = |s: Datum| before.value(Symbol::CurrentTerm, &[s]);
    let own = |n: usize| parameters.get(n).map(|&s| term(s)).unwrap_or_default();
    // How many parameters the sentence tells of; a bent action may have more.
    let (sentence, used) = match (action.action.name, &told[..]) {
        ("adopt", [s, t, ..]) => (format!("{s} adopts term {t}"), 2),
        ("stand", [s, ..]) => {
            let next = example.after.value(Symbol::CurrentTerm, &parameters[..1]);
            (format!("{s} stands for election in term {next}"), 1)
        }
        ("grant", [s, c]) => (format!("{s} gives {c} its vote in term {}", own(0)), 2),
        ("grant", [s, c, t, ..]) => (format!("{s} gives {c} its vote in term {t}"), 3),
        ("count", [c, v, ..]) => (format!("{c} counts the vote of {v}"), 2),
        ("win", [c, q, ..]) => (format!("{c} wins term {} with {q}", own(0)), 2),
        ("propose", [l, x, ..]) => {
            (format!("{l} puts {x} into its log, as an entry of term {}", own(0)), 2)
        }
        ("send", [l, ..]) => (format!("{l} sends {}", request(before, parameters[1])), 2),
        ("keep", [s, m, ..]) => (format!("{s} acknowledges {m}, and writes nothing"), 2),
        ("truncate", [s, m, k, ..]) => {
            (format!("{s} drops what its log has behind {k}, for {m} conflicts with it"), 3)
        }
        ("write", [s, m, k, ..]) => {
            (format!("{s} stores what {m} has behind {k}, and acknowledges it"), 3)
        }
        ("refuse", [s, m, ..]) => (format!("{s} refuses {m}"), 2),
        ("acknowledged", [l, s, i, ..]) => {
            (format!("{l} learns that {s} holds its log up to {i}"), 3)
        }
        ("back up", [l, s, i, k, ..]) => {
            (format!("{l} goes back to {k} with {s}, which refused what is behind {i}"), 4)
        }
        ("advance", [l, q, i, ..]) => (format!("{l} commits {i}, counting {q}"), 3),
        ("apply", [s, ..]) => (format!("{s} applies its next entry"), 1),
        ("restart", [s, ..]) => (format!("{s} crashes, and starts again"), 1),
        (name, _) => (name.to_owned(), 0),
    };
    let rest =
        vars.iter().zip(&told).skip(used).map(|(var, told)| format!("{} = {told}", var.name));
    rest.fold(sentence, |sentence, rest| format!("{sentence} ({rest})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::proof::finite::sizes::GROWING;
    use crate::evidence::proof::ready::READY_ACTIONS;

    #[test]
    fn each_action_has_a_sentence_of_its_own_that_tells_of_all_its_parameters() {
        for action in READY_ACTIONS.iter() {
            let before = GROWING[1].tables();
            let parameters = vec![0; action.step.parameters.len()];
            let after = before.after(action, &parameters);
            let example = Example {
                before,
                action: Some(action),
                parameters: parameters.clone(),
                after,
                fallen: Vec::new(),
            };
            let told = deed(&example, action, &parameters);
            assert!(told.starts_with("S0 ") && !told.contains(" = "), "{told}");
        }
    }
}
