//! The simulated network: delay, loss, duplication and cuts.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use veraft::figure2::Message;

/// How the network treats messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Weather {
    /// How long a message is under way, in microseconds.
    pub delay: RangeInclusive<u64>,
    /// The chance that a request, or a reply, is lost.
    pub loss: f64,
    /// The chance that a message arrives twice.
    pub duplication: f64,
    /// The chance that a message arrives far too late, and how late at most, in microseconds.
    pub straggling: (f64, u64),
}

impl Weather {
    /// 1 to 10 ms, no loss.
    pub const RELIABLE: Weather =
        Weather { delay: 1_000..=10_000, loss: 0.0, duplication: 0.0, straggling: (0.0, 0) };

    /// 0 to 26 ms; a tenth of the requests and a tenth of the replies are lost.
    pub const UNRELIABLE: Weather = Weather { delay: 0..=26_000, loss: 0.1, ..Weather::RELIABLE };

    /// As unreliable, and a tenth of the messages arrive up to 3 s late.
    pub const STRAGGLING: Weather = Weather { straggling: (0.1, 3_000_000), ..Weather::UNRELIABLE };
}

/// Which servers can be reached, and how messages fare between them.
pub struct Links {
    weather: Weather,
    connected: Vec<bool>,
    /// How many requests have arrived at each server.
    requests: Vec<u64>,
}

/// What becomes of a message that was sent.
pub enum Delivery {
    /// The sender or the receiver is cut off.
    CutOff,
    /// It gets lost on the way.
    Lost,
    /// It arrives after this time; where two are given, once after each.
    Arrives(Duration, Option<Duration>),
}

impl Links {
    /// A reliable network that connects all of `servers`.
    pub fn new(servers: usize) -> Links {
        Links {
            weather: Weather::RELIABLE,
            connected: vec![true; servers],
            requests: vec![0; servers],
        }
    }

    /// Changes how messages fare from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Cuts a server off, or connects it again.
    pub fn set_connected(&mut self, server: usize, connected: bool) {
        self.connected[server] = connected;
    }

    /// Whether messages get from one server to the other.
    pub fn connects(&self, from: usize, to: usize) -> bool {
        self.connected[from] && self.connected[to]
    }

    /// Decides what becomes of a message.
    pub fn send(&self, from: usize, to: usize, rng: &mut Xoshiro256PlusPlus) -> Delivery {
        if !self.connects(from, to) {
            return Delivery::CutOff;
        }
        let Weather { delay, loss, duplication, straggling: (late, latest) } = &self.weather;
        if rng.random_bool(*loss) {
            return Delivery::Lost;
        }
        let mut delay = || {
            let extra = if rng.random_bool(*late) { rng.random_range(0..=*latest) } else { 0 };
            Duration::from_micros(rng.random_range(delay.clone()) + extra)
        };
        let first = delay();
        let second = delay();
        let twice = rng.random_bool(*duplication);
        Delivery::Arrives(first, twice.then_some(second))
    }

    /// Counts a message that reached a server.
    pub fn arrived(&mut self, to: usize, message: &Message) {
        match message {
            Message::RequestVote(_) | Message::AppendEntries(_) | Message::InstallSnapshot(_) => {
                self.requests[to] += 1;
            }
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => {}
        }
    }

    /// How many requests have arrived at a server.
    pub fn requests(&self, server: usize) -> u64 {
        self.requests[server]
    }
}
