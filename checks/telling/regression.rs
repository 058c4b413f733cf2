//! A saved trace as a regression test.

use std::fmt::Write;

use veraft_models::Move;

use crate::evidence::recovery::{RECOVERY, replayed};
use crate::evidence::saved::{Saved, slug};
use crate::scopes::script::{Problem, Script, ScriptError};
use crate::scopes::story::{Setting, Story};

/// The source of a test that makes the steps of a trace and demands that no invariant falls.
pub fn test(saved: &Saved) -> String {
    let name = slug(&[&saved.property, "in", &saved.scope]).replace('-', "_");
    let Saved { scope, property, steps, format: _, extent: _, prefix: _ } = saved;
    let assertion = if property == RECOVERY { "assert_recovers" } else { "assert_safe" };
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
    // Writing to a string cannot fail.
    let _ = write!(text, "\";\n    veraft_checks::regression::{assertion}(script);\n}}\n");
    text
}

/// Plays a script, and asserts that the cluster recovers from where it last loses everything.
///
/// Code without the bug may not get there, and the script then means nothing any more.
///
/// # Panics
/// When the cluster does not recover, or when the script is not one.
pub fn assert_recovers(script: &str) {
    let (setting, story) = play(script);
    let moves: Vec<Move> = story.scenes.into_iter().map(|scene| scene.happened).collect();
    let lost = replayed::lost(setting, &moves).expect("the moves were made just now");
    assert!(lost.is_none(), "{}", lost.map_or(String::new(), |lost| lost.to_string()));
}

/// Plays a script, and asserts that every invariant holds after each of its moves.
///
/// Code without the bug departs from a counterexample at some move, which then is not possible;
/// what follows means nothing any more, and the script ends there.
///
/// # Panics
/// When an invariant falls, or when the script is not one.
pub fn assert_safe(script: &str) {
    let (_, story) = play(script);
    let fallen: Vec<_> = story.violations().collect();
    let told = crate::scopes::trace::conversation(&story.steps());
    assert!(fallen.is_empty(), "violated, by step: {fallen:?}\n{told}");
}

/// Plays a script as far as it is possible.
fn play(script: &str) -> (Setting, Story) {
    let script = Script::parse(script).unwrap_or_else(|error| panic!("{error}"));
    let (story, stuck) = script.play_on();
    match stuck {
        Some(ScriptError { problem: Problem::Impossible(_), .. }) | None => {}
        Some(error) => panic!("{error}"),
    }
    (script.setting(), story)
}
