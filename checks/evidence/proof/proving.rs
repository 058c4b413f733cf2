//! Has solvers prove obligations, several at a time.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::obligations::Obligation;
use super::solver::{Answer, Solver};

/// How to ask.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Whom. Each is asked everything.
    pub solvers: Vec<Solver>,
    /// What their random choices begin with: each question is asked with every one of these.
    pub seeds: Range<u32>,
    /// How long one question may take.
    pub limit: Duration,
    /// Where every question is kept, as the solver gets it, if it is to be.
    pub keep: Option<PathBuf>,
    /// How many are asked at a time.
    pub workers: usize,
}

/// What a solver said of an obligation.
#[derive(Clone, Debug, Serialize)]
pub struct Opinion {
    /// The solver.
    pub solver: Solver,
    /// Its verdict on all questions: the worst of them.
    pub verdict: Answer,
    /// How many questions it was asked.
    pub questions: usize,
    /// How long all of them took, in seconds by the wall: no less than its processor time, for it
    /// works on one thread.
    #[serde(serialize_with = "in_millis")]
    pub seconds: f64,
    /// How long the longest of them took.
    #[serde(serialize_with = "in_millis")]
    pub longest: f64,
    /// Why there is no verdict, if the solver failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// More digits would be noise.
fn in_millis<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1000.0).round() / 1000.0)
}

impl Opinion {
    fn hear(&mut self, answer: io::Result<(Answer, Duration)>) {
        self.questions += 1;
        match answer {
            Ok((answer, took)) => {
                self.verdict = self.verdict.max(answer);
                self.seconds += took.as_secs_f64();
                self.longest = self.longest.max(took.as_secs_f64());
            }
            Err(failure) => {
                self.verdict = self.verdict.max(Answer::Unknown);
                self.failure = Some(failure.to_string());
            }
        }
    }
}

/// An obligation, and what was said of it.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// By each solver, in the order in which they stand in [`Asking`].
    pub said: Vec<Opinion>,
}

impl Judged {
    /// The verdict: refuted if any solver says so, else proved if any does.
    pub fn verdict(&self) -> Answer {
        let says = |answer| self.said.iter().any(|said| said.verdict == answer);
        match (says(Answer::Refuted), says(Answer::Proved)) {
            (true, _) => Answer::Refuted,
            (false, true) => Answer::Proved,
            (false, false) => Answer::Unknown,
        }
    }
}

/// Asks of each obligation, and shows each that is judged to `judged`, in whatever order; answers
/// with all, in the order of `obligations`.
pub fn prove(
    obligations: &[Obligation],
    asking: &Asking,
    mut judged: impl FnMut(&Judged),
) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let (done, ready) = mpsc::channel();
    let mut all: Vec<(usize, Judged)> = thread::scope(|scope| {
        for _ in 0..asking.workers.max(1) {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                while let place = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(obligation) = obligations.get(place)
                    && done.send((place, judge(obligation, asking))).is_ok()
                {}
            });
        }
        drop(done);
        ready.iter().inspect(|(_, one)| judged(one)).collect()
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, judged)| judged).collect()
}

fn judge(obligation: &Obligation, asking: &Asking) -> Judged {
    let say = |&solver| say(obligation, solver, asking);
    Judged { name: obligation.name.clone(), said: asking.solvers.iter().map(say).collect() }
}

fn say(obligation: &Obligation, solver: Solver, asking: &Asking) -> Opinion {
    let mut said = Opinion {
        solver,
        verdict: Answer::Proved,
        questions: 0,
        seconds: 0.0,
        longest: 0.0,
        failure: None,
    };
    for (number, case) in obligation.cases.iter().enumerate() {
        let keep = asking.keep.as_deref().map(|folder| file(folder, obligation, number, solver));
        for seed in asking.seeds.clone() {
            said.hear(solver.ask(case, seed, asking.limit, keep.as_deref()));
        }
    }
    said
}

/// Where a question is kept.
fn file(folder: &Path, obligation: &Obligation, number: usize, solver: Solver) -> PathBuf {
    let name = obligation.name.replace([' ', '/'], "-");
    folder.join(format!("{name}-{number}.{}.smt2", solver.program()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{Proved, Refuted, Unknown};

    fn said(answers: &[Answer]) -> Opinion {
        let mut said = Opinion {
            solver: Solver::Z3,
            verdict: Proved,
            questions: 0,
            seconds: 0.0,
            longest: 0.0,
            failure: None,
        };
        answers.iter().for_each(|&answer| said.hear(Ok((answer, Duration::from_secs(1)))));
        said
    }

    #[test]
    fn of_several_questions_the_worst_answer_counts() {
        let cases: [(&[Answer], Answer); 4] = [
            (&[Proved, Proved], Proved),
            (&[Proved, Unknown, Proved], Unknown),
            (&[Refuted, Unknown], Refuted),
            (&[Proved, Refuted, Proved], Refuted),
        ];
        for (answers, worst) in cases {
            assert_eq!(said(answers).verdict, worst, "{answers:?}");
        }
        let mut failed = said(&[Proved]);
        failed.hear(Err(io::Error::other("gone")));
        assert_eq!((failed.verdict, failed.questions), (Unknown, 2));
    }

    #[test]
    fn of_several_solvers_one_that_refutes_counts_and_else_one_that_proves() {
        let cases: [(&[Answer], Answer); 5] = [
            (&[Proved, Proved], Proved),
            (&[Unknown, Proved], Proved),
            (&[Proved, Refuted], Refuted),
            (&[Refuted, Unknown], Refuted),
            (&[Unknown, Unknown], Unknown),
        ];
        for (answers, verdict) in cases {
            let said = answers.iter().map(|&answer| said(&[answer])).collect();
            let judged = Judged { name: String::new(), said };
            assert_eq!(judged.verdict(), verdict, "{answers:?}");
        }
    }
}
