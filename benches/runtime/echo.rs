//! One command in flight over TCP, beside a bare echo of the same bytes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use veraft::runtime::{MemoryStorage, Node};

use crate::{Outcome, cluster, median};

const TURNS: usize = 9;
const ROUNDS: usize = 2000;

/// What goes to a peer and what comes back, in bytes, for one commit.
struct Frames {
    request: usize,
    reply: usize,
}

pub fn latency() -> Outcome {
    let nodes = cluster::start(|_| MemoryStorage::new(), cluster::tcp());
    let leader = cluster::leader(&nodes);
    cluster::latencies(leader, ROUNDS);
    let frames = frames(leader);
    let mut echo = Echo::start(&frames, 3);
    echo.latencies(ROUNDS);
    let at = |latencies: &[Duration], share: f64| {
        latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e6
    };
    let turns: Vec<[f64; 4]> = (0..TURNS)
        .map(|_| {
            let (commits, echoes) = (cluster::latencies(leader, ROUNDS), echo.latencies(ROUNDS));
            [at(&commits, 0.5), at(&commits, 0.99), at(&echoes, 0.5), at(&echoes, 0.99)]
        })
        .collect();
    let of = |number: usize| median(turns.iter().map(|turn| turn[number]));
    let ratios = || turns.iter().map(|turn| turn[0] / turn[2]);
    let ratio = median(ratios());
    let (least, most) = (ratios().fold(f64::MAX, f64::min), ratios().fold(0.0, f64::max));
    Outcome {
        measured: format!(
            "median {:.0} us, 99th percentile {:.0} us; a bare echo of the same {} and {} bytes over \
             three sockets {:.0} us and {:.0} us: {ratio:.2} times ({least:.2} to {most:.2} in {TURNS} turns)",
            of(0),
            of(1),
            frames.request,
            frames.reply,
            of(2),
            of(3),
        ),
        target: "1.4 times the echo",
        reached: ratio <= 1.4,
    }
}

fn frames(leader: &Node<u64>) -> Frames {
    let sums = || {
        leader.metrics().unwrap().peers.values().fold([0; 4], |sums, peer| {
            let counts =
                [peer.bytes_sent, peer.messages_sent, peer.bytes_received, peer.messages_received];
            [0, 1, 2, 3].map(|at: usize| sums[at] + counts[at])
        })
    };
    let before = sums();
    cluster::latencies(leader, ROUNDS);
    let after = sums();
    let counted = [0, 1, 2, 3].map(|at: usize| after[at] - before[at]);
    Frames {
        request: (counted[0] / counted[1]) as usize,
        reply: (counted[2] / counted[3]) as usize,
    }
}

/// Threads that answer each request on a socket, one for each.
struct Echo {
    sockets: Vec<TcpStream>,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Echo {
    fn start(frames: &Frames, count: usize) -> Echo {
        let connect = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let (mut request, reply) = (vec![0; frames.request], vec![0; frames.reply]);
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            thread::spawn(move || {
                while far.read_exact(&mut request).is_ok() && far.write_all(&reply).is_ok() {}
            });
            near
        };
        Echo {
            sockets: (0..count).map(connect).collect(),
            request: vec![0; frames.request],
            reply: vec![0; frames.reply],
        }
    }

    /// How long it takes until all have answered, sorted.
    fn latencies(&mut self, count: usize) -> Vec<Duration> {
        let Echo { sockets, request, reply } = self;
        let mut once = || {
            let start = Instant::now();
            sockets.iter_mut().for_each(|socket| socket.write_all(request).unwrap());
            sockets.iter_mut().for_each(|socket| socket.read_exact(reply).unwrap());
            start.elapsed()
        };
        let mut latencies: Vec<Duration> = (0..count).map(|_| once()).collect();
        latencies.sort_unstable();
        latencies
    }
}
