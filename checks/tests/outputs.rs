//! Outputs that are closed, full, or not there: a command ends as people and scripts expect, and
//! what was not written is no success.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, pipe};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outputs");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn check(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(arguments).current_dir(folder()).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A stream whose reader has left.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Every command that ends by itself within moments, and its exit status.
const COMMANDS: &[(&str, i32)] = &[
    ("list", 0),
    ("rules", 0),
    ("--help", 0),
    ("help run", 0),
    ("run --help", 0),
    ("--version", 0),
    ("run single", 0),
    ("run single --json", 0),
    ("run single --engine timely --json", 0),
    ("run single --engine timely --max-depth 2", 3),
    ("recover single", 0),
    ("recover single --json", 0),
    ("recover single --rounds 1", 1),
    ("invariant --worlds 20", 0),
    ("invariant --worlds 20 --json", 0),
    ("pins single", 0),
    ("bench single --rounds 1", 0),
    ("simulate single --steps 100", 0),
    ("simulate initial-election", 0),
    ("replay saved/single-an-entry-is-committed.json", 0),
    ("replay saved/single-an-entry-is-committed.json --json", 0),
    ("trace nothing.jsonl", 1),
];

fn prepare() {
    let saved = check(&["run", "single", "--save", "saved"]).output().unwrap();
    assert_eq!(saved.status.code(), Some(0), "{}", text(&saved.stderr));
    fs::write(folder().join("nothing.jsonl"), "nothing\n").unwrap();
}

/// stdout, stderr and the exit status of each command, with these streams.
fn each(stdout: fn() -> Stdio, stderr: fn() -> Stdio, judge: impl Fn(&str, i32, Output)) {
    prepare();
    for (line, status) in COMMANDS {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = check(&arguments).stdout(stdout()).stderr(stderr()).output().unwrap();
        judge(line, *status, output);
    }
}

#[test]
fn each_command_ends_as_stated_if_its_output_is_read() {
    each(Stdio::piped, Stdio::piped, |line, status, output| {
        assert_eq!(output.status.code(), Some(status), "{line}: {}", text(&output.stderr));
        assert!(!output.stdout.is_empty(), "{line}");
    });
}

#[test]
fn a_full_output_is_told_in_a_line_and_is_no_success() {
    each(full, Stdio::piped, |line, status, output| {
        let expected = if status == 0 { 2 } else { status };
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{line}: {told}");
        let complaints = told.lines().filter(|line| line.contains("cannot write to stdout"));
        assert_eq!(complaints.count(), 1, "{line}: {told}");
        assert!(!told.contains("panicked"), "{line}: {told}");
    });
}

/// As if SIGPIPE had ended it.
#[test]
fn a_closed_output_ends_a_command_quietly() {
    each(closed, Stdio::piped, |line, status, output| {
        let expected = if status == 0 { 141 } else { status };
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{line}: {told}");
        for complaint in ["panicked", "stdout", "roken pipe"] {
            assert!(!told.contains(complaint), "{line}: {told}");
        }
    });
}

#[test]
fn nobody_has_to_read_stderr() {
    for stderr in [closed, full] {
        each(Stdio::piped, stderr, |line, status, output| {
            assert_eq!(output.status.code(), Some(status), "{line}");
            assert!(!output.stdout.is_empty(), "{line}");
        });
        for line in ["run", "run nowhere", "simulate", "list --json", "replay nowhere.json"] {
            let arguments: Vec<&str> = line.split(' ').collect();
            let output = check(&arguments).stderr(stderr()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{line}");
        }
    }
}

/// A row of the default run is there before the next scope is finished; and when nobody reads
/// on, that is the last.
#[test]
fn finished_scopes_appear_as_they_finish() {
    let mut child = check(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let header = lines.next().unwrap().unwrap();
    assert!(header.contains("B/state") && header.contains("verdict"), "{header}");
    let row = lines.next().unwrap().unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..7], ["1", "of", "32", "election", "31,335", "17", "347,967"], "{row}");
    // With so few states, memory says nothing of them.
    assert_eq!(words[8], "-", "{row}");
    assert!(header.chars().count() <= 80 && row.chars().count() <= 80, "{header}\n{row}");
    assert!(child.try_wait().unwrap().is_none(), "all was told at once");
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(text(&output.stderr), "");
}

/// Before the search, which would take hours.
#[test]
fn what_cannot_be_written_is_tried_before_the_search() {
    let file = folder().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    let below = below.to_str().unwrap();
    let endless = ["run", "replication", "--terms", "9", "--entries", "9", "--restarts", "9"];
    let timely = [&endless[..], &["--engine", "timely"]].concat();
    let recover = [&["recover"], &endless[1..]].concat();
    for (arguments, option) in [
        (&endless[..], "--save"),
        (&endless, "--report"),
        (&recover, "--save"),
        (&recover, "--report"),
        (&[], "--save"),
        (&[], "--report"),
        (&timely, "--save"),
        (&timely, "--checkpoint"),
        (&timely, "--spill-dir"),
        (&["bench", "replication"], "--plot"),
    ] {
        let arguments = [arguments, &[option, below]].concat();
        let output = check(&arguments).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
        assert!(told.contains("cannot") && told.contains(below), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// A report that was tried is not emptied by a search that never ends.
#[test]
fn an_earlier_report_stays_until_there_is_another() {
    let page = folder().join("earlier.html");
    fs::write(&page, "x".repeat(1 << 20)).unwrap();
    let endless = ["run", "replication", "--terms", "9", "--entries", "9", "--report"];
    let mut command = check(&[&endless[..], &[page.to_str().unwrap()]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let files = format!("/proc/{}/fd", child.id());
    let holds_it = || {
        let mut files = fs::read_dir(&files).unwrap();
        files.any(|file| fs::read_link(file.unwrap().path()).is_ok_and(|path| path == page))
    };
    while !holds_it() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without the report");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read(&page).unwrap().len(), 1 << 20);

    let written = check(&["run", "single", "--report", page.to_str().unwrap()]).output().unwrap();
    assert_eq!(written.status.code(), Some(0));
    let written = fs::read_to_string(page).unwrap();
    assert!(written.starts_with("<!doctype html>") && !written.contains("xxx"));
}

#[test]
fn what_was_asked_for_is_written_even_if_nobody_reads_the_rest() {
    let page = folder().join("unread.html");
    let _ = fs::remove_file(&page);
    let arguments = ["run", "single", "--report", page.to_str().unwrap()];
    let output = check(&arguments).stdout(closed()).output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert!(fs::read_to_string(&page).unwrap().ends_with("</html>"));
}
