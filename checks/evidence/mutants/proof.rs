//! The proof: what is asked, what is taken for granted, and what is made of the answers.

use super::Evidence::Checks;
use super::Mutant;
use super::TestSuite::UnitOf;
use super::places::{edit, noticed};

const OBLIGATIONS: &str = "checks/evidence/proof/obligations.rs";
const PROVING: &str = "checks/evidence/proof/proving.rs";
const SYMBOLS: &str = "checks/evidence/proof/symbols.rs";

const GRANTED: &str = "evidence::proof::obligations::tests::\
     nothing_is_taken_for_granted_but_what_is_proved_or_defined";
const MOVES: &str = "evidence::proof::symbols::tests::\
     what_may_be_committed_moves_with_terms_and_with_what_is_held";
const SEVERAL: &str = "evidence::proof::proving::tests::\
     of_several_solvers_one_that_refutes_counts_and_else_one_that_proves";
const START: &str = "evidence::proof::obligations::tests::at_the_start_everything_is_nothing";
const TOUCHES: &str = "evidence::proof::obligations::tests::\
     an_action_that_touches_a_lemma_has_to_keep_it";
const WORST: &str = "evidence::proof::proving::tests::of_several_questions_the_worst_answer_counts";

pub const MUTANTS: &[Mutant] = &[
    noticed(
        "prove-nothing-of-elections",
        "proof",
        "asks of no lemma whether an election keeps it",
        &[edit(
            OBLIGATIONS,
            "kept",
            "if before == after {",
            "if before == after || action.name == \"win\" {",
        )],
        UnitOf(Checks),
        TOUCHES,
    ),
    noticed(
        "beg-the-question",
        "proof",
        "gives a solver what it has to prove",
        &[edit(
            OBLIGATIONS,
            "cases",
            "before.map(asked)).collect()",
            "before.map(asked)).chain([asked(part)]).collect()",
        )],
        UnitOf(Checks),
        GRANTED,
    ),
    noticed(
        "start-anywhere",
        "proof",
        "lets letters be there at the first start",
        &[edit(
            OBLIGATIONS,
            "start",
            "Subject::Server | Subject::Letters | Subject::History",
            "Subject::Server | Subject::History",
        )],
        UnitOf(Checks),
        START,
    ),
    noticed(
        "freeze-the-choosable",
        "proof",
        "takes what may be committed for the same after a server has reached another term",
        &[edit(
            SYMBOLS,
            "AbstractState::moves_choosable",
            "[Symbol::Held, Symbol::CurrentTerm]",
            "[Symbol::Held]",
        )],
        UnitOf(Checks),
        MOVES,
    ),
    noticed(
        "hear-the-last-answer",
        "proof",
        "judges an obligation by the last of its questions",
        &[edit(
            PROVING,
            "Opinion::hear",
            "Ok((answer, took)) => {
                self.verdict = self.verdict.max(answer);",
            "Ok((answer, took)) => {
                self.verdict = answer;",
        )],
        UnitOf(Checks),
        WORST,
    ),
    noticed(
        "hear-the-kinder-solver",
        "proof",
        "takes for proved what another solver refutes",
        &[edit(
            PROVING,
            "Judged::verdict",
            "(true, _) => Answer::Refuted,
            (false, true) => Answer::Proved,",
            "(_, true) => Answer::Proved,
            (true, _) => Answer::Refuted,",
        )],
        UnitOf(Checks),
        SEVERAL,
    ),
];
