//! A judge is asked about all that is simulated, and all that was recorded.

use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use veraft::figure2::{Input, Message, Output, Persistent, Server, ServerId};
use veraft_labs::failure::{Failure, Violation};
use veraft_labs::simulate::{record, run};
use veraft_labs::simulator::ClusterOptions;
use veraft_labs::suites::LabTest;
use veraft_labs::trace::{Discrepancy, Endings, validate, validate_judged};
use veraft_models::Judge;

/// Counts what it is asked, and objects to one thing.
#[derive(Debug, Default)]
struct Counts {
    steps: AtomicU64,
    starts: AtomicU64,
    letters: AtomicU64,
    objects: Option<&'static str>,
}

impl Counts {
    fn asked(&self, count: &AtomicU64, about: &'static str) -> Option<String> {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        // Not to the first: a cluster has to begin.
        (self.objects == Some(about) && number == 6).then(|| about.to_owned())
    }
}

impl Judge for Counts {
    fn step(
        &self,
        before: &Server,
        input: &Input,
        output: &Output,
        after: &Server,
    ) -> Option<String> {
        let mut again = before.clone();
        assert_eq!((&again.step(input.clone()), &again), (output, after));
        self.asked(&self.steps, "a step")
    }

    fn restart(&self, disk: &Persistent, after: &Server) -> Option<String> {
        assert_eq!(disk, after.persistent());
        self.asked(&self.starts, "a start")
    }

    fn leaving(
        &self,
        disk: &Persistent,
        server: &Server,
        letters: &[(ServerId, Message)],
    ) -> Option<String> {
        assert!(disk.current_term() <= server.current_term());
        assert_eq!(letters.len(), 1);
        self.asked(&self.letters, "a letter")
    }
}

fn judge(objects: Option<&'static str>) -> &'static Counts {
    Box::leak(Box::new(Counts { objects, ..Counts::default() }))
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[test]
fn what_the_judge_objects_to_ends_a_simulated_run() {
    // With crashes, so that servers start again.
    let test = LabTest::find("persist-1").expect("a test");
    for about in ["a step", "a start", "a letter"] {
        let options =
            ClusterOptions { judge: Some(judge(Some(about))), ..ClusterOptions::default() };
        match run::<Server>(test, 1, &options).outcome {
            Err(Failure::Violation(Violation::Objection { server: _, objection })) => {
                assert_eq!(objection, about);
            }
            other => panic!("{about}: {other:?}"),
        }
    }
}

#[test]
fn what_the_judge_objects_to_is_found_in_a_recording() {
    let directory = TempDir::new().expect("a directory");
    let test = LabTest::find("persist-1").expect("a test");
    let live = judge(None);
    let options = ClusterOptions { judge: Some(live), ..ClusterOptions::default() };
    let (run, files) = record::<Server>(test, 1, &options, directory.path()).expect("files");
    assert_eq!(run.outcome, Ok(()));
    let later = judge(None);
    let validated = validate_judged(&files, Endings::Whole, Some(later)).expect("no fault");
    assert!(validated.steps > 20 && of(&later.starts) > 3, "{validated:?}");
    assert_eq!(validated.judged, validated.steps + validated.lives);
    // The same steps and starts as in the run.
    assert_eq!(of(&later.steps), of(&live.steps));
    assert_eq!(of(&later.starts), of(&live.starts));
    assert!(of(&live.letters) > 20);
    assert_eq!(validate(&files, Endings::Whole).expect("no fault").judged, 0);
    for about in ["a step", "a start"] {
        let found = validate_judged(&files, Endings::Whole, Some(judge(Some(about))));
        let found = found.expect_err("an objection");
        assert_eq!(found[0].problem, Discrepancy::Objection(about.to_owned()));
        assert_eq!(found[0].to_string(), format!("{}: {about}", found[0].at));
    }
}
