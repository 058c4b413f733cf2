//! `check trace`: recordings of sound runs are validated, and whatever is wrong is named.

mod recording;

use std::fs;
use std::path::{Path, PathBuf};

use recording::{Recording, entry, heartbeat_with, ids, problems, vote};
use tempfile::TempDir;
use veraft::figure2::{Input, Payload, Server, ServerId, Timer};
use veraft_labs::simulate::record;
use veraft_labs::simulator::ClusterOptions;
use veraft_labs::suites::{LabTest, Suite, TESTS};
use veraft_labs::trace::{Discrepancy, Endings, FileLine, Finding, Validated, validate};

fn recorded(test: &str, seed: u64) -> (TempDir, Vec<PathBuf>) {
    let directory = TempDir::new().expect("a directory");
    let test = LabTest::find(test).expect("a test");
    let (run, files) = record::<Server>(test, seed, &ClusterOptions::default(), directory.path())
        .expect("files that can be written");
    assert_eq!(run.outcome, Ok(()));
    (directory, files)
}

#[test]
fn sound_runs_are_validated() {
    for (test, seed) in TESTS.iter().flat_map(|test| [(test, 3), (test, 4)]) {
        let (_directory, files) = recorded(test.name, seed);
        let Validated { servers, lives, steps, led_terms, applied, received, .. } =
            validate(&files, Endings::Whole).unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(servers, test.servers);
        assert!(lives >= servers as u64 && led_terms > 0 && steps > received && received > 20);
        assert_eq!(applied > 0, test.suite != Suite::Election2A, "{}", test.name);
    }
}

/// What is found when line `number` (from 0) of a file becomes `changed`, or goes.
fn after_change(
    files: &[PathBuf],
    file: usize,
    number: usize,
    changed: Option<&str>,
) -> Vec<Finding> {
    let text = fs::read_to_string(&files[file]).expect("a recording");
    let lines = text.lines().enumerate();
    let lines = lines.filter_map(|(n, line)| if n == number { changed } else { Some(line) });
    let lines: String = lines.flat_map(|line| [line, "\n"]).collect();
    fs::write(&files[file], lines).expect("a file that can be written");
    let outcome = validate(files, Endings::Whole);
    fs::write(&files[file], text).expect("a file that can be written");
    outcome.err().unwrap_or_default()
}

/// Whether a finding names the file and the line, or the one that is in its place.
fn names(findings: &[Finding], file: &PathBuf, number: usize) -> bool {
    let lines = [number as u64 + 1, number as u64 + 2];
    findings.iter().any(|finding| finding.at.file == *file && lines.contains(&finding.at.line))
}

#[test]
fn every_missing_step_is_found_and_named() {
    let (_directory, files) = recorded("persist-1", 1);
    for (file, path) in files.iter().enumerate() {
        let text = fs::read_to_string(path).expect("a recording");
        let lines: Vec<&str> = text.lines().collect();
        for number in (0..lines.len() - 1).step_by(11) {
            let last_of_its_life = lines[number + 1].starts_with("{\"start\"");
            if lines[number].starts_with("{\"durable\"") || last_of_its_life {
                continue;
            }
            let findings = after_change(&files, file, number, None);
            assert!(names(&findings, path, number), "{path:?}:{number}: {findings:?}");
        }
    }
}

#[test]
fn every_changed_digit_of_a_step_is_found() {
    let (_directory, files) = recorded("persist-1", 2);
    for (file, path) in files.iter().enumerate() {
        let text = fs::read_to_string(path).expect("a recording");
        for (number, line) in text.lines().enumerate().step_by(7) {
            // What a follower refused went nowhere.
            if line.starts_with("{\"durable\"") || line.contains("NotLeader") {
                continue;
            }
            // How many bytes a message may carry matters only if one is that large.
            let from = line.find("persistent").unwrap_or(0);
            let digits = line.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
            let digits: Vec<usize> = digits.filter(|&at| at > from).collect();
            if digits.is_empty() {
                continue;
            }
            let at = digits[number % digits.len()];
            let mut changed = line.to_string();
            let other = if line.as_bytes()[at] == b'7' { "6" } else { "7" };
            changed.replace_range(at..=at, other);
            let findings = after_change(&files, file, number, Some(&changed));
            assert!(!findings.is_empty(), "{}:{}: {changed}", path.display(), number + 1);
        }
    }
}

