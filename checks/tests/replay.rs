//! Saved traces: what is written is what is made again, and what is no trace is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use veraft::figure2::{Message, RequestVoteReply, ServerId};
use veraft_checks::evidence::saved::Saved;
use veraft_checks::scopes::script::Script;
use veraft_checks::scopes::story::Setting;
use veraft_checks::scopes::{self, SCOPES};
use veraft_checks::telling::regression;
use veraft_models::{Letter, Move};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_check")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The trace of a deposed leader, as the search of a small scope saves it.
fn deposed(folder: &Path) -> PathBuf {
    let run = ["run", "pair", "--terms", "2", "--entries", "0", "--restarts", "0", "--save"];
    let run = check(&[&run[..], &[folder.to_str().unwrap()]].concat());
    assert!(run.status.success(), "{}", text(&run.stderr));
    folder.join("pair-a-leader-is-deposed.json")
}

/// What a script tells of a setting: all but who judges.
fn told(setting: Setting) -> (usize, bool, usize, bool) {
    let Setting { servers, torn, max_append_bytes, compactions: _, vouched, judge: _ } = setting;
    (servers, torn, max_append_bytes, vouched)
}

#[test]
fn a_saved_trace_is_made_again_in_every_format() {
    let file = deposed(&folder("formats"));
    let replay = |arguments: &[&str]| {
        let output = check(&[&["replay", file.to_str().unwrap()], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let told = replay(&[]);
    assert!(told.contains("1. S") && told.contains("RequestVote term 2"), "{told}");
    let mermaid = replay(&["--format", "mermaid"]);
    assert!(mermaid.starts_with("sequenceDiagram\n") && mermaid.contains("->>"), "{mermaid}");
    let json: serde_json::Value = serde_json::from_str(&replay(&["--format", "json"])).unwrap();
    let (saved, _) = Saved::read(&file).unwrap();
    assert_eq!(json["trace"].as_array().unwrap().len(), saved.steps.len());
    let test = replay(&["--emit-test"]);
    let script = test.split('"').nth(1).unwrap();
    // The test makes the very steps of the trace, and passes.
    assert_eq!(Script::parse(script).unwrap().moves().unwrap(), saved.moves());
    regression::assert_safe(script);
}

#[test]
fn what_is_no_trace_is_refused_in_one_line() {
    let folder = folder("refused");
    let file = folder.join("garbage.json");
    let refuse = |content: &str| {
        fs::write(&file, content).unwrap();
        let output = check(&["replay", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{content}");
        let complaint = text(&output.stderr);
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        complaint
    };
    assert!(refuse("{}").contains("is not a saved trace"));
    assert!(refuse("\u{0}").contains("is not a saved trace"));
    let (mut saved, _) = Saved::read(&deposed(&folder)).unwrap();
    let json = |saved: &Saved| serde_json::to_string(saved).unwrap();
    // A vote that nobody gave.
    let (from, to) = (ServerId(0), ServerId(1));
    let message = Message::RequestVoteReply(RequestVoteReply { term: 9, vote_granted: true });
    let place = saved.steps.len();
    saved.steps.push(Move::Deliver(Letter { from, to, message, image: None }));
    let complaint = refuse(&json(&saved));
    let step = format!("step {} is not possible: no such message is under way", place + 1);
    assert!(complaint.contains(&step), "{complaint}");
    saved.steps = vec![Move::Restart { server: ServerId(7) }];
    assert!(refuse(&json(&saved)).contains("step 1 is not possible: there is no server S7"));
    let unknown = Saved { scope: "nowhere".to_owned(), ..saved.clone() };
    assert!(refuse(&json(&unknown)).contains("no scope is called \"nowhere\""));
    let unknown = Saved { property: "Luck".to_owned(), ..saved.clone() };
    assert!(refuse(&json(&unknown)).contains("no property is called \"Luck\""));
    let later = json(&saved).replacen("\"format\":2", "\"format\":3,\"more\":1", 1);
    assert!(refuse(&later).contains("format 3"));
    saved.extent.bounds.servers = 0;
    assert!(refuse(&json(&saved)).contains("a cluster of 0 servers cannot be"));
    let missing = check(&["replay", "/nowhere/at/all.json"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// Files of the first format count bytes; a command of the model is two of them long.
#[test]
fn a_batch_in_an_older_file_is_one_of_bytes() {
    let folder = folder("batches");
    let run = ["run", "pair", "--terms", "1", "--entries", "2", "--restarts", "0"];
    let save = ["--batch", "1", "--save", folder.to_str().unwrap()];
    assert!(check(&[&run[..], &save].concat()).status.success());
    let (saved, _) = Saved::read(&folder.join("pair-an-entry-is-committed.json")).unwrap();
    assert_eq!((saved.format, saved.extent.environment.batch), (2, Some(1)));
    assert_eq!(saved.setting().max_append_bytes, 2);
    let script = Script::of(saved.setting(), &saved.moves());
    assert!(script.contains("batch 1 commands\n"), "{script}");
    assert_eq!(told(Script::parse(&script).unwrap().setting()), told(saved.setting()));

    let older = |batch| {
        let json = serde_json::to_string(&saved).unwrap();
        let json = json.replacen("\"format\":2,", "", 1);
        let json = json.replacen("\"batch\":1", &format!("\"batch\":{batch}"), 1);
        let file = folder.join("older.json");
        fs::write(&file, json).unwrap();
        let output = check(&["replay", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        Saved::read(&file).unwrap().0
    };
    for bytes in [1, 2, 3] {
        let saved = older(bytes);
        assert_eq!((saved.format, saved.setting().max_append_bytes), (1, bytes));
        let script = Script::of(saved.setting(), &saved.moves());
        assert_eq!(
            told(Script::parse(&script).unwrap().setting()),
            told(saved.setting()),
            "{script}"
        );
    }
    assert_eq!(Script::parse("servers 2\nbatch 3").unwrap().setting().max_append_bytes, 3);
}

#[test]
fn the_script_of_every_scope_can_be_played() {
    for scope in SCOPES.iter().filter(|scope| scope.start.is_some()) {
        let script = Script::parse(scope.start.unwrap()).unwrap();
        assert_eq!(script.setting().servers, scope.bounds.servers, "{}", scope.name);
        assert!(!scope.prefix().is_empty(), "{}", scope.name);
        let _ = scope.cluster(scope.environment());
    }
    assert!(scopes::find("figure-7").is_some_and(|scope| scope.start.is_some()));
}

#[test]
#[should_panic(expected = "what does \"S0 explodes\" mean?")]
fn a_regression_test_that_is_no_script_fails() {
    regression::assert_safe("servers 3\nS0 explodes");
}

#[test]
fn a_script_says_which_line_it_stumbles_over() {
    let stumbles = |text: &str| Script::parse(text).and_then(|s| s.play()).unwrap_err().to_string();
    assert_eq!(
        stumbles("S0 restarts"),
        "line 1: a script begins with `servers N`, N from 1 to 255"
    );
    assert_eq!(stumbles("servers 3\n\nS0 -> S1"), "line 3: no such message is under way");
    assert_eq!(stumbles("servers 3\nS1 appends a blank"), "line 2: S1 does not lead");
    assert_eq!(stumbles("servers 2\nS2 restarts"), "line 2: there is no server S2");
}
