//! The TCP protocol byte by byte, as its documentation lays it out: for peers of other builds, and
//! for attackers.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::common::LONG;

/// A frame of protocol version `version`.
pub fn frame(version: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![version];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Reads one frame: its version and its payload.
pub fn read_frame(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    stream.set_read_timeout(Some(LONG))?;
    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let mut payload = vec![0; u32::from_le_bytes(header[1..5].try_into().unwrap()) as usize];
    stream.read_exact(&mut payload)?;
    assert_eq!(crc32fast::hash(&payload).to_le_bytes(), header[5..]);
    Ok((header[0], payload))
}

/// The first words of server `from` of `cluster`, to server `to`, in version 1.
pub fn hello_1(cluster: &str, from: u64, to: u64) -> Vec<u8> {
    let payload = postcard::to_allocvec(&(cluster, from, to)).unwrap();
    [&b"veraft"[..], &frame(1, &payload)].concat()
}

/// The same in the handshake of version 2, from a server that speaks `versions`, of which this
/// is run `run`.
pub fn hello_2(versions: (u8, u8), cluster: &str, from: u64, to: u64, run: u64) -> Vec<u8> {
    let payload = (versions.0, versions.1, cluster, from, to, run, b"opaque".to_vec());
    [&b"veraft"[..], &frame(2, &postcard::to_allocvec(&payload).unwrap())].concat()
}

/// The dialer's last word in the handshake of version 2.
pub fn accepted() -> Vec<u8> {
    frame(2, &[0])
}

/// A message of version 2, in one frame.
pub fn whole(message: &impl serde::Serialize) -> Vec<u8> {
    frame(2, &[&[0], &*postcard::to_allocvec(message).unwrap()].concat())
}

/// What a node of version 1 has once said.
pub fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wire-1");
    fs::read(format!("{folder}/{name}.bin")).unwrap()
}

/// Reads until the other end closes; whether it did.
pub fn closes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(LONG)).unwrap();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Says something to a node, as an attacker would.
pub fn attack(address: std::net::SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(bytes);
    stream
}
