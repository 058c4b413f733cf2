//! Processes that agree on a total: each line typed at the leader adds its length.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use veraft::{Command, DiskStorage, Index, NodeBuilder, ServerId, StateMachine, TcpTransport};

/// Adds up the lengths of the commands, on every server.
struct Total(usize);

impl StateMachine for Total {
    type Response = usize;

    fn apply(&mut self, index: Index, command: &Command) -> usize {
        self.0 += command.as_bytes().len();
        println!("after entry {index}, the total is {}", self.0);
        self.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let number: u64 = arguments.next().and_then(|first| first.parse().ok()).unwrap_or(0);
    let servers: BTreeMap<ServerId, String> = (1..).map(ServerId).zip(arguments).collect();
    let own = ServerId(number);
    let Some(address) = servers.get(&own) else {
        eprintln!("usage: totals NUMBER ADDRESS... (which of the addresses is this server's?)");
        std::process::exit(2);
    };

    let mut transport = TcpTransport::listen("totals", own, address)?;
    for (&server, address) in &servers {
        transport = transport.peer(server, address);
    }
    let storage = DiskStorage::open(format!("total-{number}"))?;
    let builder = NodeBuilder::new(own, servers.into_keys());
    let node = builder.start(storage, transport, Total(0))?;

    for line in std::io::stdin().lines() {
        let leader = node.wait_for_leader(Duration::from_secs(10))?;
        if leader != own {
            println!("{leader} leads: type it there");
            continue;
        }
        match node.propose(line?.into_bytes()).wait_timeout(Duration::from_secs(10)) {
            Ok(applied) => println!("the answer is {}", applied.response),
            Err(error) => println!("{error:?}"),
        }
    }
    Ok(())
}
