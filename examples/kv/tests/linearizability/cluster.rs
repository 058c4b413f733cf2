//! Five processes of the service, and the links between them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::free_ports;
use crate::link::Link;

pub const NODES: usize = 5;

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

struct Ports {
    clients: u16,
    peers: u16,
}

/// A running cluster. Nodes are numbered from 0; dropping it kills them.
pub struct Cluster {
    directory: PathBuf,
    recordings: PathBuf,
    ports: Vec<Ports>,
    links: BTreeMap<(usize, usize), Arc<Link>>,
    /// What each node is told about its peers: ports of links.
    peers: Vec<Vec<String>>,
    processes: Vec<Mutex<Child>>,
}

impl Cluster {
    pub fn start(directory: &Path, recordings: &Path) -> Cluster {
        let ports = || Ports { clients: free_ports(1), peers: free_ports(1) };
        let ports: Vec<Ports> = (0..NODES).map(|_| ports()).collect();
        let mut links = BTreeMap::new();
        let mut peers = Vec::new();
        for from in 0..NODES {
            let peer = |to: usize| {
                let Ports { clients, peers } = ports[to];
                let (clients, peers) = if from == to {
                    (clients, peers)
                } else {
                    let link: &Arc<Link> = links.entry((from, to)).or_default();
                    (link.lead_to(clients), link.lead_to(peers))
                };
                format!("{}=127.0.0.1:{clients}@{peers}", to + 1)
            };
            peers.push((0..NODES).map(peer).collect::<Vec<String>>());
        }
        fs::create_dir_all(recordings).unwrap();
        let mut cluster = Cluster {
            directory: directory.into(),
            recordings: recordings.into(),
            ports,
            links,
            peers,
            processes: Vec::new(),
        };
        for node in 0..NODES {
            let process = Mutex::new(cluster.spawn(node));
            cluster.processes.push(process);
        }
        cluster
    }

    fn spawn(&self, node: usize) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.log(node)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
        command.args(["--id", &(node + 1).to_string(), "--timeout-ms", "1500"]);
        // Slower than by default: a busy machine must not decide who leads.
        command.args(["--election-ms", "300-600", "--log", "info", "--data"]);
        command.arg(self.directory.join((node + 1).to_string()));
        // An image every few hundred entries, and nodes that need one after a fault.
        command.args(["--compact-at", "20000", "--keep-entries", "50"]);
        for peer in &self.peers[node] {
            command.args(["--peer", peer]);
        }
        command.arg("--record").arg(self.recording(node));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        command.spawn().unwrap()
    }

    fn recording(&self, node: usize) -> PathBuf {
        self.recordings.join(format!("{}.jsonl", node + 1))
    }

    /// Kills every node, in the middle of whatever it does; returns what they recorded.
    pub fn kill_all(&self) -> Vec<PathBuf> {
        (0..NODES).for_each(|node| self.kill(node));
        (0..NODES).map(|node| self.recording(node)).collect()
    }

    fn log(&self, node: usize) -> PathBuf {
        self.directory.join(format!("{}.log", node + 1))
    }

    /// Where clients reach a node: straight, through no link.
    pub fn port(&self, node: usize) -> u16 {
        self.ports[node].clients
    }

    pub fn link(&self, from: usize, to: usize) -> &Link {
        &self.links[&(from, to)]
    }

    /// Kills a node as the system does when it has had enough.
    pub fn kill(&self, node: usize) {
        let mut process = self.processes[node].lock().unwrap();
        if let Some(status) = process.try_wait().unwrap() {
            panic!("node {} had ended by itself: {status}\n{}", node + 1, self.tail(node));
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub fn restart(&self, node: usize) {
        *self.processes[node].lock().unwrap() = self.spawn(node);
    }

    pub fn signal(&self, node: usize, signal: Signal) {
        let id = self.processes[node].lock().unwrap().id();
        kill(Pid::from_raw(id as i32), signal).unwrap();
    }

    /// The node that says it leads the latest term.
    pub fn leader(&self) -> Option<usize> {
        let led = |node| {
            let info = self.info(node)?;
            (info.get("role")? == "leader").then(|| (info["term"].parse::<u64>().unwrap(), node))
        };
        (0..NODES).filter_map(led).max().map(|(_, node)| node)
    }

    /// What a node says of itself.
    pub fn info(&self, node: usize) -> Option<BTreeMap<String, String>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port(node))).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream.write_all(b"INFO raft\r\nQUIT\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Some(fields.map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Waits until every node has applied all that any node has committed.
    pub fn wait_until_equal(&self) {
        let give_up = Instant::now() + LONG;
        loop {
            let infos: Vec<_> = (0..NODES).filter_map(|node| self.info(node)).collect();
            let field = |name: &str| {
                let mut values: Vec<_> = infos.iter().filter_map(|info| info.get(name)).collect();
                values.dedup();
                if values.len() == 1 { values.pop().cloned() } else { None }
            };
            let applied = field("applied_index");
            if infos.len() == NODES && applied.is_some() && applied == field("last_log_index") {
                return;
            }
            if Instant::now() > give_up {
                let tails: Vec<_> = (0..NODES).map(|node| self.tail(node)).collect();
                panic!("the nodes do not come to the same state: {infos:?}\n{}", tails.join("\n"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The end of a node's log.
    pub fn tail(&self, node: usize) -> String {
        let mut text = String::new();
        File::open(self.log(node)).unwrap().read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            if let Ok(process) = process.get_mut() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
