//! A turn: what a client gets done before others are looked at again.

use crate::command::{Action, Session, understand};
use crate::request::{Breach, Requests};

/// How many requests there are in a turn at most, and from how many bytes on it is full.
const MAX_REQUESTS: usize = 1024;
const MAX_BYTES: usize = 64 * 1024;

/// How many values the replies of a turn may hold: the replies of a turn are in memory together,
/// and how large they are is known afterwards only.
const MAX_VALUES: usize = 64;

/// How many a client begins with.
const FIRST_VALUES: usize = 8;

/// How many bytes of values a turn should lead to.
const REPLY_BYTES: usize = 512 * 1024;

/// What a client sent, as far as it is done at once.
pub struct Turn {
    pub actions: Vec<Action>,
    pub end: Option<End>,
    /// How many values the replies may hold.
    values: usize,
}

/// How a connection ends after a turn.
pub enum End {
    Quit,
    Breach(Breach),
}

/// What the values were like that a client has read last, by which its next turn is cut.
pub struct Appetite {
    values: usize,
    /// The mean size of the values that it has read last.
    size: usize,
}

impl Default for Appetite {
    fn default() -> Self {
        Appetite { values: FIRST_VALUES, size: 0 }
    }
}

impl Appetite {
    /// How many bytes the values of a turn will probably have.
    pub fn expects(&self, turn: &Turn) -> usize {
        turn.values * self.size
    }

    /// The replies of a turn held so many bytes of values.
    pub fn ate(&mut self, turn: &Turn, bytes: usize) {
        if turn.values == 0 {
            return;
        }
        self.size = bytes / turn.values;
        let fit = REPLY_BYTES / self.size.max(1);
        self.values = fit.min(self.values * 2).clamp(1, MAX_VALUES);
    }
}

impl Turn {
    /// Takes the requests that are here, as far as they go into a turn.
    pub fn gather(requests: &mut Requests, appetite: &Appetite, forwarded: bool) -> Turn {
        let mut turn = Turn { actions: Vec::new(), end: None, values: 0 };
        let before = requests.buffered();
        while turn.actions.len() < MAX_REQUESTS
            && before - requests.buffered() < MAX_BYTES
            && turn.values < appetite.values
        {
            let action = match requests.next() {
                Ok(None) => break,
                Ok(Some(request)) => understand(request, forwarded),
                Err(breach) => {
                    turn.end = Some(End::Breach(breach));
                    break;
                }
            };
            if let Action::Replicate(operation) = &action {
                turn.values += operation.values();
            }
            // What comes behind is understood in another way.
            let last = action == Action::Session(Session::Forwarded);
            if let Action::Quit(_) = action {
                turn.end = Some(End::Quit);
            }
            turn.actions.push(action);
            if last || turn.end.is_some() {
                break;
            }
        }
        turn
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(bytes: &[u8]) -> Requests {
        let mut requests = Requests::default();
        let mut bytes = bytes;
        while requests.read_from(&mut bytes).unwrap() > 0 {}
        requests
    }

    #[test]
    fn a_turn_is_full_by_bytes_and_by_requests() {
        let appetite = Appetite::default();
        let mut small = requests(&b"PING\r\n".repeat(3000));
        assert_eq!(Turn::gather(&mut small, &appetite, false).actions.len(), MAX_REQUESTS);
        let value = "v".repeat(30_000);
        let set = format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$30000\r\n{value}\r\n");
        let mut large = requests(set.repeat(9).as_bytes());
        assert_eq!(Turn::gather(&mut large, &appetite, false).actions.len(), 3);
    }

    #[test]
    fn who_reads_large_values_reads_few_at_once() {
        let mut appetite = Appetite::default();
        let mut requests = requests(&b"GET a\r\n".repeat(1000));
        let mut counts = Vec::new();
        for size in [1024 * 1024, 1024 * 1024, 1, 1, 1, 1, 1, 1, 1, 1024 * 1024, 1] {
            let turn = Turn::gather(&mut requests, &appetite, false);
            counts.push(turn.actions.len());
            appetite.ate(&turn, size * turn.actions.len());
        }
        assert_eq!(counts, [8, 1, 1, 2, 4, 8, 16, 32, 64, 64, 1]);
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut requests = requests(b"PING\r\nQUIT\r\nPING\r\n");
        let turn = Turn::gather(&mut requests, &Appetite::default(), false);
        assert_eq!(turn.actions.len(), 2);
        assert!(matches!(turn.end, Some(End::Quit)));
    }
}
