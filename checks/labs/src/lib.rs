//! The public Raft labs as scripts, each written once, and the clusters they run on.
//!
//! ```text
//!   suites ──► Lab ──► Harness ──┬──► Simulator   virtual time, one seed, thousands of runs
//!  (scripts) (one,     (start,   │
//!            check_..)  crash..) └──► real nodes  threads and real time
//! ```
//!
//! | suite | test | servers | what it shows |
//! |---|---|---|---|
//! | 2A | `initial-election` | 3 | a leader is elected, and kept while nothing fails |
//! | 2A | `re-election` | 3 | a leader that is cut off is replaced; none without a majority |
//! | 2A | `many-elections` | 7 | a leader in each of 10 rounds, whichever 3 are away |
//! | 2B | `basic-agree-3`, `-5` | 3, 5 | commands are applied on all, at indices 1, 2, 3 |
//! | 2B | `fail-agree` | 3 | agreement without a follower, and with it again |
//! | 2B | `fail-no-agree` | 5 | nothing is applied without a majority |
//! | 2B | `concurrent-starts` | 3 | commands offered at once are all applied |
//! | 2B | `rejoin` | 3 | a leader that was away gives up what nobody else has |
//! | 2B | `backup` | 5 | logs far astray are brought up to date quickly |
//! | 2B | `count` | 3 | elections, agreement and idleness take few RPCs |
//! | 2C | `persist-1`, `-2`, `-3` | 3, 5, 3 | what was agreed outlives restarts |
//! | 2C | `figure-8` | 5 | 1000 crashes of leaders; all agree in the end |
//! | 2C | `unreliable-agree` | 5 | every command is applied on a network that loses messages |
//! | 2D | `snapshot-basic` | 3 | logs stay short |
//! | 2D | `install`, `-crash`, `-lossy`, `-lossy-crash` | 3 | who lacks what others compacted gets an image |
//! | 2D | `snapshot-all-crash` | 3 | all go on from their images |
//! | 2D | `snapshot-init` | 3 | an image is there after a second start, too |
//! | extra | `storm-3`, `-4`, `-5` | 3, 4, 5 | crashes and cuts right when terms and leaders change |
//! | extra | `late-votes` | 3 | votes of one election arrive in the next |
//! | extra | `catch-up` | 5 | logs far apart are brought together in a few round trips |
//!
//! The extra tests are ours: they find faults that the labs let pass.
//!
//! On the simulator each run also checks, at every step: Election Safety, Leader Append-Only,
//! Leader Completeness, State Machine Safety, terms and commit indices that never fall,
//! commits that are durable on a majority, at most 10 heartbeats a second; and Log Matching
//! every second and at the end.
//!
//! [`simulate`](mod@simulate) runs tests over many seeds; [`suites`] holds the scripts;
//! [`trace`] validates what nodes recorded, on either kind of cluster.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod agreement;
pub mod failure;
mod guard;
pub mod harness;
pub mod lab;
pub mod oracle;
pub mod real;
pub mod simulate;
pub mod simulator;
pub mod suites;
pub mod trace;
