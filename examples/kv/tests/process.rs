//! The process: how it starts, what it refuses, how it ends.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn kv() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A cluster in one process.
struct Local {
    process: Child,
    first_port: u16,
}

impl Local {
    fn start(nodes: u16) -> Local {
        let first_port = common::free_ports(nodes);
        let mut command = kv();
        command.args(["--local", &nodes.to_string(), "--log", "error"]);
        command.args(["--listen", &format!("127.0.0.1:{first_port}")]);
        let local = Local { process: command.spawn().unwrap(), first_port };
        local.wait_until_up(nodes);
        local
    }

    /// Waits until each of so many nodes takes connections.
    fn wait_until_up(&self, nodes: u16) {
        for node in 0..nodes {
            let give_up = Instant::now() + Duration::from_secs(30);
            while TcpStream::connect(("127.0.0.1", self.first_port + node)).is_err() {
                assert!(Instant::now() < give_up, "the service does not come up");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Everything a node answers to these bytes, until it closes the connection.
    fn send(&self, node: u16, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.first_port + node)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes.as_ref()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        common::end([&mut self.process]);
    }
}

#[test]
fn what_cannot_start_says_why_on_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (data, file) = (directory.path().to_str().unwrap(), file.to_str().unwrap());
    let (clients, peers) = (common::free_ports(1), common::free_ports(1));
    let own = format!("1=127.0.0.1:{clients}@{peers}");
    let in_use = format!("1={taken}@{peers}");
    let peer_in_use = format!("1=127.0.0.1:{clients}@{}", taken.port());
    for (arguments, expected) in [
        (vec![], "--id <ID>"),
        (vec!["--id", "1", "--data", data], "--peer"),
        (vec!["--id", "1", "--data", data, "--peer", "1=127.0.0.1:7"], "ID=HOST:PORT@PEER_PORT"),
        (vec!["--id", "2", "--data", data, "--peer", &own], "--peer 2 is missing"),
        (vec!["--id", "1", "--data", data, "--peer", &own, "--peer", &own], "given twice"),
        (vec!["--id", "1", "--data", data, "--peer", &in_use], "is another server running there?"),
        (
            vec!["--id", "1", "--data", data, "--peer", &peer_in_use],
            "is another node running there?",
        ),
        (vec!["--id", "1", "--data", file, "--peer", &own], "cannot create the directory"),
        (vec!["--local", "3", "--election-ms", "300-150"], "must span a range"),
        (vec!["--local", "3", "--tls-cert", file], "--tls-ca"),
    ] {
        let output = kv().args(["--log", "error"]).args(&arguments).output().unwrap();
        let Output { status, stdout, stderr } = output;
        let line = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {line}");
        assert_eq!((stdout.len(), line.lines().count()), (0, 1), "{arguments:?}: {line}");
        assert!(line.starts_with("kv: ") && line.contains(expected), "{arguments:?}: {line}");
    }
}

#[test]
fn what_is_no_request_ends_its_own_connection_alone() {
    let local = Local::start(1);
    let mut bystander = TcpStream::connect(("127.0.0.1", local.first_port)).unwrap();
    let nested = "*1\r\n".repeat(1_000_000);
    for (bytes, answer) in [
        ("*1\r\n$1000000000\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*1000000000\r\n", "-ERR Protocol error: invalid multibulk length"),
        (&nested, "-ERR Protocol error: expected '$', got '*'"),
        ("\x16\x03\x01 hello\r\nQUIT\r\n", "-ERR unknown command '\x16\x03\x01', with args"),
        (&"x".repeat(100_000), "-ERR Protocol error: too big inline request"),
        ("PING\r\n*1\r\n:1\r\nPING\r\n", "+PONG\r\n-ERR Protocol error"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\nPING\r\n", "-ERR unknown command 'POST'"),
    ] {
        let got = local.send(0, bytes);
        assert!(got.starts_with(answer), "{got}");
        assert_eq!(got.matches("-ERR").count(), 1, "{got}");
    }
    bystander.write_all(b"SET a 1\r\nQUIT\r\n").unwrap();
    let mut answer = String::new();
    bystander.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "+OK\r\n+OK\r\n");
}

#[test]
fn pipelines_run_in_order_on_every_node() {
    let local = Local::start(3);
    for node in 0..3 {
        let mut requests = String::new();
        let mut expected = String::new();
        for number in 1..=3000 {
            requests += &format!("INCR n{node}\r\nGET n{node}\r\n");
            let text = number.to_string();
            expected += &format!(":{text}\r\n${}\r\n{text}\r\n", text.len());
        }
        let answer = local.send(node, requests + "PING\r\nQUIT\r\n");
        assert_eq!(answer, expected + "+PONG\r\n+OK\r\n", "node {node}");
    }
}

#[test]
fn values_up_to_the_limit_get_through_and_back_on_every_node() {
    let local = Local::start(3);
    let value = "v".repeat(1_000_000);
    for node in 0..3 {
        let set = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n{value}\r\n", value.len());
        let answer = local.send(node, set + &"GET big\r\n".repeat(20) + "QUIT\r\n");
        assert_eq!(answer.matches(&value).count(), 20, "node {node}");
    }
}

#[test]
fn an_interrupt_ends_the_process_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut local = Local::start(3);
        let _idle = TcpStream::connect(("127.0.0.1", local.first_port)).unwrap();
        assert_eq!(local.send(1, "SET a 1\r\nQUIT\r\n"), "+OK\r\n+OK\r\n");
        kill(Pid::from_raw(local.process.id() as i32), signal).unwrap();
        assert_eq!(local.process.wait().unwrap().code(), Some(0), "{signal}");
        let mut stderr = String::new();
        local.process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "", "{signal}");
    }
}

