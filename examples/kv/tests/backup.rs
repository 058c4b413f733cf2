//! Backups, and new clusters that begin with one, with the real program.

mod common;

use std::fs;
use std::path::Path;

use common::cluster::{Cluster, kv, run, wait_until};

fn back_up(cluster: &Cluster, id: u16, file: &Path) -> (Option<i32>, String) {
    run(kv().arg("--backup").arg(file).args(["--from", &cluster.address(id)]))
}

fn restore(file: &Path, directory: &Path) -> (Option<i32>, String) {
    run(kv().arg("--restore").arg(file).arg("--data").arg(directory))
}

#[track_caller]
fn is(outcome: (Option<i32>, String), status: i32, text: &str) {
    assert_eq!(outcome.0, Some(status), "{}", outcome.1);
    assert!(outcome.1.contains(text), "{}", outcome.1);
}

fn keys() -> impl Iterator<Item = (String, String)> {
    (0..400).map(|number| (format!("key:{number}"), format!("{number:0>700}")))
}

#[test]
fn a_new_cluster_begins_with_a_backup_and_talks_to_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let file = directory.path().join("monday.backup");
    let mut cluster = Cluster::start(&old, &["--compact-at", "30000", "--keep-entries", "50"]);
    cluster.set_all(1, keys());
    cluster.set(1, "expires", "soon EX 5000");
    // From a node that does not lead.
    let leader = cluster.leader(&[1, 2, 3]);
    let (asked, commit) = (leader % 3 + 1, cluster.number(leader, "commit_index"));
    wait_until("it has everything", || cluster.number(asked, "applied_index") >= commit);
    is(back_up(&cluster, asked, &file), 0, "cluster \"kv\", as S");
    cluster.set(1, "later", "x");
    // Also from the last one that is left, without a leader.
    (1..=3).filter(|&id| id != asked).for_each(|id| cluster.kill(id));
    is(back_up(&cluster, asked, &directory.path().join("tuesday.backup")), 0, "cluster \"kv\"");
    cluster.kill(asked);
    drop(cluster);

    let mut cluster = Cluster::new(&new, &["--compact-at", "30000", "--keep-entries", "50"]);
    for id in 1..=3 {
        is(restore(&file, &cluster.data(id)), 0, "up to entry");
        // Once, and never over a directory that is somebody's.
        is(restore(&file, &cluster.data(id)), 2, "the store is not empty");
    }
    is(restore(&file, &old.join("1")), 2, "the store is not empty");
    cluster.run(1);
    cluster.run(2);
    cluster.holds_all(2, keys());
    assert_eq!(cluster.get(1, "later"), None);
    let left = cluster.integer(1, "TTL expires");
    assert!((4000..=5000).contains(&left), "{left}");

    // A node of the old cluster, and one that begins with nothing.
    for directory in [old.join("3"), new.join("empty")] {
        cluster.run_on(3, &directory);
        cluster.says(1, "refused_peer3", "is of incarnation 0 of the cluster");
        cluster.says(2, "refused_peer3", "do not begin with the same backup");
        cluster.says(3, "refused_by_peer1", "incarnation");
        cluster.set(1, "goes", "on");
        cluster.kill(3);
    }
    cluster.run(3);
    cluster.set(3, "all", "three");
    cluster.kill(2);
    assert_eq!(cluster.get(3, "all").as_deref(), Some("three"));
    assert_eq!(cluster.get(3, "goes").as_deref(), Some("on"));
    cluster.run(2);

    // A disk is lost in the new cluster: its server comes back as in any other.
    cluster.set_all(1, keys());
    let leader = cluster.leader(&[1, 2, 3]);
    let lost = leader % 3 + 1;
    let other = 6 - leader - lost;
    cluster.kill(lost);
    fs::remove_dir_all(cluster.data(lost)).unwrap();
    cluster.run(lost);
    cluster.says(lost, &format!("refused_by_peer{leader}"), "incarnation");
    wait_until("it is readmitted", || {
        let leader = cluster.leader(&[leader, other]);
        cluster.ask(leader, &format!("RAFT READMIT {lost}")).starts_with("+OK")
    });
    cluster.set(lost, "came", "back");
    cluster.kill(other);
    cluster.holds_all(lost, keys());
}

#[test]
fn what_is_no_backup_makes_no_directory_and_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let cluster = Cluster::start(&path("cluster"), &[]);
    // Nobody is there; nothing was written yet; a file is in the way.
    let nobody = run(kv().arg("--backup").arg(path("a")).args(["--from", "127.0.0.1:1"]));
    is(nobody, 2, "cannot reach 127.0.0.1:1");
    is(back_up(&cluster, 1, &path("none").join("a")), 2, "cannot create");
    cluster.set_all(1, keys());
    is(back_up(&cluster, 1, &path("good")), 0, "a new cluster begins with it");
    is(back_up(&cluster, 1, &path("good")), 2, "never written over another file");
    let left = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["cluster", "good"]);

    let good = fs::read(path("good")).unwrap();
    assert!(good.len() > 100_000);
    for (at, what) in
        [(3, "no backup"), (30, "damaged at byte"), (good.len() / 2, "damaged at byte")]
    {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(path("bad"), bad).unwrap();
        is(restore(&path("bad"), &path("made")), 2, what);
    }
    fs::write(path("bad"), &good[..good.len() - 1]).unwrap();
    is(restore(&path("bad"), &path("made")), 2, "cut off");
    assert!(!path("made").exists());
    is(restore(&path("absent"), &path("made")), 2, "cannot open");
    is(restore(&path("good"), &path("made")), 0, "up to entry");
}
