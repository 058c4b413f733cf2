//! Ports for nodes that start again at their address.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::net::TcpListener;
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives to whoever asks for any, and to outgoing connections: one
/// of those could take the port of a node while it is down.
const PORTS: Range<u16> = 10_000..32_000;

/// An address at which a node may start again.
pub fn address_to_keep() -> String {
    format!("127.0.0.1:{}", free_ports(1))
}

/// The first of `count` ports in a row that are free, and that no other call gets.
pub fn free_ports(count: u16) -> u16 {
    const MOST: u16 = 100;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    assert!(count <= MOST, "{count} ports in a row");
    // Suites that run at once start in different places.
    let start = process::id().wrapping_mul(977) as u16;
    loop {
        let offset = start.wrapping_add(NEXT.fetch_add(count, Ordering::Relaxed));
        // One divisor for every count, or calls of different counts could meet.
        let first = PORTS.start + offset % (PORTS.end - PORTS.start - MOST);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(free) {
            return first;
        }
    }
}