#[test]
fn a_step_that_goes_unseen_in_its_own_file_is_found_in_anothers() {
    let (_directory, files) = recorded("persist-1", 1);
    let text = fs::read_to_string(&files[0]).expect("a recording");
    let shorter: String = text.lines().take(4).flat_map(|line| [line, "\n"]).collect();
    fs::write(&files[0], shorter).expect("a file that can be written");
    let findings = validate(&files, Endings::Whole).expect_err("lines are missing");
    assert!(findings.iter().all(|finding| {
        finding.problem == Discrepancy::NeverSent { from: ServerId(0) }
            && finding.at.file != files[0]
    }));
    assert!(validate(&files, Endings::MayBeLost).is_ok());
}

#[test]
fn a_line_that_a_crash_cut_off_is_no_fault_and_one_in_the_middle_is() {
    let (_directory, files) = recorded("persist-1", 1);
    let text = fs::read_to_string(&files[0]).expect("a recording");
    let half = |line: &str| line[..line.len() / 2].to_string();
    let last = text.lines().count() as u64;
    fs::write(&files[0], text.trim_end()).expect("a file that can be written");
    assert!(validate(&files, Endings::Whole).is_ok(), "without the last line feed");

    let torn = text.trim_end();
    fs::write(&files[0], &torn[..torn.len() - 4]).expect("a file that can be written");
    let validated = validate(&files, Endings::MayBeLost).expect("no fault");
    assert_eq!(validated.cut_off, [FileLine { file: files[0].clone(), line: last }]);

    fs::write(&files[0], &text).expect("a file that can be written");
    let torn = half(text.lines().nth(5).expect("a line"));
    let findings = after_change(&files, 0, 5, Some(&torn));
    assert!(
        matches!(&findings[..], [Finding { at, problem: Discrepancy::Malformed(_) }] if at.line == 6)
    );
}

#[test]
fn two_leaders_in_a_term_are_found() {
    let elected = |id| {
        let mut recording = Recording::start(id);
        recording.step(Input::Timeout(Timer::Election));
        recording.durable();
        recording.receive(2, vote(1));
        recording
    };
    assert_eq!(problems(&[elected(0)]), []);
    let found = problems(&[elected(0), elected(1)]);
    let [(4, Discrepancy::TwoLeaders { leader, term: 1, other, at })] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((*leader, *other, at.line), (ServerId(1), ServerId(0), 4));
}

#[test]
fn logs_that_do_not_match_are_found() {
    let follower = |id, command| {
        let mut recording = Recording::start(id);
        recording.receive(2, heartbeat_with(1, &[entry(1, command)], 0));
        recording
    };
    assert_eq!(problems(&[follower(0, "a"), follower(1, "a")]), []);
    let found = problems(&[follower(0, "a"), follower(1, "b")]);
    assert!(
        matches!(&found[..], [(2, Discrepancy::LogsDiffer { index: 1, term: 1, at })] if at.line == 2)
    );
}

#[test]
fn different_entries_applied_at_one_index_are_found_once_they_are_durable() {
    let follower = |id, term, durable: bool| {
        let mut recording = Recording::start(id);
        recording.receive(2, heartbeat_with(term, &[entry(term, "a")], 1));
        if durable {
            recording.durable();
            recording.stored();
        }
        recording
    };
    assert_eq!(problems(&[follower(0, 1, true), follower(1, 2, false)]), []);
    let found = problems(&[follower(0, 1, true), follower(1, 2, true)]);
    assert!(
        matches!(&found[..], [(4, Discrepancy::AppliedDiffers { index: 1, at })] if at.line == 4)
    );
}

