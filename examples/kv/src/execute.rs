//! Runs operations: on this node if it leads, else on the one that does.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use veraft::figure2::ServerId;
use veraft::runtime::{Applied, ProposeError};

use crate::entry::to_command;
use crate::lane::{self, Account};
use crate::operation::{Answer, Operation};
use crate::reply::{self, NOT_LEADER, Reply};
use crate::service::Shared;

/// How long to wait before another attempt; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This is the reply.
    Done(Reply),
    /// It is in no log and never will be: another attempt cannot execute it twice.
    NotExecuted(String),
    /// It may have been executed, or may yet be.
    Unknown(String),
}

/// Runs the operations of one client.
pub struct Executor {
    shared: Arc<Shared>,
    account: Account,
    /// Whether the client is a node that forwards: it sees to other attempts itself.
    pub serves_node: bool,
}

impl Executor {
    pub fn new(shared: Arc<Shared>) -> Self {
        Executor { shared, account: Account::default(), serves_node: false }
    }

    /// Runs operations, which take effect in this order; one reply for each.
    ///
    /// What was not executed is tried again until the time is over, unless a later operation
    /// may have been executed already.
    pub fn run(&mut self, all: &[&Operation]) -> Vec<Reply> {
        let deadline = Instant::now() + self.shared.timeout;
        let mut outcomes = Vec::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let attempted = self.attempt(&all[outcomes.len()..], deadline);
            let again = retriable(&attempted);
            let over = Instant::now() + pause >= deadline || self.shared.node.status().is_err();
            if again == attempted.len() || self.serves_node || over {
                outcomes.extend(attempted);
                break;
            }
            outcomes.extend(attempted.into_iter().take(again));
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let replies = all.iter().zip(outcomes);
        replies.map(|(operation, outcome)| self.reply(operation, outcome)).collect()
    }

    fn reply(&self, operation: &Operation, outcome: Outcome) -> Reply {
        match outcome {
            Outcome::Done(reply) => reply,
            Outcome::NotExecuted(reason) if self.serves_node => {
                reply::error(format!("{NOT_LEADER} {reason}"))
            }
            Outcome::NotExecuted(reason) => {
                reply::error(format!("CLUSTERDOWN not executed, try again: {reason}"))
            }
            Outcome::Unknown(reason) if operation.only_reads() => {
                reply::error(format!("CLUSTERDOWN not read, try again: {reason}"))
            }
            Outcome::Unknown(reason) => reply::error(format!(
                "UNCERTAIN the command may have been executed, or may yet be, once: {reason}"
            )),
        }
    }

    /// One attempt; an outcome for each operation.
    fn attempt(&mut self, operations: &[&Operation], deadline: Instant) -> Vec<Outcome> {
        let leader = self.shared.node.status().ok().and_then(|status| status.leader);
        match leader {
            Some(leader) if leader != self.shared.node.id() && !self.serves_node => {
                self.forward(leader, operations, deadline)
            }
            _ => self.propose(operations, deadline),
        }
    }

    fn propose(&mut self, operations: &[&Operation], deadline: Instant) -> Vec<Outcome> {
        let Shared { node, clock, lane, .. } = &*self.shared;
        let cost = lane::cost(operations.iter().copied());
        let Some(_pass) = lane.enter(&mut self.account, cost, deadline) else {
            return not_executed(operations, "other clients had their turns first");
        };
        let propose = |operation: &&Operation| {
            // This node may lead by now; if it does not, the stamp is never seen.
            let command = to_command(operation, clock.stamp(Instant::now()));
            match operation.is_worth_room() {
                true => node.propose_small(command),
                false => node.propose(command),
            }
        };
        let pending: Vec<_> = operations.iter().map(propose).collect();
        let wait = |pending: veraft::runtime::PendingProposal<Answer>| {
            outcome(pending.wait_timeout(deadline.saturating_duration_since(Instant::now())))
        };
        pending.into_iter().map(wait).collect()
    }

    fn forward(
        &mut self,
        leader: ServerId,
        operations: &[&Operation],
        deadline: Instant,
    ) -> Vec<Outcome> {
        let Some(address) = self.shared.clients.get(&leader) else {
            return not_executed(operations, &format!("{leader} leads, at no known address"));
        };
        let light = lane::is_light(lane::cost(operations.iter().copied()));
        let lent = self.shared.pools.of(light).lend(leader, address, deadline);
        let (mut outcomes, result) = match lent {
            Err(error) => {
                let reason = format!("cannot reach {leader}, which leads: {error}");
                return not_executed(operations, &reason);
            }
            Ok(mut lent) => {
                let (outcomes, result) = lent.upstream().run(operations, deadline);
                if result.is_ok() {
                    lent.give_back();
                }
                (outcomes, result)
            }
        };
        if let Err(broken) = result {
            let reason = format!("lost {leader}, which leads: {}", broken.error);
            for (at, operation) in operations.iter().enumerate().skip(outcomes.len()) {
                // To read twice does no harm.
                let known = at >= broken.sent || operation.only_reads();
                outcomes.push(match known {
                    true => Outcome::NotExecuted(reason.clone()),
                    false => Outcome::Unknown(reason.clone()),
                });
            }
        }
        outcomes
    }
}

fn not_executed(operations: &[&Operation], reason: &str) -> Vec<Outcome> {
    operations.iter().map(|_| Outcome::NotExecuted(reason.into())).collect()
}

/// From which outcome on all may be tried again: the longest end of the list that holds nothing
/// but operations that were not executed.
fn retriable(outcomes: &[Outcome]) -> usize {
    let settled = |outcome: &Outcome| !matches!(outcome, Outcome::NotExecuted(_));
    outcomes.iter().rposition(settled).map_or(0, |last| last + 1)
}

fn outcome(result: Result<Applied<Answer>, ProposeError>) -> Outcome {
    match result {
        Ok(applied) => Outcome::Done(applied.response.into()),
        Err(ProposeError::TooLarge { bytes, limit }) => Outcome::Done(reply::error(format!(
            "ERR a command of {bytes} bytes, where {limit} are allowed"
        ))),
        // In the word of Redis for a disk that takes no more. Another attempt would be no better.
        Err(error @ ProposeError::StoreFull { .. }) => {
            Outcome::Done(reply::error(format!("MISCONF not executed: {error}")))
        }
        Err(error) if error.may_still_commit() => Outcome::Unknown(format!("{error:?}")),
        Err(error) => Outcome::NotExecuted(format!("{error:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_later_overtook_is_tried_again() {
        let done = || Outcome::Done(reply::ok());
        let not = || Outcome::NotExecuted(String::new());
        let unknown = || Outcome::Unknown(String::new());
        assert_eq!(retriable(&[]), 0);
        assert_eq!(retriable(&[not(), not()]), 0);
        assert_eq!(retriable(&[done(), not(), not()]), 1);
        assert_eq!(retriable(&[unknown(), not()]), 1);
        assert_eq!(retriable(&[not(), done(), not()]), 2);
        assert_eq!(retriable(&[not(), unknown()]), 2);
        assert_eq!(retriable(&[done(), done()]), 2);
    }
}
