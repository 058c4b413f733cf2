//! The command line.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use veraft::figure2::ServerId;
use veraft::runtime::{Compaction, DiskStorage, StorageError, Timing};

pub const MIB: u64 = 1024 * 1024;

/// A replicated key-value server that speaks the Redis protocol.
///
/// One node:          kv --id 1 --data DIR --peer 1=HOST:PORT@PEER_PORT --peer 2=... --peer 3=...
///
/// Three, to try it:  kv --local 3
#[derive(Clone, Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub struct Options {
    /// Runs this many nodes in one process, at consecutive ports; without --data, in memory.
    #[arg(long, value_name = "N", conflicts_with_all = ["id", "peers", "tls_ca", "record"],
          value_parser = clap::value_parser!(u16).range(1..=99))]
    pub local: Option<u16>,

    /// Removes the mark of a node that has stopped for good from the directory --data, prints
    /// what it said, and ends. Only once the cause is understood: see docs/operations.md.
    #[arg(long, requires = "data", conflicts_with_all = ["local", "id", "peers"])]
    pub clear_stopped: bool,

    /// Gets a backup of a running node, the one --from, into this new file, and ends.
    #[arg(long, value_name = "FILE", requires = "from",
          conflicts_with_all = ["local", "id", "peers", "data", "clear_stopped", "restore"])]
    pub backup: Option<PathBuf>,

    /// Where clients reach the node that --backup asks.
    #[arg(long, value_name = "HOST:PORT", requires = "backup")]
    pub from: Option<String>,

    /// Makes the empty directory --data that of a node of a new cluster, which begins with this
    /// backup, and ends. Once for each node, with the same backup: see docs/operations.md.
    #[arg(long, value_name = "FILE", requires = "data",
          conflicts_with_all = ["local", "id", "peers", "clear_stopped"])]
    pub restore: Option<PathBuf>,

    /// Which of the peers this node is.
    #[arg(long, required_unless_present_any = ["local", "clear_stopped", "backup", "restore"],
          requires_all = ["data", "peers"])]
    pub id: Option<u64>,

    /// A node of the cluster, this one included: where clients reach it, and behind the @ the
    /// port at which its peers do (or HOST:PORT, if that is another host). Once for each node.
    #[arg(long = "peer", value_name = "ID=HOST:PORT@PEER_PORT")]
    pub peers: Vec<Peer>,

    /// The directory of this node's log. With --local: a directory for all.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Where to listen, if not at the address of this node's --peer, such as 0.0.0.0:6379@7379.
    /// With --local: the address of the first node, 127.0.0.1:6379 otherwise.
    #[arg(long, value_name = "HOST:PORT[@PEER_PORT]")]
    pub listen: Option<String>,

    /// The certificate of the cluster's authority (PEM). Peers then connect by mutual TLS, and
    /// prove the host that their --peer names: each node needs a host name or address of its own.
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    pub tls_ca: Option<PathBuf>,

    /// This node's certificate (PEM), signed by that authority for the host in its --peer.
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_cert: Option<PathBuf>,

    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_key: Option<PathBuf>,

    /// The name of the cluster: nodes of clusters with other names are refused.
    #[arg(long, value_name = "NAME", default_value = "kv")]
    pub cluster: String,

    /// How long a command may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5000,
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub timeout_ms: u64,

    /// How long a client may send nothing before its connection is closed, in seconds; 0 for ever.
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub idle_seconds: u64,

    /// How many clients may be connected at once, to each node; fewer if the system does not let
    /// the process have as many open files.
    #[arg(long, value_name = "N", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_clients: u32,

    /// How long a node waits for a leader before it stands for election, in milliseconds; a
    /// leader shows itself three times in the shortest.
    #[arg(long, value_name = "MIN-MAX", default_value = "150-300", value_parser = election)]
    pub election_ms: Election,

    /// How many bytes of commands are applied at least before the node writes an image of its map,
    /// and lets its log begin there; and 4 times the bytes of the last image.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub compact_at: u64,

    /// How many entries stay in the log behind an image: a node that lags by less needs none.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub keep_entries: u64,

    /// Below how many MiB of room on its disk the node warns and writes images early; 0 is never.
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(0..=1024 * 1024 * 1024))]
    pub scarce_below: u64,

    /// Below how many MiB of room on its disk a node that leads executes no commands; 0 is never.
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(0..=1024 * 1024 * 1024))]
    pub full_below: u64,

    /// How many MiB of its disk the node keeps beside those of an image, to write one, and to
    /// start, when nothing else is left; 0 is none.
    #[arg(long, value_name = "MIB", default_value_t = 8,
          value_parser = clap::value_parser!(u64).range(0..=1024 * 1024))]
    pub reserve: u64,

    /// How many MiB of images the node sends in a second, to all peers together; 0 is without a
    /// limit.
    #[arg(long, value_name = "MIB", default_value_t = 32,
          value_parser = clap::value_parser!(u64).range(0..=1024 * 1024))]
    pub image_rate: u64,

    /// Records what the node does at the end of this file, in JSON lines.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: tracing::Level,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: ServerId,
    /// Where clients reach it: host and port.
    pub clients: String,
    /// Where its peers do.
    pub peers: String,
}

