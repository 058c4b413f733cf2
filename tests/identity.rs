//! Disks that are lost, emptied, copied, restored or another server's, and lists of servers that
//! differ: who is refused, what both sides say, and how a wiped server comes back.

#![cfg(feature = "runtime")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Journal, JournalNode, commit, leader, timing, wait_until};
use veraft::figure2::{Persistent, Record, ServerId};
use veraft::runtime::{
    Inbox, LimitError, Link, MemoryNetwork, MemoryStorage, MemoryTransport, NodeBuilder, Notes,
    ReadmitError, StartError, Status, Storage, StorageError, Transport, TransportError, UnfitStore,
};

const S1: ServerId = ServerId(1);
const S2: ServerId = ServerId(2);
const S3: ServerId = ServerId(3);

/// A disk of which a copy can be made, also while a node runs on it.
#[derive(Clone, Default)]
struct Platter(Arc<Mutex<Stored>>);

#[derive(Clone, Default)]
struct Stored {
    persistent: Persistent,
    notes: Notes,
}

impl Platter {
    fn copy(&self) -> Platter {
        Platter(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    fn last_index(&self) -> u64 {
        self.0.lock().unwrap().persistent.log().last_index()
    }
}

/// The storage on a platter. Every write is durable at once.
struct Written(Platter);

impl Storage for Written {
    fn load(&mut self) -> Result<Persistent, StorageError> {
        Ok(self.0.0.lock().unwrap().persistent.clone())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let persistent = &mut self.0.0.lock().unwrap().persistent;
        records.iter().cloned().for_each(|record| persistent.write(record));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn notes(&mut self) -> Result<Notes, StorageError> {
        Ok(self.0.0.lock().unwrap().notes.clone())
    }

    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.0.lock().unwrap().notes.insert(name.into(), value.into());
        Ok(())
    }
}

fn servers(count: u64) -> BTreeSet<ServerId> {
    (1..=count).map(ServerId).collect()
}

/// Nodes on a network in memory, each with its disk.
struct Cluster {
    network: MemoryNetwork,
    disks: Vec<Platter>,
    journals: Vec<Journal>,
    nodes: Vec<Option<JournalNode>>,
}

impl Cluster {
    fn start() -> Cluster {
        let mut cluster = Cluster {
            network: MemoryNetwork::new(1),
            disks: (0..3).map(|_| Platter::default()).collect(),
            journals: (0..3).map(|_| Journal::default()).collect(),
            nodes: (0..3).map(|_| None).collect(),
        };
        for id in servers(3) {
            cluster.restart(id);
        }
        cluster
    }

    fn restart(&mut self, id: ServerId) {
        let at = id.0 as usize - 1;
        self.stop(id);
        self.journals[at] = Journal::default();
        let storage = Written(self.disks[at].clone());
        let builder = NodeBuilder::new(id, servers(3)).timing(timing()).seed(id.0);
        let (transport, journal) = (self.network.transport(id), self.journals[at].clone());
        self.nodes[at] = Some(builder.start(storage, transport, journal).unwrap());
    }

    fn stop(&mut self, id: ServerId) {
        self.nodes[id.0 as usize - 1] = None;
    }

    /// The server starts again on this disk.
    fn restart_on(&mut self, id: ServerId, disk: Platter) {
        self.stop(id);
        self.disks[id.0 as usize - 1] = disk;
        self.restart(id);
    }

    fn running(&self) -> impl Iterator<Item = &JournalNode> {
        self.nodes.iter().flatten()
    }

    fn node(&self, id: ServerId) -> &JournalNode {
        self.nodes[id.0 as usize - 1].as_ref().unwrap()
    }

    fn status(&self, id: ServerId) -> Status {
        self.node(id).status().unwrap()
    }

    fn commit(&self, command: &str) {
        commit(|| self.running(), command);
    }

    fn leader(&self) -> ServerId {
        leader(|| self.running())
    }

    /// A server that does not lead, with everything that was committed.
    fn follower(&self) -> ServerId {
        let leader = self.leader();
        let id = if leader == S3 { S2 } else { S3 };
        let end = self.status(leader).commit_index;
        wait_until("it has everything", || self.disks[id.0 as usize - 1].last_index() >= end);
        id
    }

    /// Waits until `id` is refused by all others, one of which says why in its status, as `id`
    /// does in its own; and makes sure that it gets nothing from then on, and that they go on.
    fn refuses(&self, id: ServerId, why: &str) {
        let others = || servers(3).into_iter().filter(|&peer| peer != id);
        wait_until("all refuse it", || {
            others().all(|peer| self.status(peer).refused.contains_key(&id))
        });
        wait_until(&format!("both sides say: {why}"), || {
            others().any(|peer| {
                let (ours, theirs) = (self.status(peer).refused, self.status(id).refused_by);
                let says = |texts: &BTreeMap<ServerId, String>, of: ServerId| {
                    texts.get(&of).is_some_and(|text| text.contains(why))
                };
                says(&ours, id) && says(&theirs, peer)
            })
        });
        let refusals = |peer| self.node(peer).metrics().unwrap().peers[&id].hellos_refused;
        assert!(others().all(|peer| refusals(peer) > 0));
        let before = self.disks[id.0 as usize - 1].last_index();
        self.commit("without it");
        assert_eq!(self.disks[id.0 as usize - 1].last_index(), before);
        assert!(!self.status(id).is_leader());
    }

    /// Waits until `id` has everything, and no leader refuses it.
    fn accepts(&self, id: ServerId) {
        let committed = self.status(self.leader()).commit_index;
        wait_until("it catches up", || self.status(id).commit_index >= committed);
        wait_until("its leader does not refuse it", || {
            let leader = self.leader();
            let (ours, theirs) = (self.status(leader).refused, self.status(id).refused_by);
            !ours.contains_key(&id) && !theirs.contains_key(&leader)
        });
    }
}

#[test]
fn healthy_restarts_are_accepted_by_all() {
    let mut cluster = Cluster::start();
    for round in 0..3 {
        for id in servers(3) {
            cluster.commit(&format!("{round} {id}"));
            cluster.restart(id);
        }
    }
    for id in servers(3) {
        cluster.accepts(id);
    }
    assert!(cluster.running().all(|node| {
        node.metrics().unwrap().peers.values().all(|peer| peer.hellos_refused == 0)
    }));
}

#[test]
fn an_emptied_disk_is_refused_and_its_own_is_taken_back() {
    let mut cluster = Cluster::start();
    cluster.commit("first");
    let id = cluster.follower();
    let own = cluster.disks[id.0 as usize - 1].copy();
    cluster.restart_on(id, Platter::default());
    cluster.refuses(id, "another store than the one known");
    wait_until("it says so of itself", || {
        cluster.status(id).disowned.is_some_and(|why| why.contains("its disk was emptied"))
    });
    // The copy was made before its last start ended, and lacks nothing.
    cluster.restart_on(id, own);
    cluster.accepts(id);
}

#[test]
fn a_restored_copy_is_refused_and_stays_so_however_often_it_starts() {
    let mut cluster = Cluster::start();
    cluster.commit("first");
    let id = cluster.follower();
    cluster.restart(id);
    let copy = cluster.disks[id.0 as usize - 1].copy();
    cluster.restart(id);
    cluster.accepts(id);
    cluster.restart_on(id, copy);
    cluster.refuses(id, "came with a clone of its store");
    // Before that is durable, a restart forgets it.
    wait_until("it says so of itself", || cluster.status(id).disowned.is_some());
    for _ in 0..3 {
        cluster.restart(id);
        cluster.refuses(id, "it was told so by another peer");
    }
}

/// The start counter alone does not show this one.
#[test]
fn a_copy_made_while_the_node_ran_is_refused_once_it_lacks_what_was_acknowledged() {
    let mut cluster = Cluster::start();
    cluster.commit("first");
    let id = cluster.follower();
    let copy = cluster.disks[id.0 as usize - 1].copy();
    (0..200).for_each(|number| cluster.commit(&number.to_string()));
    assert_eq!(cluster.follower(), id, "no election");
    cluster.restart_on(id, copy);
    cluster.refuses(id, "came with an old copy of its store: its log ends at");
}

#[test]
fn lists_of_servers_that_differ_elect_no_second_leader() {
    let network = MemoryNetwork::new(1);
    let disks = [(); 5].map(|()| Platter::default());
    let start = |id: ServerId, count| {
        let storage = Written(disks[id.0 as usize - 1].clone());
        let builder = NodeBuilder::new(id, servers(count)).timing(timing()).seed(id.0);
        builder.start(storage, network.transport(id), Journal::default())
    };
    let mut three: Vec<JournalNode> =
        servers(3).into_iter().map(|id| start(id, 3).unwrap()).collect();
    commit(|| three.iter(), "first");
    let five = [start(ServerId(4), 5).unwrap(), start(ServerId(5), 5).unwrap()];
    // The third restarts with the longer list.
    drop(three.pop());
    match start(S3, 5) {
        Err(error @ StartError::Unfit(UnfitStore::OtherServers { .. })) => {
            let text = error.to_string();
            assert!(text.contains("3 (S1, S2, S3)") && text.contains("5 (S1, S2, S3, S4, S5)"));
        }
        other => panic!("{:?}", other.err()),
    }
    let lists = "S4 was started in a cluster of 5 (S1, S2, S3, S4, S5), and S1 in a cluster of 3";
    let (first, fourth) = (|| three[0].status().unwrap(), || five[0].status().unwrap());
    wait_until("S1 refuses S4", || first().refused.contains_key(&ServerId(4)));
    assert!(first().refused[&ServerId(4)].contains(lists), "{:?}", first().refused);
    wait_until("S4 hears of it", || fourth().refused_by.contains_key(&S1));
    assert!(fourth().refused_by[&S1].contains(lists), "{:?}", fourth().refused_by);
    wait_until("S4 refuses S1", || fourth().refused.contains_key(&S1));
    assert!(first().refused_by[&ServerId(4)].contains("S1 was started in a cluster of 3"));
    // Two of three still commit; two of five never do.
    commit(|| three.iter(), "second");
    thread::sleep(*timing().election().end() * 3);
    for node in &five {
        let status = node.status().unwrap();
        assert!(!status.is_leader() && status.commit_index == 0, "{status:?}");
    }
}

#[test]
fn a_wiped_server_is_readmitted_once_all_others_are_there_and_catches_up() {
    let mut cluster = Cluster::start();
    let commands: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    commands.iter().for_each(|command| cluster.commit(command));
    let wiped = cluster.follower();
    cluster.restart_on(wiped, Platter::default());
    cluster.refuses(wiped, "another store than the one known");
    let leads = cluster.leader();
    let other = servers(3).into_iter().find(|&id| id != leads && id != wiped).unwrap();
    // Not by who does not lead, and not for who takes part.
    let ask = |cluster: &Cluster, by: ServerId, server| cluster.node(by).readmit(server);
    assert!(matches!(ask(&cluster, other, wiped), Err(ReadmitError::NotLeader { .. })));
    assert!(matches!(ask(&cluster, leads, other), Err(ReadmitError::TakesPart(_))));
    assert!(matches!(ask(&cluster, leads, leads), Err(ReadmitError::NotAPeer(_))));
    // Not while another member is away: what it lacks, or has voted, is not known.
    cluster.network.disconnect(other);
    thread::sleep(*timing().election().end() * 2);
    match ask(&cluster, leads, wiped) {
        Err(ReadmitError::Missing { missing, .. }) => assert_eq!(missing, [other].into()),
        Err(ReadmitError::NotLeader { .. }) => panic!("the leader was deposed by nobody"),
        result => panic!("{result:?}"),
    }
    cluster.network.connect(other);
    // The one that was away may have deposed the leader when it came back.
    wait_until("a leader readmits it", || {
        cluster.running().any(|node| match node.readmit(wiped) {
            Ok(()) => true,
            Err(ReadmitError::NotLeader { .. } | ReadmitError::Missing { .. }) => false,
            Err(error) => panic!("{error}"),
        })
    });
    cluster.commit("after");
    cluster.accepts(wiped);
    assert_eq!(cluster.status(wiped).disowned, None);
    // What was acknowledged is all there, also without either of the others.
    for gone in servers(3).into_iter().filter(|&id| id != wiped) {
        cluster.stop(gone);
        cluster.commit("still there");
        let entries = cluster.journals[wiped.0 as usize - 1].entries();
        let held = commands.iter().filter(|command| entries.contains(&command.as_bytes().to_vec()));
        assert_eq!(held.count(), 200);
        cluster.restart(gone);
        cluster.accepts(gone);
    }
}

#[test]
fn only_an_empty_store_comes_back_after_a_readmission() {
    let mut cluster = Cluster::start();
    cluster.commit("first");
    let id = cluster.follower();
    let own = cluster.disks[id.0 as usize - 1].clone();
    cluster.stop(id);
    thread::sleep(*timing().election().end() * 2);
    cluster.node(cluster.leader()).readmit(id).unwrap();
    cluster.restart_on(id, own);
    cluster.refuses(id, "a store that the cluster has replaced");
    cluster.restart_on(id, Platter::default());
    cluster.commit("second");
    cluster.accepts(id);
}

/// A transport that says more of itself.
struct Says {
    inner: MemoryTransport,
    cluster: Option<&'static str>,
    missing: BTreeSet<ServerId>,
    carries: Option<usize>,
}

impl Transport for Says {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        self.inner.start(inbox)
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        self.inner.link(peer)
    }

    fn close(&self) {
        self.inner.close();
    }

    fn join(&self) {
        self.inner.join();
    }

    fn id(&self) -> Option<ServerId> {
        self.inner.id()
    }

    fn cluster(&self) -> Option<&str> {
        self.cluster
    }

    fn missing(&self, peers: &BTreeSet<ServerId>) -> BTreeSet<ServerId> {
        self.missing.intersection(peers).copied().collect()
    }

    fn max_message_bytes(&self) -> Option<usize> {
        self.carries
    }
}

fn says(id: ServerId) -> Says {
    let inner = MemoryNetwork::new(1).transport(id);
    Says { inner, cluster: None, missing: BTreeSet::new(), carries: None }
}

/// Why this node does not start on an empty disk.
#[track_caller]
fn start_error(builder: NodeBuilder, transport: Says, expected: &str) -> StartError {
    let error = builder.start(MemoryStorage::new(), transport, Journal::default()).err().unwrap();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

#[test]
fn what_contradicts_itself_does_not_start() {
    let builder = || NodeBuilder::new(S1, servers(3));
    let error = start_error(builder(), says(S2), "the transport is that of S2, and this node is");
    assert!(matches!(error, StartError::OtherId { .. }));
    let named = || Says { cluster: Some("prod"), ..says(S1) };
    start_error(builder().cluster("test"), named(), "cluster \"prod\", and this node to");
    let missing = Says { missing: [S1, S3].into(), ..says(S1) };
    start_error(builder(), missing, "no address for S3:");
    let carries = || Says { carries: Some(1000), ..says(S1) };
    let big = builder().max_append_bytes(1000).max_command_bytes(1001);
    let error = start_error(big, carries(), "max_command_bytes is 1001, and the transport carries");
    assert!(matches!(error, StartError::Limits(LimitError::TooLarge { carries: 1000, .. })));
    let big = builder().max_append_bytes(1001).max_command_bytes(1000);
    start_error(big, carries(), "lower max_append_bytes");
    start_error(builder().max_append_bytes(0), says(S1), "max_append_bytes is 0");
    start_error(builder().max_command_bytes(0), says(S1), "max_command_bytes is 0");
    let fits = builder().max_append_bytes(1000).max_command_bytes(1000);
    assert!(fits.start(MemoryStorage::new(), carries(), Journal::default()).is_ok());
}

#[test]
fn a_store_starts_only_for_its_server_its_cluster_and_its_list() {
    let disk = Platter::default();
    let start = |id, count, cluster: &str, transport: Says| {
        let builder = NodeBuilder::new(id, servers(count)).cluster(cluster);
        builder.start(Written(disk.clone()), transport, Journal::default()).map(drop)
    };
    start(S1, 3, "test", says(S1)).unwrap();
    let text = |result: Result<(), StartError>| match result {
        Err(StartError::Unfit(unfit)) => unfit.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(text(start(S2, 3, "test", says(S2))).contains("belongs to S1, and this node is S2"));
    assert!(text(start(S1, 3, "prod", says(S1))).contains("cluster \"test\""));
    assert!(text(start(S1, 5, "test", says(S1))).contains("first started in a cluster of 3"));
    let named = Says { cluster: Some("test"), ..says(S1) };
    let builder = NodeBuilder::new(S1, servers(3));
    assert!(builder.start(Written(disk), named, Journal::default()).is_ok(), "its transport's");
}
