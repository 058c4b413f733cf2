//! What stands between two nodes on TCP, and can lose their connections for one of them alone.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// An address from which each connection leads on to another one. Lives as long as the process.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
}

struct Way {
    target: Mutex<SocketAddr>,
    pairs: Mutex<Vec<[TcpStream; 2]>>,
    /// Connections from before the current era are stranded.
    era: AtomicU64,
}

/// Which of the two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Dialer,
    Listener,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way =
            Way { target: Mutex::new(target), pairs: Mutex::default(), era: AtomicU64::new(0) };
        let proxy = Proxy { address: listener.local_addr().unwrap(), way: Arc::new(way) };
        let way = proxy.way.clone();
        thread::spawn(move || {
            for dialer in listener.incoming() {
                way.lead_on(dialer.unwrap());
            }
        });
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where connections lead from now on.
    pub fn turn_to(&self, target: SocketAddr) {
        *self.way.target.lock().unwrap() = target;
    }

    /// Forwards nothing more on the connections that there are. One end learns that: its connection
    /// breaks. The other end never does.
    pub fn strand(&self, who_learns: End) {
        self.way.era.fetch_add(1, Ordering::SeqCst);
        for [dialer, listener] in &*self.way.pairs.lock().unwrap() {
            let learns = if who_learns == End::Dialer { dialer } else { listener };
            let _ = learns.shutdown(Shutdown::Both);
        }
    }
}

impl Way {
    fn lead_on(self: &Arc<Self>, dialer: TcpStream) {
        let target = *self.target.lock().unwrap();
        // Whoever dials sees it close if nobody is there.
        let Ok(listener) = TcpStream::connect(target) else { return };
        let clone = |stream: &TcpStream| stream.try_clone().unwrap();
        let era = self.era.load(Ordering::SeqCst);
        for (from, to) in [(&dialer, &listener), (&listener, &dialer)] {
            let (way, from, to) = (self.clone(), clone(from), clone(to));
            thread::spawn(move || way.forward(from, to, era));
        }
        // Kept, so that a stranded end stays open.
        self.pairs.lock().unwrap().push([dialer, listener]);
    }

    fn forward(&self, mut from: TcpStream, mut to: TcpStream, era: u64) {
        from.set_nodelay(true).unwrap();
        to.set_nodelay(true).unwrap();
        from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 4096];
        loop {
            let read = from.read(&mut buffer);
            if self.era.load(Ordering::SeqCst) != era {
                return;
            }
            match read {
                Ok(0) => break,
                Ok(count) => {
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        // Between the two looks it may have been stranded.
        if self.era.load(Ordering::SeqCst) == era {
            let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
        }
    }
}
