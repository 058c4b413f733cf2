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

/// The first words of server `from` of `cluster`, to server `to`, on a connection for messages;
/// of a server that speaks `versions`, in its run `run`.
pub fn hello(versions: (u8, u8), cluster: &str, from: u64, to: u64, run: u64) -> Vec<u8> {
    hello_for(b"veraft", versions, cluster, from, to, run)
}

/// The same, on a connection that begins with these letters.
pub fn hello_for(
    magic: &[u8; 6],
    versions: (u8, u8),
    cluster: &str,
    from: u64,
    to: u64,
    run: u64,
) -> Vec<u8> {
    let payload = (versions.0, versions.1, cluster, from, to, run, b"opaque".to_vec());
    [&magic[..], &frame(2, &postcard::to_allocvec(&payload).unwrap())].concat()
}

/// The dialer's last word in a handshake.
pub fn accepted() -> Vec<u8> {
    frame(2, &[0])
}

/// A message of a version, in one frame.
pub fn whole(version: u8, message: &impl serde::Serialize) -> Vec<u8> {
    frame(version, &[&[0], &*postcard::to_allocvec(message).unwrap()].concat())
}

/// What a node of an older version has once said.
pub fn recorded(version: u8, name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    fs::read(format!("{folder}/wire-{version}/{name}.bin")).unwrap()
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
