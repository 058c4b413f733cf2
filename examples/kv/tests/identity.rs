//! Disks and lists of servers that do not belong together, with the real program: what its
//! operator sees, and how a wiped server comes back.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here depends on how fast something happens, but each test must end.
const LONG: Duration = Duration::from_secs(90);

struct Cluster {
    directory: tempfile::TempDir,
    first_port: u16,
    nodes: Vec<Option<Child>>,
}

impl Cluster {
    /// Ports for five nodes, of which as many start.
    fn start(count: u16) -> Cluster {
        let mut cluster = Cluster {
            directory: tempfile::tempdir().unwrap(),
            first_port: common::free_ports(12),
            nodes: (0..6).map(|_| None).collect(),
        };
        (1..=count).for_each(|id| cluster.run(id, count));
        cluster
    }

    fn data(&self, id: u16) -> PathBuf {
        self.directory.path().join(id.to_string())
    }

    /// The command line of a node in a cluster of so many.
    fn command(&self, id: u16, count: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
        command.args(["--id", &id.to_string(), "--log", "warn", "--election-ms", "600-1200"]);
        command.arg("--data").arg(self.data(id));
        for peer in 1..=count {
            let (clients, peers) = (self.first_port + peer - 1, self.first_port + 5 + peer);
            command.args(["--peer", &format!("{peer}=127.0.0.1:{clients}@{peers}")]);
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&mut self, id: u16, count: u16) {
        let child = self.command(id, count).stderr(Stdio::null()).spawn().unwrap();
        self.nodes[usize::from(id)] = Some(child);
        wait_until("it is up", || !self.ask(id, "PING").is_empty());
    }

    fn kill(&mut self, id: u16) {
        if let Some(mut child) = self.nodes[usize::from(id)].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What a node answers to a line; nothing if it is not there.
    fn ask(&self, id: u16, line: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.first_port + id - 1)) else {
            return String::new();
        };
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes());
        let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
        answer
    }

    fn set(&self, id: u16, key: &str) {
        wait_until(&format!("S{id} sets {key}"), || {
            self.ask(id, &format!("SET {key} {key}")).starts_with("+OK")
        });
    }

    fn info(&self, id: u16) -> String {
        self.ask(id, "INFO raft")
    }

    /// The node that the nodes know as their leader, if it says so itself.
    fn leader(&self, among: &[u16]) -> u16 {
        let leads = |&&id: &&u16| self.info(id).contains("role:leader");
        let mut leader = None;
        wait_until("a leader", || {
            leader = among.iter().find(leads).copied();
            leader.is_some()
        });
        leader.unwrap()
    }

    /// Waits until a node says this in its `INFO`.
    fn says(&self, id: u16, what: &[&str]) {
        let mut info = String::new();
        let give_up = Instant::now() + LONG;
        while !info.lines().any(|line| what.iter().all(|what| line.contains(what))) {
            assert!(Instant::now() < give_up, "S{id} does not say {what:?}: {info}");
            info = self.info(id);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        common::end(self.nodes.iter_mut().flatten());
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).unwrap()),
        }
    }
}

#[track_caller]
fn refuses_to_start(mut command: Command, expected: &[&str]) {
    let Output { status, stdout: _, stderr } = command.output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(expected.iter().all(|expected| last.contains(expected)), "{text}");
}

#[test]
fn directories_and_lists_that_are_not_the_servers_own_do_not_start() {
    let mut cluster = Cluster::start(3);
    cluster.set(1, "a");
    cluster.kill(2);
    cluster.kill(3);
    let own = cluster.directory.path().join("kept");
    fs::rename(cluster.data(3), &own).unwrap();
    copy(&cluster.data(2), &cluster.data(3));
    refuses_to_start(cluster.command(3, 3), &["belongs to S2", "this node is S3"]);
    fs::remove_dir_all(cluster.data(3)).unwrap();
    fs::rename(&own, cluster.data(3)).unwrap();
    let lists = ["3 (S1, S2, S3)", "5 (S1, S2, S3, S4, S5)"];
    refuses_to_start(cluster.command(3, 5), &lists);
    let mut other = cluster.command(3, 3);
    other.args(["--cluster", "prod"]);
    refuses_to_start(other, &["cluster \"kv\"", "cluster \"prod\""]);
    cluster.run(3, 3);
    cluster.set(3, "b");
    // Nothing has stopped for good here.
    let mut clear = Command::new(env!("CARGO_BIN_EXE_kv"));
    clear.arg("--clear-stopped").arg("--data").arg(cluster.data(2));
    let output = clear.output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "there was no mark\n");
}

