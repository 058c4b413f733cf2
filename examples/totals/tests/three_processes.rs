//! The README's program, as it stands there, as three processes.

#[path = "../../../tests/common/ports.rs"]
mod ports;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_totals");

/// No test depends on how fast something happens, but each must end.
const LONG: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Server {
    fn start(number: usize, addresses: &[String], directory: &Path) -> Server {
        let mut process = Command::new(PROGRAM)
            .arg(number.to_string())
            .args(addresses)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Server { process, input, lines }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next line that says something of `about`.
    fn hear(&self, about: &str) -> String {
        self.find(|line| line.contains(about))
    }

    /// The next line that says something else.
    fn hear_but(&self, about: &str) -> String {
        self.find(|line| !line.contains(about))
    }

    fn find(&self, wanted: impl Fn(&String) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(LONG).expect("a line");
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type Servers = BTreeMap<usize, Server>;

/// Types `line` at one server after the other until one leads; the number of that one.
fn type_at_the_leader(servers: &mut Servers, line: &str) -> usize {
    for _ in 0..100 {
        for (&number, server) in servers.iter_mut() {
            server.type_line(line);
            if server.hear_but("after entry").starts_with("the answer is") {
                return number;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nobody leads");
}

#[test]
fn three_processes_agree_also_after_the_leader_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let addresses = [(); 3].map(|()| ports::address_to_keep());
    let start = |number| Server::start(number, &addresses, directory.path());
    let mut servers: Servers = (1..=3).map(|number| (number, start(number))).collect();
    let leader = type_at_the_leader(&mut servers, "four");
    for (&number, server) in &servers {
        if number != leader {
            assert!(server.hear("the total").ends_with("the total is 4"));
        }
    }
    servers.remove(&leader);
    type_at_the_leader(&mut servers, "seven!!");
    // It starts again and hears of everything.
    let back = start(leader);
    while !back.hear("the total").ends_with("the total is 11") {}
}

#[test]
fn what_main_returns_is_for_a_person() {
    let run = |status: i32, arguments: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let ran = Command::new(PROGRAM).args(arguments).current_dir(&directory).output().unwrap();
        assert_eq!(ran.status.code(), Some(status), "{arguments:?}");
        String::from_utf8(ran.stderr).unwrap()
    };
    for wrong in [&[][..], &["two", "127.0.0.1:1"], &["2", "127.0.0.1:1"], &["0", "127.0.0.1:1"]] {
        assert!(run(2, wrong).starts_with("usage: totals NUMBER ADDRESS..."), "{wrong:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(1, &["1", &address]);
    let expected = format!("Error: cannot listen on {address} (is another node running there?): ");
    assert!(said.starts_with(&expected), "{said}");
    let said = run(1, &["1", "127.0.0.1:0", "nowhere"]);
    assert_eq!(said, "Error: S2 is listed at nowhere, which is no address: give host:port\n");
}

/// The README shows this program, and the lines of its Cargo.toml, as they are.
#[test]
fn the_readme_shows_this_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let program = fs::read_to_string(root.join("examples/totals/src/main.rs")).unwrap();
    let (about, code) = program.split_once("\n\n").unwrap();
    assert!(about.starts_with("//!"));
    assert!(readme.contains(&format!("```rust,no_run\n{code}```\n")), "the program differs");
    let manifest = fs::read_to_string(root.join("examples/totals/Cargo.toml")).unwrap();
    let lines: Vec<&str> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .take_while(|line| !line.is_empty())
        .collect();
    let block = format!("```toml\n{}\n```\n", lines.join("\n"));
    assert!(readme.contains(&block), "{block} is not in the README");
}
