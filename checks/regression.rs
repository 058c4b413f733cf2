//! A saved trace as a regression test.

use std::fmt::Write;

use crate::saved::{Saved, slug};
use crate::script::{Problem, Script, ScriptError};

/// The source of a test that makes the steps of a trace and demands that no invariant falls.
pub fn test(saved: &Saved) -> String {
    let name = slug(&[&saved.property, "in", &saved.scope]).replace('-', "_");
    let Saved { scope, property, bounds: _, prefix: _, steps } = saved;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "/// {property}, in `{scope}`: {} steps.\n#[test]\nfn {name}() {{\n    \
         let script = \"",
        steps.len()
    );
    for line in Script::of(saved.setting(), &saved.moves()).lines() {
        let _ = writeln!(text, "{}", line.escape_debug());
    }
    text += "\";\n    veraft_checks::regression::assert_safe(script);\n}\n";
    text
}

/// Plays a script, and asserts that every invariant holds after each of its moves.
///
/// Code without the bug departs from a counterexample at some move, which then is not possible;
/// what follows means nothing any more, and the script ends there.
///
/// # Panics
/// When an invariant falls, or when the script is not one.
pub fn assert_safe(script: &str) {
    let script = Script::parse(script).unwrap_or_else(|error| panic!("{error}"));
    let (story, stuck) = script.play_on();
    match stuck {
        Some(ScriptError { problem: Problem::Impossible(_), .. }) | None => {}
        Some(error) => panic!("{error}"),
    }
    let fallen: Vec<_> = story.violations().collect();
    let told = crate::trace::conversation(&story.steps());
    assert!(fallen.is_empty(), "violated, by step: {fallen:?}\n{told}");
}
