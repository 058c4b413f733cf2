//! SPIN on the same elections: `elections.pml`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Run;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/explore/elections.pml");

/// Whether SPIN and the compiler that it needs are here.
pub fn is_here() -> bool {
    let answers = |program, argument| Command::new(program).arg(argument).output().is_ok();
    answers("spin", "-V") && answers("gcc", "--version")
}

/// What `program` prints.
fn output(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(&program);
    let ran = command.args(arguments).current_dir(folder).output();
    let program = program.as_ref().display();
    let ran = ran.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&ran.stderr));
    text
}

/// Builds the verifier of three servers in `folder`.
pub fn build(folder: &Path, terms: u64, restarts: u32) {
    let (terms, restarts) = (format!("-DTERMS={terms}"), format!("-DRESTARTS={restarts}"));
    output("spin", &["-a", "-o2", &terms, &restarts, MODEL], folder);
    let gcc = ["-O2", "-DSAFETY", "-DNOREDUCE", "-DNOFAIR", "-o", "elections", "pan.c"];
    output("gcc", &gcc, folder);
}

/// Runs the verifier that was built in `folder`.
pub fn run(folder: &Path) -> Run {
    let began = Instant::now();
    let told = output(folder.join("elections"), &["-m1000000", "-w24"], folder);
    let seconds = began.elapsed().as_secs_f64();
    assert!(told.contains("errors: 0"), "SPIN did not find that all holds: {told}");
    let before = |words: &str| -> u64 {
        let line = told.lines().find_map(|line| line.split_once(words));
        let number = line.and_then(|(number, _)| number.trim().parse().ok());
        number.unwrap_or_else(|| panic!("SPIN told no number of {words:?}: {told}"))
    };
    Run { states: before(" states, stored"), generated: before(" transitions"), seconds }
}
