//! A steady load, and how it is answered.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::Command;
use veraft::runtime::{Node, PendingProposal};

/// How many commands are in flight at most: so many that only a node that stands still for seconds
/// keeps the next ones from being proposed when they are due.
pub const MOST: usize = 1_000_000;

/// How a steady load was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Commits a second.
    pub rate: f64,
    /// The latency that one command in a hundred passes, from when it was due.
    pub slow: Duration,
    /// How long after it was due one command in a hundred was proposed: of the latency, what the
    /// load generator itself is to blame for.
    pub late: Duration,
    /// How long it lasted.
    pub took: Duration,
}

/// How many commits a second are the most, with 4,096 commands of 64 bytes in flight: with fewer,
/// the disk waits for commands.
pub fn most<'a>(leader: impl Fn() -> &'a Node<u64>) -> f64 {
    const WINDOW: usize = 4096;
    const TIME: Duration = Duration::from_secs(5);
    const BEFORE: Duration = Duration::from_secs(1);
    let (mut leads, command) = (leader(), Command::from(vec![b'x'; 64]));
    let (start, mut committed, mut flying) = (Instant::now(), 0_u64, VecDeque::new());
    while start.elapsed() < BEFORE + TIME {
        flying.push_back(leads.propose(command.clone()));
        if flying.len() < WINDOW {
            continue;
        }
        let oldest: Option<PendingProposal<u64>> = flying.pop_front();
        match oldest.map(PendingProposal::wait) {
            Some(Ok(_)) if start.elapsed() >= BEFORE => committed += 1,
            Some(Ok(_)) | None => {}
            Some(Err(_)) => {
                // Those behind it fail, too.
                flying.clear();
                leads = leader();
            }
        }
    }
    assert!(committed > 0, "nothing was committed");
    committed as f64 / TIME.as_secs_f64()
}

struct Flying {
    due: Instant,
    pending: PendingProposal<u64>,
}

/// Proposes so many commands of 64 bytes a second to whoever leads, until `over`, which is asked
/// from time to time. A command that was not committed counts as none, and one that is due while
/// nobody leads waits.
pub fn steady<'a>(
    rate: f64,
    leader: impl Fn() -> &'a Node<u64>,
    mut over: impl FnMut(Duration) -> bool,
) -> Answered {
    const ASK: Duration = Duration::from_millis(20);
    let (mut leads, command) = (leader(), Command::from(vec![b'x'; 64]));
    let (start, mut asked) = (Instant::now(), Duration::ZERO);
    let (mut proposed, mut flying) = (0_u64, VecDeque::<Flying>::new());
    let (mut latencies, mut late) = (Vec::new(), Vec::new());
    loop {
        let now = Instant::now();
        while (proposed as f64) < rate * (now - start).as_secs_f64() && flying.len() < MOST {
            let due = start + Duration::from_secs_f64(proposed as f64 / rate);
            late.push(due.elapsed());
            flying.push_back(Flying { due, pending: leads.propose(command.clone()) });
            proposed += 1;
        }
        let mut failed = false;
        while flying.front().is_some_and(|one| one.pending.is_done()) {
            let Some(Flying { due, pending }) = flying.pop_front() else { break };
            match pending.wait() {
                Ok(_) => latencies.push(due.elapsed()),
                Err(_) => failed = true,
            }
        }
        if failed {
            leads = leader();
        }
        if now - start >= asked + ASK {
            asked = now - start;
            if over(asked) {
                break;
            }
        }
        thread::sleep(Duration::from_micros(100));
    }
    let took = start.elapsed();
    // What is still in flight counts for latency as far as it has come.
    let rate = latencies.len() as f64 / took.as_secs_f64();
    latencies.extend(flying.iter().map(|one| one.due.elapsed()));
    Answered { rate, slow: slow(&mut latencies), late: slow(&mut late), took }
}

fn slow(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}
