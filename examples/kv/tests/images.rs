//! Images of the map, with the real program: logs that are cut, nodes that are killed and come
//! back by them, and what clients of Redis ask for.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::cluster::{Cluster, LONG, wait_until};

/// Images of a few kilobytes, every few hundred entries.
const OFTEN: [&str; 4] = ["--compact-at", "20000", "--keep-entries", "100"];

fn keys(range: std::ops::Range<u32>) -> impl Iterator<Item = (String, String)> {
    range.map(|number| (format!("key:{number}"), format!("{number:0>40}")))
}

#[test]
fn a_node_that_was_far_behind_is_brought_up_by_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), &OFTEN);
    cluster.set_all(1, keys(0..500));
    let leader = cluster.leader(&[1, 2, 3]);
    let behind = if leader == 3 { 2 } else { 3 };
    let other = 6 - leader - behind;
    cluster.kill(behind);
    let ended = cluster.number(leader, "last_log_index");
    let mut at = 500;
    // Until neither of the others has what comes behind its log.
    while [leader, other].iter().any(|&id| cluster.number(id, "base_index") <= ended) {
        cluster.set_all(leader, keys(at..at + 500));
        at += 500;
        assert!(at < 200_000, "no log is cut");
    }
    cluster.set(leader, "lasts", "x EX 10000");
    cluster.run(behind);
    wait_until("it has caught up", || {
        cluster.number(behind, "applied_index") >= cluster.number(leader, "commit_index")
    });
    let received = |line: &str| {
        let bytes = line.split("image_bytes_received=").nth(1)?;
        bytes.trim_end().parse::<u64>().ok()
    };
    let lines = cluster.ask(behind, "INFO images");
    assert!(lines.lines().filter_map(received).sum::<u64>() > 0, "{lines}");
    // Everything is there when nothing can be answered without it.
    cluster.kill(leader);
    cluster.holds_all(behind, keys(0..at));
    let left = cluster.integer(behind, "TTL lasts");
    assert!((9000..=10_000).contains(&left), "{left}");
}

/// One writer a key, which only counts up.
#[test]
fn no_acknowledged_write_is_lost_while_nodes_are_killed_and_logs_are_cut() {
    const WRITERS: u16 = 4;
    const KILLS: u16 = 8;
    let directory = tempfile::tempdir().unwrap();
    let cluster = Mutex::new(Cluster::start(directory.path(), &OFTEN));
    let ports: Vec<u16> = (1..=3).map(|id| cluster.lock().unwrap().port(id)).collect();
    let over = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let (ports, over) = (&ports, &over);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(&format!("w{writer}"), writer, ports, over)))
            .collect();
        for kill in 0..KILLS {
            let id = kill % 3 + 1;
            let mut cluster = cluster.lock().unwrap();
            // There is something to lose, and to be cut, in each round.
            let before = cluster.number(id, "commit_index");
            wait_until("commits go on", || cluster.number(id, "commit_index") > before + 300);
            cluster.kill(id);
            thread::sleep(Duration::from_millis(u64::from(kill) * 100));
            cluster.run(id);
        }
        over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    let cluster = cluster.into_inner().unwrap();
    for id in 1..=3 {
        for (key, counts) in acknowledged.iter().flatten() {
            let held: u64 = cluster.get(id, key).map_or(0, |value| value.parse().unwrap());
            let Counts { acknowledged, tried } = counts;
            assert!((*acknowledged..=*tried).contains(&held), "{key}: {held}, {counts:?}");
        }
        assert!(cluster.number(id, "base_index") > 0, "the log of node {id} is whole");
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    acknowledged: u64,
    tried: u64,
}

/// Sets keys to rising numbers, through one node after the other. A key whose fate is not known
/// once is left alone from then on: what was asked may yet happen.
fn write(name: &str, seed: u16, ports: &[u16], over: &AtomicBool) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let (mut generation, mut node, mut connection) = (0, usize::from(seed), None);
    while !over.load(Ordering::Relaxed) {
        let Some(stream) = &mut connection else {
            node += 1;
            connection = TcpStream::connect(("127.0.0.1", ports[node % ports.len()])).ok();
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        for slot in 0..10 {
            let key = format!("{name}:{generation}:{slot}");
            let count = counts.entry(key.clone()).or_default();
            count.tried += 1;
            match set(stream, &key, count.tried) {
                Some(true) => count.acknowledged = count.tried,
                Some(false) => count.tried = count.acknowledged,
                None => {
                    (connection, generation) = (None, generation + 1);
                    break;
                }
            }
        }
    }
    counts
}

