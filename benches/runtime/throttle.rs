//! A way between two servers over TCP that takes no more than so many bytes a second.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// As many bytes as a switch may hold.
const HELD: usize = 16 * 1024;

/// What stands before a server, and forwards what comes for it. Lives as long as the process.
#[derive(Clone)]
pub struct Throttle {
    pub address: SocketAddr,
    /// How many bytes a second pass; 0 for as many as come.
    rate: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
}

impl Throttle {
    pub fn to(target: SocketAddr) -> Throttle {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Connections inherit it: what the system holds here would count as arrived.
        SockRef::from(&listener).set_recv_buffer_size(HELD).unwrap();
        let address = listener.local_addr().unwrap();
        let throttle = Throttle::unlimited(address);
        let way = throttle.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(target).unwrap());
                let clones = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (way.clone(), Throttle::unlimited(address));
                thread::spawn(move || there.forward(near, far));
                thread::spawn(move || back.forward(clones.1, clones.0));
            }
        });
        throttle
    }

    fn unlimited(address: SocketAddr) -> Throttle {
        Throttle { address, rate: Arc::default(), passed: Arc::default() }
    }

    pub fn limit(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        to.set_nodelay(true).unwrap();
        SockRef::from(&to).set_send_buffer_size(HELD).unwrap();
        let mut held = vec![0; HELD];
        let mut free = Instant::now();
        while let Ok(count @ 1..) = from.read(&mut held) {
            let rate = self.rate.load(Ordering::Relaxed);
            if rate > 0 {
                let takes = Duration::from_secs_f64(count as f64 / rate as f64);
                free = free.max(Instant::now()) + takes;
                thread::sleep(free.saturating_duration_since(Instant::now()));
            }
            if to.write_all(&held[..count]).is_err() {
                break;
            }
            self.passed.fetch_add(count as u64, Ordering::Relaxed);
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}
