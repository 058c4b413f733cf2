//! Keys expire by the time of the log: it goes on over a change of leader, and stands still while
//! the cluster is down.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Each test must end.
const LONG: Duration = Duration::from_secs(90);

/// How far the time of the log goes on at most without an entry, in milliseconds: see `clock.rs`.
const LAPSE: i64 = 2000;

struct Cluster {
    directory: tempfile::TempDir,
    first_port: u16,
    nodes: Vec<Option<Child>>,
}

impl Cluster {
    fn start() -> Cluster {
        let mut cluster = Cluster {
            directory: tempfile::tempdir().unwrap(),
            first_port: common::free_ports(6),
            nodes: vec![None, None, None],
        };
        (0..3).for_each(|node| cluster.run(node));
        cluster
    }

    fn run(&mut self, node: u16) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
        command.args(["--id", &(node + 1).to_string(), "--log", "error"]);
        command.args(["--election-ms", "600-1200"]);
        command.arg("--data").arg(self.directory.path().join(node.to_string()));
        for peer in 0..3 {
            let (clients, peers) = (self.first_port + peer, self.first_port + 3 + peer);
            command.args(["--peer", &format!("{}=127.0.0.1:{clients}@{peers}", peer + 1)]);
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.nodes[usize::from(node)] = Some(child);
    }

    fn kill(&mut self, node: u16) {
        let mut child = self.nodes[usize::from(node)].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn ask_once(&self, node: u16, line: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.first_port + node))?;
        stream.set_read_timeout(Some(LONG))?;
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The first line that a node answers, once it is up and there is a leader.
    fn ask(&self, node: u16, line: &str) -> String {
        let give_up = Instant::now() + LONG;
        loop {
            let answer = self.ask_once(node, line).unwrap_or_default();
            match answer.lines().next() {
                Some(line) if !line.starts_with("-CLUSTERDOWN") => return line.into(),
                _ => assert!(Instant::now() < give_up, "{line}: no answer: {answer}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn left(&self, node: u16, key: &str) -> i64 {
        self.ask(node, &format!("PTTL {key}")).trim_start_matches(':').parse().unwrap()
    }

    fn leader(&self) -> u16 {
        let give_up = Instant::now() + LONG;
        loop {
            let leads = |node: &u16| {
                self.ask_once(*node, "INFO raft").is_ok_and(|info| info.contains("role:leader"))
            };
            if let Some(leader) = (0..3).find(leads) {
                return leader;
            }
            assert!(Instant::now() < give_up, "no leader");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        common::end(self.nodes.iter_mut().flatten());
    }
}

fn elapsed(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap()
}

#[test]
fn time_stands_still_while_the_whole_cluster_is_down() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.ask(0, "SET key value PX 600000"), "+OK");
    assert_eq!(cluster.ask(1, "SET lasting value"), "+OK");
    let before = cluster.left(2, "key");
    let asked = Instant::now();
    (0..3).for_each(|node| cluster.kill(node));
    let down = Instant::now();
    thread::sleep(Duration::from_secs(8));
    let down_for = elapsed(down);
    (0..3).for_each(|node| cluster.run(node));
    let after = cluster.left(1, "key");
    let passed = before - after;
    // What has passed is at most the time that it was up, and what a clock goes on by itself.
    assert!(passed >= 0 && passed <= elapsed(asked) - down_for + LAPSE, "{passed} ms");
    assert_eq!(cluster.ask(0, "TTL lasting"), ":-1");
}

#[test]
fn time_goes_on_over_a_change_of_leader() {
    let mut cluster = Cluster::start();
    let began = Instant::now();
    assert_eq!(cluster.ask(0, "SET key value PX 600000"), "+OK");
    assert_eq!(cluster.ask(0, "SET short value PX 4000"), "+OK");
    for _ in 0..2 {
        let leader = cluster.leader();
        let other = (leader + 1) % 3;
        let before = cluster.left(other, "key");
        cluster.kill(leader);
        let after = cluster.left(other, "key");
        assert!(after <= before, "time goes back: {before} ms left, then {after}");
        // It may catch up with what it had stood behind, on a busy machine.
        let passed = 600_000 - after;
        assert!(passed <= elapsed(began), "time jumps: {before}, then {after}");
        cluster.run(leader);
    }
    // By ticks alone: nobody asks for anything that goes into the log, until it must be over.
    let nobody = Duration::from_secs(8);
    thread::sleep(nobody);
    assert_eq!(cluster.ask(1, "GET short"), "$-1");
    let passed = 600_000 - cluster.left(0, "key");
    assert!(passed <= elapsed(began), "{passed} ms have passed, early");
    assert!(passed > LAPSE + 3000, "{passed} ms have passed: it stood still");
}
