//! `check prove` without a solver: what it asks, and what comes of each answer. Real ones are asked
//! by `.ci/prove.sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own, for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prove").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A program called `name` in `folder`, which takes every command of SMT-LIB and does `answer`
/// when it is asked for a verdict. It writes down its arguments.
fn solver(folder: &Path, name: &str, answer: &str) {
    let file = folder.join(name);
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --version ]; then echo \"{name} version 9.8.7\"; exit; fi\n\
         echo \"$@\" >> '{}/arguments'\n\
         while read -r line; do case \"$line\" in *check-sat*) {answer};; *) echo success;; esac; done\n",
        folder.display()
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `check prove`, with what is in `folder` for all that is installed.
fn prove(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    let path = format!("{}:/usr/bin:/bin", folder.display());
    // A real solver may be installed there.
    let path = if arguments.contains(&"--solver") { path } else { folder.display().to_string() };
    command.arg("prove").args(arguments).env("PATH", path).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn without_a_solver_it_says_in_a_line_how_to_get_one() {
    let output = prove(&folder("none"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("`pip install z3-solver`") && text.contains("cvc5"), "{text}");
}

#[test]
fn the_exit_status_is_that_of_the_worst_obligation() {
    let cases = [
        ("unsat", "echo unsat", 0, "proved"),
        ("sat", "echo sat", 1, "REFUTED"),
        ("unknown", "echo unknown", 3, "gave up"),
        ("dies", "exit 1", 3, "z3 failed"),
        ("garbage", "echo nonsense", 3, "z3 failed"),
    ];
    for (name, answer, status, shown) in cases {
        let folder = folder(name);
        solver(&folder, "z3", answer);
        let output = prove(&folder, &["--solver", "z3", "--only", "count/"]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(status), "{answer}: {text}");
        assert!(text.contains(shown), "{answer}: {text}");
    }
}

#[test]
fn one_solver_that_refutes_outweighs_one_that_proves_and_that_one_who_gives_up() {
    for (other, status) in [("echo sat", 1), ("echo unknown", 0)] {
        let folder = folder(&format!("two-{status}"));
        solver(&folder, "z3", "echo unsat");
        solver(&folder, "cvc5", other);
        // The scripts name their shell in full, and use nothing but it.
        let output = prove(&folder, &["--only", "count/"]);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
    }
}

#[test]
fn what_is_asked_of_whom_and_how_is_chosen_and_shown() {
    let folder = folder("asked");
    solver(&folder, "z3", "echo unsat");
    solver(&folder, "cvc5", "echo unsat");
    let questions = folder.join("questions");
    let keep = questions.display().to_string();
    let options = ["--only", "count/", "--seed", "7", "--seeds", "2", "--limit", "20", "--json"];
    let output = prove(&folder, &[&options[..], &["--solver", "z3", "--keep", &keep]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["solvers"], serde_json::json!(["z3 9.8.7"]));
    let obligations = said["obligations"].as_array().unwrap();
    assert_eq!(obligations.len(), 1, "{said}");
    assert_eq!(obligations[0]["said"][0]["questions"], 2);
    let arguments = fs::read_to_string(folder.join("arguments")).unwrap();
    for expected in ["smt.random_seed=7", "smt.random_seed=8", "timeout=20000"] {
        assert!(arguments.contains(expected), "{arguments}");
    }
    let kept: Vec<_> = fs::read_dir(&questions).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let question = fs::read_to_string(kept[0].as_ref().unwrap().path()).unwrap();
    assert!(question.contains("(check-sat)") && question.contains("votes_granted"), "{question}");
}

#[test]
fn what_no_obligation_is_called_is_told() {
    let folder = folder("nothing");
    solver(&folder, "z3", "echo unsat");
    let output = prove(&folder, &["--only", "nothing-is-called-so"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no obligation has that in its name"), "{}", text(&output));
}

/// What says that all it was asked for is false, and that this is an answer.
const LIAR: &str = r#"sat=1; echo sat;; *get-value*) names="${line#*(get-value (}"; printf '('
    for name in ${names%%)*}; do printf '(%s false)' "$name"; done; echo ')'"#;

#[test]
fn what_is_claimed_of_states_is_shown_disproved_or_left_open_and_no_liar_is_believed() {
    let cases = [
        ("claims-unsat", "echo unsat", 1, "NOT as stated (no such state up to 3 servers"),
        ("claims-unknown", "echo unknown", 3, "the solver gave up"),
        ("claims-dead", "exit 1", 3, "z3 failed"),
        ("claims-lie", LIAR, 3, "the solver gave up"),
    ];
    for (name, answer, status, shown) in cases {
        let folder = folder(name);
        solver(&folder, "z3", answer);
        for asked in [&["--possible"][..], &["--bend", "vote-twice"], &["--without", "one_vote"]] {
            let output = prove(&folder, asked);
            let text = text(&output).split_whitespace().collect::<Vec<_>>().join(" ");
            // Where all is 0 some actions can happen: that is no lie.
            assert_eq!(output.status.code(), Some(status), "{name} {asked:?}: {text}");
            assert!(text.contains(shown), "{name} {asked:?}: {text}");
        }
    }
}

#[test]
fn what_no_lemma_rests_on_is_claimed_to_be_needed_nowhere() {
    let folder = folder("needless");
    solver(&folder, "z3", "echo unsat");
    let output = prove(&folder, &["--without", "term_order", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let claim = &said["claims"][0];
    assert_eq!((claim["name"].as_str(), claim["state"].as_str()), (Some("term_order"), None));
    assert_eq!(claim["verdict"], "as stated");
}

#[test]
fn what_no_bend_and_no_lemma_is_called_is_told_with_all_names() {
    let folder = folder("nameless");
    solver(&folder, "z3", "echo unsat");
    for (option, known) in [("--bend", "vote-twice"), ("--without", "one_vote")] {
        let output = prove(&folder, &[option, "nothing-is-called-so"]);
        assert_eq!(output.status.code(), Some(2));
        let text = text(&output);
        assert!(text.contains("nothing-is-called-so") && text.contains(known), "{text}");
    }
}
