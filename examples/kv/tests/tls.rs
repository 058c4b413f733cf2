//! The documented production setup: nodes that trust certificates of one authority alone.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Each test must end.
const LONG: Duration = Duration::from_secs(60);

/// The names of this host by which the nodes know each other.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// Two nodes: each needs the other.
struct Pair {
    clients: [u16; 2],
    processes: Vec<Child>,
}

impl Pair {
    /// Starts both, each with what `tls` adds to its command line.
    fn start(directory: &Path, tls: [Vec<PathBuf>; 2]) -> Pair {
        let ports = common::free_ports(4);
        let clients = [ports, ports + 1];
        let peer = |at: u16| {
            let (clients, host, peers) = (ports + at, HOSTS[usize::from(at)], ports + 2 + at);
            format!("{}=127.0.0.1:{clients}@{host}:{peers}", at + 1)
        };
        let start = |(at, files): (u16, Vec<PathBuf>)| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_kv"));
            command.args(["--id", &(at + 1).to_string(), "--log", "error", "--timeout-ms", "1500"]);
            command.args(["--peer", &peer(0), "--peer", &peer(1), "--election-ms", "300-600"]);
            command.arg("--data").arg(directory.join(format!("{ports}-{at}")));
            for (option, file) in ["--tls-ca", "--tls-cert", "--tls-key"].iter().zip(files) {
                command.arg(option).arg(file);
            }
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        Pair { clients, processes: (0..2).zip(tls).map(start).collect() }
    }

    /// What the first node answers to a write, once it answers at all.
    fn set(&self) -> String {
        let give_up = Instant::now() + LONG;
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.clients[0])) {
                let mut answer = String::new();
                stream.write_all(b"SET a 1\r\nQUIT\r\n").unwrap();
                stream.read_to_string(&mut answer).unwrap();
                return answer;
            }
            assert!(Instant::now() < give_up, "the node does not come up");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The same, until it is an answer of this kind: a busy machine may need more than the time
    /// that a command is given.
    fn set_until(&self, is_one: impl Fn(&str) -> bool) -> String {
        let give_up = Instant::now() + LONG;
        loop {
            let answer = self.set();
            if is_one(&answer) || Instant::now() >= give_up {
                return answer;
            }
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Writes the files of a node of a new authority's cluster, as its owner would.
fn authority(directory: &Path, name: &str) -> [Vec<PathBuf>; 2] {
    let file = |name: String, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let ca = file(format!("{name}-ca.pem"), issuer.pem());
    HOSTS.map(|node| {
        let params = CertificateParams::new(vec![node.to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let certificate = file(format!("{name}-{node}.pem"), certificate.pem());
        vec![ca.clone(), certificate, file(format!("{name}-{node}.key"), key.serialize_pem())]
    })
}

#[test]
fn nodes_of_one_authority_form_a_cluster_and_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [one, two] = authority(directory, "ours");
    let [_, stranger] = authority(directory, "theirs");
    let pair = |other: &Vec<PathBuf>| Pair::start(directory, [one.clone(), other.clone()]);
    let done = pair(&two).set_until(|answer| answer.starts_with("+OK"));
    assert_eq!(done, "+OK\r\n+OK\r\n");
    for other in [&stranger, &Vec::new(), &one] {
        let answer = pair(other).set_until(|answer| !answer.starts_with("-UNCERTAIN"));
        assert!(answer.starts_with("-CLUSTERDOWN not executed"), "{answer}");
    }
}
