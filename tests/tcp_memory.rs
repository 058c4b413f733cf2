//! What a message can cost in memory where it arrives. Alone in its process, whose memory it
//! measures.

#![cfg(all(feature = "tcp", target_os = "linux"))]

mod common;
#[path = "common/guest.rs"]
mod guest;
#[path = "common/raw.rs"]
mod raw;

use std::fs;
use std::io::Write;

use common::wait_until;
use guest::Guest;
use raw::{accepted, attack, closes, frame, hello, read_frame};
use veraft::figure2::{AppendEntries, Command, Entry, MAX_ENTRIES, Message, ServerId};
use veraft::runtime::{TcpTransport, Transport};

const FRAME: usize = 16 * 1024 * 1024;

/// A number of this process's status, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// How many bytes of memory the process has used more than at the beginning, at any time.
fn measure(work: impl FnOnce()) -> usize {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    work();
    status("VmHWM").saturating_sub(before)
}

fn append(entries: usize, command: &[u8]) -> Vec<u8> {
    let entry = Entry::command(1, Command::from(command));
    let message = Message::AppendEntries(AppendEntries {
        term: 1,
        leader_id: ServerId(2),
        prev_log_index: 0,
        prev_log_term: 0,
        entries: (0..entries).map(|_| entry.clone()).collect(),
        leader_commit: 0,
    });
    postcard::to_allocvec(&message).unwrap()
}

/// An AppendEntries that says it has so many empty entries, and has as many as fit into a frame.
fn bomb() -> Vec<u8> {
    let one = append(1, b"");
    let (head, entry, tail) = (&one[..5], &one[6..one.len() - 1], &one[one.len() - 1..]);
    let count = (FRAME - 100) / entry.len();
    let count_bytes = postcard::to_allocvec(&count).unwrap();
    [head, &count_bytes, &entry.repeat(count), tail].concat()
}

#[test]
fn a_message_costs_a_few_times_its_bytes_at_most() {
    let transport = TcpTransport::listen("memory", ServerId(1), "127.0.0.1:0").unwrap();
    let guest = Guest::new(1, "one");
    transport.start(guest.inbox()).unwrap();
    let address = transport.address();
    let connect = || {
        let mut stream = attack(address, &hello((2, 3), "memory", 2, 1, 7));
        read_frame(&mut stream).unwrap();
        stream.write_all(&accepted()).unwrap();
        stream
    };

    let bomb = bomb();
    assert!(bomb.len() > FRAME - 200 && bomb.len() <= FRAME);
    let whole = frame(3, &[&[0], &*bomb].concat());
    let pieces = bomb.chunks(65_536).map(|piece| frame(3, &[&[1], piece].concat()));
    let pieces = [pieces.collect::<Vec<_>>().concat(), frame(3, &[2])].concat();
    let most = append(MAX_ENTRIES, b"0123456789");
    assert!(most.len() < FRAME);
    let most = frame(3, &[&[0], &*most].concat());
    drop(bomb);

    for bytes in [&whole, &pieces] {
        let used = measure(|| {
            let mut stream = connect();
            let _ = stream.write_all(bytes);
            assert!(closes(&mut stream), "it is taken");
        });
        assert!(used < 4 * FRAME, "{used} bytes");
    }
    assert!(guest.delivered().is_empty());

    let used = measure(|| {
        let mut stream = connect();
        stream.write_all(&most).unwrap();
        wait_until("it is delivered", || !guest.delivered().is_empty());
    });
    assert!(used < 6 * FRAME, "{used} bytes");
    transport.close();
    transport.join();
}
