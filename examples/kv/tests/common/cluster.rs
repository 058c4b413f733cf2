//! Processes of the real program.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here depends on how fast something happens, but each test must end.
pub const LONG: Duration = Duration::from_secs(120);

pub fn kv() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
    command.stdin(Stdio::null());
    command
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a command that ends by itself: its exit status, and what it says.
pub fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code(), text)
}

/// Three nodes, numbered from 1.
pub struct Cluster {
    directory: PathBuf,
    first_port: u16,
    options: Vec<String>,
    nodes: BTreeMap<u16, Child>,
}

impl Cluster {
    /// None of them runs yet; each has these options besides.
    pub fn new(directory: &Path, options: &[&str]) -> Cluster {
        Cluster {
            directory: directory.into(),
            first_port: super::free_ports(6),
            options: options.iter().map(|&option| option.into()).collect(),
            nodes: BTreeMap::new(),
        }
    }

    pub fn start(directory: &Path, options: &[&str]) -> Cluster {
        let mut cluster = Cluster::new(directory, options);
        (1..=3).for_each(|id| cluster.run(id));
        cluster
    }

    pub fn data(&self, id: u16) -> PathBuf {
        self.directory.join(id.to_string())
    }

    pub fn port(&self, id: u16) -> u16 {
        self.first_port + id - 1
    }

    pub fn address(&self, id: u16) -> String {
        format!("127.0.0.1:{}", self.port(id))
    }

    pub fn run(&mut self, id: u16) {
        self.run_on(id, &self.data(id));
    }

    pub fn run_on(&mut self, id: u16, data: &Path) {
        let mut command = kv();
        command.args(["--id", &id.to_string(), "--log", "warn", "--election-ms", "600-1200"]);
        command.args(&self.options).arg("--data").arg(data);
        for peer in 1..=3 {
            let (clients, peers) = (self.port(peer), self.port(peer) + 3);
            command.args(["--peer", &format!("{peer}=127.0.0.1:{clients}@{peers}")]);
        }
        self.nodes.insert(id, command.stderr(Stdio::null()).spawn().unwrap());
        wait_until("it is up", || !self.ask(id, "PING").is_empty());
    }

    /// SIGKILL.
    pub fn kill(&mut self, id: u16) {
        if let Some(mut child) = self.nodes.remove(&id) {
            assert!(child.try_wait().unwrap().is_none(), "node {id} has ended by itself");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What a node answers to some lines; nothing if it is not there.
    pub fn ask(&self, id: u16, lines: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port(id))) else {
            return String::new();
        };
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(format!("{lines}\r\nQUIT\r\n").as_bytes());
        let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
        answer
    }

    /// Sets a key, whatever happens.
    pub fn set(&self, id: u16, key: &str, value: &str) {
        wait_until(&format!("node {id} sets {key}"), || {
            self.ask(id, &format!("SET {key} {value}")).starts_with("+OK")
        });
    }

    /// Sets these keys to these values, in one pipeline.
    pub fn set_all(&self, id: u16, keys: impl Iterator<Item = (String, String)>) {
        let (mut lines, mut count) = (String::new(), 0);
        for (key, value) in keys {
            lines += &format!("SET {key} {value}\r\n");
            count += 1;
        }
        wait_until("they are set", || self.ask(id, &lines).matches("+OK").count() == count + 1);
    }

    /// What a key holds, as this node reads it.
    pub fn get(&self, id: u16, key: &str) -> Option<String> {
        let mut value = None;
        wait_until(&format!("node {id} reads {key}"), || {
            let answer = self.ask(id, &format!("GET {key}"));
            let mut lines = answer.split("\r\n");
            match lines.next() {
                Some("$-1") => true,
                Some(length) if length.starts_with('$') => {
                    value = lines.next().map(String::from);
                    true
                }
                Some(_) | None => false,
            }
        });
        value
    }

    /// Whether a node reads these keys as these values.
    #[track_caller]
    pub fn holds_all(&self, id: u16, keys: impl Iterator<Item = (String, String)>) {
        let keys: Vec<(String, String)> = keys.collect();
        for some in keys.chunks(500) {
            let lines: String = some.iter().map(|(key, _)| format!("GET {key}\r\n")).collect();
            let mut answer = String::new();
            wait_until(&format!("node {id} reads"), || {
                answer = self.ask(id, &lines);
                !answer.is_empty() && !answer.contains("-CLUSTERDOWN")
            });
            let held = |(_, value): &(String, String)| format!("${}\r\n{value}\r\n", value.len());
            let mut rest = &*answer;
            for pair in some {
                let lost =
                    || panic!("node {id} has lost {}: {}", pair.0, &rest[..rest.len().min(60)]);
                rest = rest.strip_prefix(&*held(pair)).unwrap_or_else(lost);
            }
        }
    }

    /// What a node answers to a line that asks for a number.
    pub fn integer(&self, id: u16, line: &str) -> i64 {
        let mut number = None;
        wait_until(&format!("node {id} answers {line}"), || {
            let answer = self.ask(id, line);
            let text = answer.strip_prefix(':').and_then(|rest| rest.split("\r\n").next());
            number = text.and_then(|text| text.parse().ok());
            number.is_some()
        });
        number.unwrap()
    }

    /// The fields of `INFO`.
    pub fn info(&self, id: u16) -> BTreeMap<String, String> {
        let text = self.ask(id, "INFO");
        let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        fields.map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// A field of `INFO` that is a number; 0 if it is not there.
    pub fn number(&self, id: u16, field: &str) -> u64 {
        self.info(id).get(field).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    pub fn leader(&self, among: &[u16]) -> u16 {
        let mut leader = None;
        wait_until("a leader", || {
            leader = among
                .iter()
                .copied()
                .find(|&id| self.info(id).get("role").is_some_and(|role| role == "leader"));
            leader.is_some()
        });
        leader.unwrap()
    }

    /// Waits until a field of a node contains this.
    pub fn says(&self, id: u16, field: &str, what: &str) {
        let mut info = BTreeMap::new();
        let give_up = Instant::now() + LONG;
        while !info.get(field).is_some_and(|value: &String| value.contains(what)) {
            assert!(Instant::now() < give_up, "node {id} does not say {what:?}: {info:?}");
            info = self.info(id);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        super::end(self.nodes.values_mut());
    }
}