/// The range of election timeouts.
pub type Election = RangeInclusive<Duration>;

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// One line that says what is wrong; or the text of `--help`.
    pub fn read() -> Result<Options, Answered> {
        Options::try_parse().map_err(|error| {
            let text = error.to_string();
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                return Answered::Text(text);
            }
            // What clap says up to the first empty line, on one line.
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let line = lines.collect::<Vec<_>>().join(" ");
            Answered::Wrong(line.trim_start_matches("error: ").into())
        })
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub fn idle(&self) -> Option<Duration> {
        (self.idle_seconds > 0).then(|| Duration::from_secs(self.idle_seconds))
    }

    /// When images are written, and what stays in the log.
    pub fn compaction(&self) -> Compaction {
        Compaction::default().at_least(self.compact_at).kept(self.keep_entries)
    }

    /// The storage in this directory.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn storage(&self, directory: &Path) -> Result<DiskStorage, StorageError> {
        Ok(DiskStorage::open(directory)?.reserve(self.reserve * MIB))
    }

    /// How many bytes of images are sent in a second.
    pub fn image_bytes(&self) -> Option<u64> {
        (self.image_rate > 0).then(|| self.image_rate * MIB)
    }

    /// How long the timers run.
    ///
    /// # Errors
    /// When they cannot be so.
    pub fn timing(&self) -> Result<Timing, veraft::runtime::TimingError> {
        Timing::new(self.election_ms.clone(), *self.election_ms.start() / 3)
    }
}

/// What the command line led to, other than a node.
pub enum Answered {
    Text(String),
    Wrong(String),
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a node is given as ID=HOST:PORT@PEER_PORT, such as 1=10.0.0.1:6379@7379";
        let (id, addresses) = text.split_once('=').ok_or(form)?;
        let id = id.parse().map_err(|_| format!("{form}; '{id}' is not a number"))?;
        let (clients, peers) = addresses.split_once('@').ok_or(form)?;
        Ok(Peer { id: ServerId(id), clients: clients.into(), peers: behind(clients, peers)? })
    }
}

/// The address behind the @: a port on the same host, or a host and a port.
pub fn behind(clients: &str, peers: &str) -> Result<String, String> {
    let (host, port) =
        clients.rsplit_once(':').ok_or_else(|| format!("'{clients}' has no port"))?;
    let number = |port: &str| port.parse::<u16>().map_err(|_| format!("'{port}' is not a port"));
    number(port)?;
    match peers.rsplit_once(':') {
        Some((_, port)) => number(port).map(|_| peers.into()),
        None => number(peers).map(|port| format!("{host}:{port}")),
    }
}

fn election(text: &str) -> Result<Election, String> {
    let (shortest, longest) = text.split_once('-').ok_or("give a range, such as 150-300")?;
    let milliseconds = |text: &str| match text.parse() {
        Ok(number) => Ok(Duration::from_millis(number)),
        Err(_) => Err(format!("'{text}' is not a number of milliseconds")),
    };
    Ok(milliseconds(shortest)?..=milliseconds(longest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_have_two_addresses() {
        let peer = |clients: &str, peers: &str| {
            Ok(Peer { id: ServerId(2), clients: clients.into(), peers: peers.into() })
        };
        assert_eq!("2=a:1@2".parse(), peer("a:1", "a:2"));
        assert_eq!("2=a:1@b:2".parse(), peer("a:1", "b:2"));
        assert_eq!("2=[::1]:1@2".parse(), peer("[::1]:1", "[::1]:2"));
        for wrong in ["2", "2=a:1", "x=a:1@2", "2=a@2", "2=a:1@x", "2=a:1@b:x", "2=a:99999@1"] {
            assert!(wrong.parse::<Peer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