#[test]
fn a_server_that_is_told_too_early_that_its_log_is_durable_is_found() {
    let mut recording = Recording::start(0);
    recording.receive(2, heartbeat_with(1, &[entry(1, "a")], 0));
    recording.stored();
    assert_eq!(problems(&[recording]), [(3, Discrepancy::NotStored { index: 1 })]);
}

#[test]
fn a_message_that_did_not_wait_for_the_disk_is_found() {
    let candidate = |durable: bool| {
        let mut recording = Recording::start(0);
        let sent = recording.step(Input::Timeout(Timer::Election));
        if durable {
            recording.durable();
        }
        (recording, sent)
    };
    for durable in [true, false] {
        let (candidate, sent) = candidate(durable);
        let mut voter = Recording::start(1);
        let request = sent.into_iter().find(|(to, _)| *to == ServerId(1)).expect("a request").1;
        voter.receive(0, request);
        let found = problems(&[candidate, voter]);
        match durable {
            true => assert_eq!(found, []),
            false => assert!(
                matches!(&found[..], [(2, Discrepancy::LeftEarly { from: ServerId(0), at })] if at.line == 2)
            ),
        }
    }
}

#[test]
fn a_life_that_forgets_what_was_durable_is_found() {
    for (forgets, crashed_early) in [(false, false), (true, false), (true, true)] {
        let mut recording = Recording::start(0);
        recording.step(Input::Timeout(Timer::Election));
        if !crashed_early {
            recording.durable();
        }
        recording.restart(forgets);
        let found = problems(&[recording]);
        let fault = (forgets && !crashed_early).then_some(Discrepancy::PastDiffers);
        assert_eq!(found.into_iter().map(|(_, problem)| problem).next(), fault);
    }
}

#[test]
fn files_that_do_not_belong_together_are_found() {
    let one = Recording::start(0);
    let found = problems(&[one.clone(), one]);
    assert!(matches!(&found[..], [(1, Discrepancy::SameServer { id: ServerId(0), .. })]));

    let found = problems(&[Recording::start(0), Recording::in_cluster(1, &ids(2))]);
    assert!(matches!(&found[..], [(1, Discrepancy::AnotherServer { id: ServerId(1), .. })]));
}

#[test]
fn a_step_that_the_core_would_not_take_is_found() {
    let mut recording = Recording::start(0);
    recording.receive(2, heartbeat_with(1, &[entry(1, "a")], 0));
    recording.spoil_last_state();
    let found = problems(&[recording]);
    assert_eq!(found, [(2, Discrepancy::StateDiffers { differs: "last_log_index" })]);

    let mut recording = Recording::start(0);
    recording.step(Input::Propose { payloads: vec![Payload::Command(b"a".as_slice().into())] });
    recording.claim_input(Input::Receive { from: ServerId(9), message: vote(1) });
    let found = problems(&[recording]);
    assert!(matches!(&found[..], [(2, Discrepancy::OutputDiffers { .. })]), "{found:?}");
}

/// What earlier versions recorded: see tests/fixtures/README.md.
#[test]
fn recordings_of_earlier_formats_are_still_validated() {
    let validated = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        let files: Vec<_> =
            (1..=3).map(|id| fixtures.join(name).join(format!("{id}.jsonl"))).collect();
        let Validated { servers, lives, steps, led_terms, applied, received, .. } =
            validate(&files, Endings::Whole).unwrap();
        (servers, lives, steps, led_terms, applied, received)
    };
    assert_eq!(validated("recording-1"), (3, 6, 179, 2, 6, 128));
    assert_eq!(validated("recording-2"), (3, 6, 242, 2, 10, 196));
}
