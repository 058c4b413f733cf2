//! A link from one node to another, through this process, that can be cut and slowed.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How many bytes pass at once; a slow link holds up each such part.
const PART: usize = 4 * 1024;

/// What is wrong with a link. Several faults can be on it at once.
#[derive(Default)]
struct Condition {
    cuts: usize,
    slow: usize,
}

/// One direction between two nodes, for all their connections.
#[derive(Default)]
pub struct Link {
    condition: Mutex<Condition>,
    changed: Condvar,
}

impl Link {
    /// Bytes wait from now on, as on a network that loses every packet.
    pub fn cut(&self) {
        self.condition.lock().unwrap().cuts += 1;
    }

    pub fn heal(&self) {
        self.condition.lock().unwrap().cuts -= 1;
        self.changed.notify_all();
    }

    pub fn slow(&self) {
        self.condition.lock().unwrap().slow += 1;
    }

    pub fn hurry(&self) {
        self.condition.lock().unwrap().slow -= 1;
    }

    /// Listens at a port of its own, and leads whoever connects there to `target`.
    pub fn lead_to(self: &Arc<Link>, target: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = self.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                link.connect(near, target);
            }
        });
        port
    }

    fn connect(self: &Arc<Link>, near: TcpStream, target: u16) {
        let link = self.clone();
        thread::spawn(move || {
            link.pass();
            // Dropping the near end tells the node that the far one is down.
            let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { return };
            for stream in [&near, &far] {
                stream.set_nodelay(true).unwrap();
            }
            let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let back = link.clone();
            thread::spawn(move || back.pump(far_again, near_again));
            link.pump(near, far);
        });
    }

    /// Carries bytes until either end closes.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut part = [0; PART];
        loop {
            let count = match from.read(&mut part) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            self.pass();
            if to.write_all(&part[..count]).is_err() {
                break;
            }
        }
        self.pass();
        // One of them is closed already.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits until bytes may pass.
    fn pass(&self) {
        let condition = self.condition.lock().unwrap();
        let condition = self.changed.wait_while(condition, |condition| condition.cuts > 0).unwrap();
        let wait = 10 * condition.slow as u64;
        drop(condition);
        if wait > 0 {
            thread::sleep(Duration::from_millis(wait));
        }
    }
}
