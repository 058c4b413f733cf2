//! What happens to the nodes while clients work.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::cluster::{Cluster, NODES};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL; it starts again after a while.
    Kill,
    /// SIGSTOP; it goes on after a while, and takes itself for what it was.
    Pause,
    /// Nothing gets from the node to its peers, or back.
    CutOff,
    /// Nothing gets from the node to its peers.
    CannotSend,
    /// Nothing gets from its peers to the node.
    CannotReceive,
    /// Two nodes on one side, three on the other.
    Split,
    /// The links of the node are slow.
    Slow,
}

const ALL: [Fault; 7] = [
    Fault::Kill,
    Fault::Pause,
    Fault::CutOff,
    Fault::CannotSend,
    Fault::CannotReceive,
    Fault::Split,
    Fault::Slow,
];

/// Two faults at once at most, each on a node of its own, until there were enough.
pub struct Faults {
    wanted: usize,
    begun: AtomicUsize,
    counts: Mutex<BTreeMap<Fault, usize>>,
    /// Nodes that a lane works on.
    busy: Mutex<[bool; NODES]>,
}

impl Faults {
    pub fn new(wanted: usize) -> Faults {
        Faults {
            wanted,
            begun: AtomicUsize::new(0),
            counts: Mutex::default(),
            busy: Mutex::new([false; NODES]),
        }
    }

    pub fn counts(&self) -> BTreeMap<Fault, usize> {
        self.counts.lock().unwrap().clone()
    }

    /// One lane of faults, one after the other.
    pub fn lane(&self, cluster: &Cluster, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        while self.begun.fetch_add(1, Ordering::Relaxed) < self.wanted {
            let fault = *ALL.choose(&mut random).unwrap();
            // A fault of the leader is worth most.
            let leader = if random.random_bool(0.6) { cluster.leader() } else { None };
            let node = self.occupy(leader.unwrap_or(random.random_range(0..NODES)));
            let lasts = Duration::from_millis(random.random_range(200..900));
            self.inflict(cluster, fault, node, lasts, &mut random);
            *self.counts.lock().unwrap().entry(fault).or_default() += 1;
            self.busy.lock().unwrap()[node] = false;
            thread::sleep(Duration::from_millis(random.random_range(50..400)));
        }
    }

    /// Takes a node, or else the next one that no lane works on.
    fn occupy(&self, wish: usize) -> usize {
        let mut busy = self.busy.lock().unwrap();
        let free = (wish..wish + NODES).map(|node| node % NODES).find(|&node| !busy[node]);
        let free = free.expect("there are more nodes than lanes");
        busy[free] = true;
        free
    }

    fn inflict(
        &self,
        cluster: &Cluster,
        fault: Fault,
        node: usize,
        lasts: Duration,
        random: &mut StdRng,
    ) {
        let others = (0..NODES).filter(|&other| other != node);
        let out: Vec<_> = others.clone().map(|other| (node, other)).collect();
        let back: Vec<_> = others.clone().map(|other| (other, node)).collect();
        let cut = |links: &[(usize, usize)]| {
            links.iter().for_each(|&(from, to)| cluster.link(from, to).cut());
            thread::sleep(lasts);
            links.iter().for_each(|&(from, to)| cluster.link(from, to).heal());
        };
        match fault {
            Fault::Kill => {
                cluster.kill(node);
                thread::sleep(lasts);
                cluster.restart(node);
            }
            Fault::Pause => {
                cluster.signal(node, Signal::SIGSTOP);
                thread::sleep(lasts);
                cluster.signal(node, Signal::SIGCONT);
            }
            Fault::CutOff => cut(&[out, back].concat()),
            Fault::CannotSend => cut(&out),
            Fault::CannotReceive => cut(&back),
            Fault::Split => {
                let mut others: Vec<usize> = others.collect();
                others.shuffle(random);
                let (friend, rest) = (others[0], &others[1..]);
                let between = [node, friend].into_iter().flat_map(|one| {
                    rest.iter().flat_map(move |&other| [(one, other), (other, one)])
                });
                cut(&between.collect::<Vec<_>>());
            }
            Fault::Slow => {
                let links = [out, back].concat();
                links.iter().for_each(|&(from, to)| cluster.link(from, to).slow());
                thread::sleep(lasts);
                links.iter().for_each(|&(from, to)| cluster.link(from, to).hurry());
            }
        }
    }
}