#[test]
fn a_node_goes_on_when_nobody_reads_what_it_logs() {
    let first_port = common::free_ports(3);
    let mut command = kv();
    command.args(["--local", "3", "--log", "trace"]);
    command.args(["--listen", &format!("127.0.0.1:{first_port}")]);
    let mut process = command.spawn().unwrap();
    drop(process.stderr.take());
    drop(process.stdout.take());
    let local = Local { process, first_port };
    local.wait_until_up(3);
    for number in 1..=20 {
        assert_eq!(local.send(number % 3, "INCR a\r\nQUIT\r\n"), format!(":{number}\r\n+OK\r\n"));
    }
    let mut local = local;
    kill(Pid::from_raw(local.process.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(local.process.wait().unwrap().code(), Some(0));
}

#[test]
fn output_that_nobody_reads_ends_a_command_without_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    for (arguments, code) in [
        (vec!["--help"], 0),
        (vec!["--version"], 0),
        (vec!["--clear-stopped", "--data", data], 2),
        (vec!["--nonsense"], 2),
    ] {
        for both in [false, true] {
            // A pipe whose reader has gone away already.
            let closed = || Stdio::from(std::io::pipe().unwrap().1);
            let mut command = kv();
            command.args(&arguments).stdout(closed());
            if both {
                command.stderr(closed());
            }
            let output = command.spawn().unwrap().wait_with_output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
            assert!(stderr.lines().count() <= 1 && !stderr.contains("panicked"), "{stderr}");
        }
    }
}

#[test]
fn a_client_that_says_nothing_is_left() {
    let first_port = common::free_ports(1);
    let mut command = kv();
    command.args(["--local", "1", "--log", "error", "--idle-seconds", "1"]);
    command.args(["--listen", &format!("127.0.0.1:{first_port}")]);
    let local = Local { process: command.spawn().unwrap(), first_port };
    let give_up = Instant::now() + Duration::from_secs(30);
    let mut idle = loop {
        match TcpStream::connect(("127.0.0.1", first_port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < give_up, "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    idle.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert_eq!(local.send(0, "PING\r\nQUIT\r\n"), "+PONG\r\n+OK\r\n");
}