#[test]
fn nodes_of_a_longer_list_elect_no_second_leader() {
    let mut cluster = Cluster::start(3);
    cluster.set(1, "a");
    for id in [4, 5] {
        cluster.run(id, 5);
    }
    let lists = ["S4 was started in a cluster of 5", "and S1 in a cluster of 3 (S1, S2, S3)"];
    cluster.says(4, &[&["refused_by_peer1:"][..], &lists].concat());
    cluster.says(1, &[&["refused_peer4:"][..], &lists].concat());
    cluster.says(4, &["refused_peer1:", "S1 was started in a cluster of 3"]);
    // The third joins the longer list, and one of the others goes.
    cluster.kill(3);
    refuses_to_start(cluster.command(3, 5), &["3 (S1, S2, S3)"]);
    cluster.set(1, "b");
    for id in [4, 5] {
        assert!(!cluster.info(id).contains("role:leader"));
        assert!(cluster.info(id).contains("commit_index:0"));
    }
}

#[test]
fn an_emptied_directory_is_refused_and_readmitted_and_loses_nothing() {
    let mut cluster = Cluster::start(3);
    for key in 0..200 {
        cluster.set(1, &key.to_string());
    }
    let leader = cluster.leader(&[1, 2, 3]);
    let wiped = if leader == 3 { 2 } else { 3 };
    let other = 6 - leader - wiped;
    cluster.kill(wiped);
    fs::remove_dir_all(cluster.data(wiped)).unwrap();
    cluster.run(wiped, 3);
    let why = "another store than the one known";
    cluster.says(wiped, &[&format!("refused_by_peer{leader}:"), why]);
    cluster.says(leader, &[&format!("refused_peer{wiped}:"), why]);
    cluster.says(other, &[&format!("refused_peer{wiped}:")]);
    cluster.says(wiped, &["disowned:", why]);
    let readmit = format!("RAFT READMIT {wiped}");
    cluster.kill(other);
    thread::sleep(Duration::from_millis(1300));
    let refused = cluster.ask(leader, &readmit);
    assert!(refused.starts_with("-ERR not readmitted: S"), "{refused}");
    assert!(refused.contains(&format!("S{other} do not answer")), "{refused}");
    cluster.run(other, 3);
    wait_until("it is readmitted", || {
        let leader = cluster.leader(&[leader, other]);
        cluster.ask(leader, &readmit).starts_with("+OK")
    });
    // It is there when what was written can be read with its help alone.
    cluster.set(wiped, "after");
    cluster.kill(leader);
    for key in 0..200 {
        let expected = format!("\r\n{key}\r\n");
        wait_until("it is read", || {
            let answer = cluster.ask(wiped, &format!("GET {key}"));
            assert!(!answer.starts_with("$-1"), "{key} is lost");
            answer.contains(&expected)
        });
    }
}

#[test]
fn of_a_directory_and_its_copy_one_takes_part() {
    let mut cluster = Cluster::start(3);
    cluster.set(1, "a");
    let leader = cluster.leader(&[1, 2, 3]);
    let doubled = if leader == 3 { 2 } else { 3 };
    cluster.kill(doubled);
    let kept = cluster.directory.path().join("kept");
    copy(&cluster.data(doubled), &kept);
    cluster.run(doubled, 3);
    wait_until("it follows", || cluster.info(doubled).contains("role:follower"));
    for key in 0..50 {
        cluster.set(doubled, &key.to_string());
    }
    // The copy comes in the place of the original, which went on meanwhile.
    cluster.kill(doubled);
    fs::remove_dir_all(cluster.data(doubled)).unwrap();
    copy(&kept, &cluster.data(doubled));
    cluster.run(doubled, 3);
    cluster.says(leader, &[&format!("refused_peer{doubled}:"), "clone of its store"]);
    cluster.says(doubled, &[&format!("refused_by_peer{leader}:"), "clone of its store"]);
    // However often a supervisor starts it.
    for _ in 0..3 {
        cluster.kill(doubled);
        cluster.run(doubled, 3);
        cluster.says(leader, &[&format!("refused_peer{doubled}:"), "told so by another peer"]);
    }
    assert!(cluster.info(doubled).contains("commit_index:0"));
    cluster.set(leader, "b");
}
