//! Every command with every option of any command: the option shows, or it is refused in a line
//! that names both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use veraft_checks::cli;

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(arguments).output().unwrap()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("options");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// How an option shows.
enum Shows {
    /// In this text, on stdout or stderr, which is not there without it.
    In(&'static str),
    /// It changes what is printed, which is the same every time otherwise.
    Differs,
    /// In this file or folder, which is its value.
    At(&'static str),
    /// Not without other processes, a browser, or a good while: see there.
    Elsewhere(&'static str),
}

use Shows::{At, Differs, Elsewhere, In};

/// A command line that works, an option to add with its value, if it takes one, and what then
/// shows.
type Case = (&'static str, &'static [&'static str], Shows);

const JSON: &str = r#"{"scope""#;
const MINUTES: &str = "takes minutes: its files are those of `run`";
const LIMITS: &str = "checks/tests/timely/limits.rs";
const SOLVERS: &str = "checks/tests/prove.rs";
const PROCESSES: &str = "checks/tests/timely/processes.rs";

const CASES: &[Case] = &[
    ("run single --json", &["--servers", "2"], In(r#""servers":2"#)),
    ("run single --json", &["--terms", "1"], In(r#""terms":1"#)),
    ("run single --json", &["--entries", "1"], In(r#""entries":1"#)),
    ("run single --json", &["--restarts", "1"], In(r#""restarts":1"#)),
    ("run single --json", &["--compactions", "1"], In(r#""compactions":1"#)),
    ("run single --json", &["--no-symmetry"], In(r#""symmetry":false"#)),
    ("run single --json", &["--keep-dead-letters"], In(r#""keep_dead_letters":true"#)),
    ("run single --json", &["--audit"], In(r#""audit":true"#)),
    ("run single --json", &["--saturation", "on"], In(r#""saturation":true"#)),
    ("run single --json", &["--antichain", "on"], In(r#""antichain":true"#)),
    ("run single --json", &["--batch", "1"], In(r#""batch":1"#)),
    ("run single --json", &["--property", "No breach"], In(r#""properties":[{"name":"No breach""#)),
    ("run single", &["--no-refinement"], In("24 hold")),
    ("run single --json", &["--engine", "timely"], In(r#""engine":"timely""#)),
    ("run single --json", &["--workers", "2"], In(r#""workers":2"#)),
    ("run single", &["--json"], In(JSON)),
    ("run single", &["--report", "run.html"], At("run.html")),
    ("run single", &["--save", "run"], At("run")),
    (
        "run single --engine timely --json",
        &["--fingerprint-bits", "128"],
        In(r#""fingerprint_bits":128"#),
    ),
    ("run single --engine timely", &["--max-memory", "1"], In("memory limit")),
    ("run single --engine timely", &["--max-depth", "2"], In("the depth limit was reached")),
    ("run", &["--frontier-memory", "0"], Elsewhere(LIMITS)),
    ("run", &["--spill-dir", "spill"], Elsewhere(LIMITS)),
    ("run", &["--checkpoint", "checkpoint"], Elsewhere(LIMITS)),
    ("run", &["--checkpoint-every", "0"], Elsewhere(LIMITS)),
    ("run", &["--resume"], Elsewhere(LIMITS)),
    ("run", &["--hosts", "hosts"], Elsewhere(PROCESSES)),
    ("run", &["--process", "0"], Elsewhere(PROCESSES)),
    ("recover single --json", &["--servers", "2"], In(r#""servers":2"#)),
    ("recover single --json", &["--terms", "1"], In(r#""terms":1"#)),
    ("recover single --json", &["--entries", "1"], In(r#""entries":1"#)),
    ("recover single --json", &["--restarts", "1"], In(r#""restarts":1"#)),
    ("recover single --json", &["--compactions", "1"], In(r#""compactions":1"#)),
    ("recover single --json", &["--rounds", "3"], In(r#""rounds":3"#)),
    ("recover single --json", &["--sample", "2"], In(r#""one_in":2"#)),
    ("recover single --sample 2", &["--seed", "5"], In("--seed 5")),
    ("recover single", &["--json"], In(JSON)),
    ("recover single", &["--report", "recover.html"], At("recover.html")),
    ("recover single --rounds 1", &["--save", "recover"], At("recover/single-recovery.json")),
    ("replay single.json", &["--format", "mermaid"], In("sequenceDiagram")),
    ("replay single.json", &["--emit-test"], In("#[test]")),
    ("replay single.json", &["--json"], In(r#""scope": "single""#)),
    ("replay single.json", &["--report", "replay.html"], At("replay.html")),
    ("explore", &["--address", "localhost:0"], Elsewhere("checks/browser/test.mjs")),
    ("bench single --rounds 1", &["--plot", "bench.svg"], At("bench.svg")),
    ("bench", &["--rounds", "1"], Elsewhere("the time that it takes")),
    ("mutants --list", &["--dozen", "1"], In("\n12 of ")),
    ("mutants --list", &["--touching", "README.md", "src/driver/gate.rs"], In("change touches")),
    (
        "mutants --list --touching src/figure2/rules.rs",
        &["--at-most", "2"],
        In("left for another day: "),
    ),
    ("mutants --list --dozen 1", &["--refinement"], Differs),
    ("mutants --touching README.md", &["--list"], In("would be tried")),
    ("simulate single --steps 20", &["--seed", "7"], In("seed 7:")),
    ("simulate single --steps 20", &["--seeds", "2"], In("seed 1:")),
    ("simulate single", &["--steps", "12"], In("seed 0: 12 steps")),
    ("trace", &["--whole"], Elsewhere("checks/labs/tests/recording")),
    ("invariant", &["--worlds", "7"], In(" 7 worlds")),
    ("invariant --worlds 50", &["--seed", "3"], Differs),
    ("invariant --worlds 20", &["--json"], In(r#""scope":"invariant""#)),
    ("prove", &["--only", "start/one_vote"], Elsewhere(SOLVERS)),
    ("prove", &["--solver", "z3"], Elsewhere(SOLVERS)),
    ("prove", &["--seed", "1"], Elsewhere(SOLVERS)),
    ("prove", &["--seeds", "2"], Elsewhere(SOLVERS)),
    ("prove", &["--limit", "20"], Elsewhere(SOLVERS)),
    ("prove", &["--keep", "questions"], Elsewhere(SOLVERS)),
    ("prove", &["--possible"], Elsewhere(SOLVERS)),
    ("prove", &["--bend", "vote-twice"], Elsewhere(SOLVERS)),
    ("prove", &["--without", "one_vote"], Elsewhere(SOLVERS)),
    ("prove", &["--refinement", "single"], Elsewhere("checks/tests/refinement.rs")),
    ("prove", &["--json"], Elsewhere(SOLVERS)),
    // One thread of the other engine, and two are not exact.
    ("pins single --workers 2", &["--engine", "timely"], In(r#"("single", 50, 50, 8)"#)),
    ("pins single", &["--workers", "2"], In("--workers")),
    ("", &["--json"], Elsewhere(MINUTES)),
    ("", &["--report", "all.html"], Elsewhere(MINUTES)),
    ("", &["--save", "all"], Elsewhere(MINUTES)),
];

fn command_of(case: &Case) -> &'static str {
    case.0.split(' ').next().unwrap_or_default()
}

fn option_of(case: &Case) -> &'static str {
    case.1[0].trim_start_matches('-')
}

/// Each command, and the long options that it takes. That which has no name is the default run.
fn taken() -> BTreeSet<(String, String)> {
    let mut taken = BTreeSet::new();
    let all = cli::command();
    let mut add = |name: &str, command: &clap::Command| {
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            if !matches!(option, "help" | "version") {
                taken.insert((name.to_owned(), option.to_owned()));
            }
        }
    };
    add("", &all);
    all.get_subcommands().for_each(|command| add(command.get_name(), command));
    taken
}

#[test]
fn there_is_a_case_for_each_option_that_a_command_takes() {
    let named = |case: &Case| (command_of(case).to_owned(), option_of(case).to_owned());
    let cases: Vec<_> = CASES.iter().map(named).collect();
    let distinct: BTreeSet<_> = cases.iter().cloned().collect();
    assert_eq!(distinct.len(), cases.len(), "a case stands twice");
    assert_eq!(distinct, taken());
}

#[test]
fn each_option_that_a_command_takes_shows() {
    let folder = folder();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let at = |path: &str| folder.join(path).to_str().unwrap().to_owned();
    let saved = check(&["run", "single", "--save", &at("saved")]);
    assert_eq!(saved.status.code(), Some(0));
    fs::copy(at("saved/single-an-entry-is-committed.json"), at("single.json")).unwrap();
    for (base, option, shows) in CASES {
        let run = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
            let output =
                command.current_dir(&folder).args(base.split(' ')).args(more).output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8(text).unwrap()
        };
        let told = || format!("check {base} {}", option.join(" "));
        match shows {
            In(text) => {
                let (without, with) = (run(&[]), run(option));
                assert!(!without.contains(text), "without it, {}: {without}", told());
                assert!(with.contains(text), "{}: {with}", told());
            }
            Differs => {
                let (once, again, with) = (run(&[]), run(&[]), run(option));
                assert_eq!(once, again, "{}", told());
                assert_ne!(once, with, "{}", told());
            }
            At(path) => {
                let text = run(option);
                assert!(folder.join(path).exists(), "{}: {text}", told());
            }
            Elsewhere(place) => assert!(!place.is_empty()),
        }
    }
}

/// What makes each command complete, but for its options.
fn complete(command: &str) -> Vec<&str> {
    match command {
        "run" | "recover" | "explore" => vec![command, "single"],
        "replay" | "trace" => vec![command, "single.json"],
        "list" | "bench" | "mutants" | "simulate" | "invariant" | "pins" | "prove" | "rules" => {
            vec![command]
        }
        _ => panic!("{command} is new: say what it needs"),
    }
}

#[test]
fn each_option_that_a_command_does_not_take_is_refused() {
    let taken = taken();
    let options: BTreeSet<&str> = taken.iter().map(|(_, option)| option.as_str()).collect();
    let all = cli::command();
    let mut refused = 0;
    for command in all.get_subcommands().map(clap::Command::get_name) {
        for option in &options {
            if taken.contains(&(command.to_owned(), (*option).to_owned())) {
                continue;
            }
            let option = format!("--{option}");
            let behind = [&complete(command)[..], &[&option, "1"]].concat();
            let mut lines = vec![behind];
            if taken.contains(&(String::new(), option[2..].to_owned())) {
                let value: &[&str] = if option == "--json" { &[] } else { &["x"] };
                lines.push([&[option.as_str()], value, &complete(command)].concat());
            }
            for arguments in lines {
                let output = check(&arguments);
                let text = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
                assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
                assert!(text.starts_with(&format!("check {command}: ")), "{arguments:?}: {text}");
                assert!(text.contains(&option), "{arguments:?}: {text}");
                assert!(output.stdout.is_empty(), "{arguments:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 250, "only {refused} were tried");
}

/// Options that a command takes, but not for this, or not beside that.
#[test]
fn what_does_not_go_together_is_refused() {
    let cases: &[(&str, &str)] = &[
        ("run single --max-depth 3", "--max-depth"),
        ("run single --checkpoint x --resume", "--checkpoint, --resume"),
        ("run single --engine timely --resume", "--checkpoint"),
        ("run single --audit --keep-dead-letters", "--audit"),
        ("run plain --audit", "--audit"),
        ("run single --batch 0", "--batch"),
        ("run single --saturation maybe", "--saturation"),
        ("run single --antichain 1", "--antichain"),
        ("run figure-7 --batch 1", "the script before figure-7 cannot be played"),
        ("run actor-model --saturation on", "--saturation"),
        ("run actor-model --antichain off", "--antichain"),
        ("run actor-model --no-symmetry", "--no-symmetry"),
        ("run actor-model --keep-dead-letters", "--keep-dead-letters"),
        ("run actor-model --audit", "--audit"),
        ("run actor-model --batch 1", "--batch"),
        ("run actor-model --save x", "--save"),
        ("--save x run actor-model", "--save"),
        ("run actor-model --restarts 1", "--restarts"),
        ("run actor-model --property Safety", "--property"),
        ("run actor-model --no-refinement", "--no-refinement"),
        ("run single --property Refinement --no-refinement", "--no-refinement"),
        ("--report a.html run single --report b.html", "--report"),
        ("recover single --seed 3", "--sample"),
        ("replay x.json --json --emit-test", "--json"),
        ("replay x.json --json --format text", "--json"),
        ("--json replay x.json --format mermaid", "--json"),
        ("replay x.json --emit-test --format text", "--emit-test"),
        ("bench single --rounds 0", "--rounds"),
        ("mutants A1 --dozen 3", "--dozen"),
        ("mutants A1 --touching README.md", "--touching"),
        ("mutants --at-most 3", "--touching"),
        ("mutants --refinement refuse-and-reset-the-timer", "--refinement"),
        ("prove --refinement --seed 3", "--seed"),
        ("prove --possible --only win", "--only"),
        ("prove --bend all --seeds 3", "--seeds"),
        ("prove --without all --keep questions", "--keep"),
        ("prove --refinement actor-model", "--refinement"),
        ("prove --refinement nowhere", "nowhere"),
        ("simulate initial-election --steps 5", "--steps"),
        ("simulate all --steps 5", "--steps"),
    ];
    for (line, named) in cases {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = check(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {text}");
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        assert!(text.contains(named), "{line}: {text}");
        assert!(output.stdout.is_empty(), "{line}");
    }
}