/// Whether it was executed; none if that is not known.
fn set(stream: &mut TcpStream, key: &str, value: u64) -> Option<bool> {
    stream.set_read_timeout(Some(LONG)).ok()?;
    stream.write_all(format!("SET {key} {value:0>40}\r\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    match &*line {
        "+OK\r\n" => Some(true),
        line if line.starts_with("-CLUSTERDOWN not executed") => Some(false),
        _ => None,
    }
}

#[test]
fn saves_are_those_of_the_node_that_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), &[]);
    cluster.set_all(1, keys(0..300));
    let leader = cluster.leader(&[1, 2, 3]);
    let asked = leader % 3 + 1;
    wait_until("it has everything", || cluster.number(asked, "applied_index") > 300);
    let last = |id| cluster.integer(id, "LASTSAVE");
    let began = last(asked);
    let info = cluster.info(asked);
    assert_eq!((&*info["first_log_index"], &*info["loading"]), ("1", "0"));
    assert!(!info.contains_key("image_bytes"), "{info:?}");
    assert!(cluster.number(asked, "rdb_changes_since_last_save") > 300);
    // A second has passed, so the next save can be told from the start.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(cluster.ask(asked, "SAVE"), "+OK\r\n+OK\r\n");
    let saved = last(asked);
    assert!(saved > began);
    let info = cluster.info(asked);
    assert!(cluster.number(asked, "base_index") > 300 && info["images_written"] == "1", "{info:?}");
    assert_eq!(info["rdb_last_save_time"], saved.to_string());
    assert_eq!((&*info["rdb_last_bgsave_status"], &*info["rdb_saves"]), ("ok", "1"));
    assert!(cluster.number(asked, "rdb_changes_since_last_save") < 10);
    // Also when there is nothing new in it.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(cluster.ask(asked, "BGSAVE"), "+Background saving started\r\n+OK\r\n");
    wait_until("it is saved", || last(asked) > saved);
    wait_until("it is over", || cluster.number(asked, "rdb_bgsave_in_progress") == 0);
    // The others know nothing of it.
    for id in (1..=3).filter(|&id| id != asked) {
        let info = cluster.info(id);
        let seen = (&*info["base_index"], &*info["rdb_saves"]);
        assert_eq!(seen, ("0", "0"), "{info:?}");
    }
}

#[test]
fn a_save_that_fails_is_told_and_shown_until_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), &[]);
    cluster.set_all(1, keys(0..10));
    wait_until("it has everything", || cluster.number(1, "applied_index") > 10);
    // Where the directory for images would be, stands a file.
    let images = cluster.data(1).join("images");
    assert!(!images.exists());
    fs::write(&images, "in the way").unwrap();
    let answer = cluster.ask(1, "SAVE");
    assert!(answer.starts_with("-ERR not saved: ") && answer.contains("images"), "{answer}");
    assert_eq!(cluster.info(1)["rdb_last_bgsave_status"], "err");
    // It goes on all the same.
    cluster.set_all(1, keys(10..20));
    fs::remove_file(&images).unwrap();
    assert_eq!(cluster.ask(1, "SAVE"), "+OK\r\n+OK\r\n");
    assert_eq!(cluster.info(1)["rdb_last_bgsave_status"], "ok");
}

/// An image that takes long: many of these commands meet the first one.
#[test]
fn a_second_background_save_is_refused_in_the_words_of_redis() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), &[]);
    let value = "v".repeat(900_000);
    for key in 0..40 {
        let (key, value) = (format!("large:{key}"), &value[key..]);
        let words = ["SET", &key, value].map(|word| format!("${}\r\n{word}", word.len()));
        let request = format!("*3\r\n{}", words.join("\r\n"));
        wait_until("it is set", || cluster.ask(1, &request).starts_with("+OK"));
    }
    let leader = cluster.leader(&[1, 2, 3]);
    let commit = cluster.number(leader, "commit_index");
    wait_until("it has everything", || cluster.number(1, "applied_index") >= commit);
    let refusal = "-ERR Background save already in progress";
    let mut refused = [false; 2];
    // The first one may be over when the second one comes, though the disk takes longer.
    wait_until("both are refused", || {
        let answers = cluster.ask(1, "BGSAVE\r\nBGSAVE\r\nSAVE");
        let lines: Vec<&str> = answers.split("\r\n").collect();
        for (line, success) in
            lines.iter().zip(["+Background saving started"; 2].iter().chain(&["+OK"]))
        {
            assert!([success, refusal].contains(line), "{answers}");
        }
        refused = [refused[0] || lines[1] == refusal, refused[1] || lines[2] == refusal];
        refused == [true; 2]
    });
    wait_until("it is over", || cluster.number(1, "rdb_bgsave_in_progress") == 0);
    assert_eq!(cluster.ask(1, "SAVE"), "+OK\r\n+OK\r\n");
    assert!(cluster.number(1, "image_bytes") > 36_000_000);
}
