//! Mutual TLS: whoever lacks a certificate of the cluster's authority gets nowhere, and whoever
//! has one passes for nobody else.

#![cfg(feature = "tls")]

#[path = "common/authority.rs"]
mod authority;
mod common;
#[path = "common/log.rs"]
mod log;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use authority::{Authority, from_files, name};
use common::{Journal, LONG, wait_until};
use log::log;
use veraft::figure2::{Message, RequestVoteReply, ServerId};
use veraft::runtime::{
    Inbox, MemoryStorage, NodeBuilder, TcpTransport, Tls, TlsError, Transport, TransportError,
};

const CLUSTER: &str = "secret cluster";

fn listen(id: u64, tls: Option<Tls>) -> TcpTransport {
    let transport = TcpTransport::listen(CLUSTER, ServerId(id), "127.0.0.1:0").unwrap();
    let transport =
        (1..=3).fold(transport, |transport, id| transport.peer_name(ServerId(id), name(id)));
    match tls {
        Some(tls) => transport.tls(tls),
        None => transport,
    }
}

/// Lets server 1 receive.
fn receive(transport: &TcpTransport) -> Receiver<Message> {
    let (sender, arrived) = mpsc::channel();
    let servers = Arc::new([1, 2, 3].map(ServerId).into());
    let inbox = Inbox::new(ServerId(1), servers, move |_, message, _| {
        sender.send(message).unwrap();
        Ok(())
    });
    transport.start(inbox).unwrap();
    arrived
}

/// How many bytes a server that says it is `id` gets through to server 1.
fn bytes_sent(id: u64, to: SocketAddr, tls: Option<Tls>) -> u64 {
    let transport = listen(id, tls).peer(ServerId(1), to);
    let reply = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
    start(&transport, id);
    let bytes = transport.link(ServerId(1)).send(vec![reply]);
    transport.close();
    transport.join();
    bytes
}

/// Lets server `id` send.
fn start(transport: &TcpTransport, id: u64) {
    let servers = Arc::new([1, 2, 3].map(ServerId).into());
    transport.start(Inbox::new(ServerId(id), servers, |_, _, _| Ok(()))).unwrap();
}

#[test]
fn three_nodes_commit_over_mutual_tls() {
    let authority = Authority::new();
    let ids = [1, 2, 3].map(ServerId);
    let transports = ids.map(|id| listen(id.0, Some(authority.tls(id.0, &authority))));
    let addresses = transports.each_ref().map(TcpTransport::address);
    let start = |(id, mut transport): (ServerId, TcpTransport)| {
        for (peer, address) in ids.iter().zip(&addresses) {
            transport = transport.peer(*peer, address);
        }
        let builder = NodeBuilder::new(id, ids).timing(common::timing());
        builder.start(MemoryStorage::new(), transport, Journal::default()).unwrap()
    };
    let nodes: Vec<_> = ids.into_iter().zip(transports).map(start).collect();
    let payload = "x".repeat(200_000);
    (0..5).for_each(|_| assert!(common::commit(|| nodes.iter(), &payload) > 0));
}

#[test]
fn only_peers_with_a_certificate_of_the_authority_get_through() {
    let (authority, other) = (Authority::new(), Authority::new());
    let transport = listen(1, Some(authority.tls(1, &authority)));
    let arrived = receive(&transport);
    let address = transport.address();

    assert_eq!(bytes_sent(2, address, None), 0, "in the clear");
    assert_eq!(bytes_sent(2, address, Some(other.tls(2, &authority))), 0, "another authority's");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"veraft is not TLS").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    assert!(arrived.try_recv().is_err());

    assert!(bytes_sent(2, address, Some(authority.tls(2, &authority))) > 0);
    assert!(arrived.recv_timeout(LONG).is_ok());
    transport.close();
    transport.join();
}

#[test]
fn a_peer_passes_for_no_other_server() {
    let authority = Authority::new();
    let transport = listen(1, Some(authority.tls(1, &authority)));
    let arrived = receive(&transport);
    let address = transport.address();
    let third = authority.tls(3, &authority);

    assert_eq!(bytes_sent(2, address, Some(third.clone())), 0, "S3 said that it is S2");
    let nameless = authority.tls_for("elsewhere.example", &authority);
    assert_eq!(bytes_sent(2, address, Some(nameless)), 0, "nobody said that it is S2");
    assert!(arrived.try_recv().is_err());

    assert!(bytes_sent(3, address, Some(third)) > 0);
    assert!(arrived.recv_timeout(LONG).is_ok());
    transport.close();
    transport.join();
}

#[test]
fn two_peers_of_one_name_are_refused() {
    let authority = Authority::new();
    let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
    let transport = transport
        .tls(authority.tls(1, &authority))
        .peer(ServerId(2), "10.0.0.2:7000")
        .peer(ServerId(3), "10.0.0.2:7001");
    let inbox = Inbox::new(ServerId(1), Arc::default(), |_, _, _| Ok(()));
    let refused = transport.start(inbox).unwrap_err();
    assert!(matches!(refused, TransportError::SameName { .. }), "{refused}");
    assert!(refused.to_string().starts_with("S2 and S3 both go by the name 10.0.0.2"));
}

#[test]
fn without_another_name_a_peer_goes_by_its_host() {
    let authority = Authority::new();
    let host = || authority.tls_for("127.0.0.1", &authority);
    let listen = |id| TcpTransport::listen(CLUSTER, ServerId(id), "127.0.0.1:0").unwrap();
    let (one, two) = (listen(1).tls(host()), listen(2).tls(host()));
    let (to_one, to_two) = (one.address(), two.address());
    let (one, two) = (one.peer(ServerId(2), to_two), two.peer(ServerId(1), to_one));
    let arrived = receive(&one);
    let reply = Message::RequestVoteReply(RequestVoteReply { term: 1, vote_granted: true });
    start(&two, 2);
    assert!(two.link(ServerId(1)).send(vec![reply]) > 0);
    assert!(arrived.recv_timeout(LONG).is_ok());
    one.close();
    one.join();
}

#[test]
fn a_client_without_a_certificate_gets_nowhere() {
    let authority = Authority::new();
    let transport = listen(1, Some(authority.tls(1, &authority)));
    let arrived = receive(&transport);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name(1)).unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(transport.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let _ = stream.write_all(b"veraft");
    let refused = stream.read(&mut [0]).unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    assert!(arrived.try_recv().is_err());
    transport.close();
    transport.join();
}

#[test]
fn nothing_is_sent_to_a_server_that_another_authority_signed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let impostor = listen(1, Some(other.tls(1, &authority)));
    let arrived = receive(&impostor);
    assert_eq!(bytes_sent(2, impostor.address(), Some(authority.tls(2, &authority))), 0);
    assert!(arrived.try_recv().is_err());
    impostor.close();
    impostor.join();
}

#[test]
fn nothing_is_sent_to_a_peer_in_the_place_of_another() {
    let authority = Authority::new();
    let transport = listen(1, Some(authority.tls(3, &authority)));
    let arrived = receive(&transport);
    assert_eq!(bytes_sent(2, transport.address(), Some(authority.tls(2, &authority))), 0);
    assert!(arrived.try_recv().is_err());
    transport.close();
    transport.join();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let (_, other_key) = authority.sign("127.0.0.1");

    let missing = Tls::from_pem_files("/nowhere/ca.pem", "/nowhere/a.pem", "/nowhere/a.key");
    let missing = missing.err().unwrap().to_string();
    assert!(missing.contains("/nowhere/a.key"), "{missing}");
    let empty = from_files(&authority.pem(), "", &key).err().unwrap().to_string();
    assert!(empty.contains("certificate") && empty.contains("node.pem"), "{empty}");
    let unfit = from_files(&authority.pem(), &certificate, &other_key).err().unwrap();
    assert!(matches!(unfit, TlsError::Certificates(_)), "{unfit}");
}

/// Whoever mixes TLS and plain nodes reads in both logs what is wrong.
#[test]
fn nodes_that_are_protected_differently_say_so() {
    let log = log();
    let authority = Authority::new();
    let secured = listen(1, Some(authority.tls(1, &authority)));
    let plain = listen(2, None);
    let (to_secured, to_plain) = (secured.address(), plain.address());
    let (secured, plain) =
        (secured.peer(ServerId(2), to_plain), plain.peer(ServerId(1), to_secured));
    start(&secured, 1);
    start(&plain, 2);
    let said = |text: &str| !log.warnings(text).is_empty();
    let (mut from_secured, mut from_plain) = (secured.link(ServerId(2)), plain.link(ServerId(1)));
    wait_until("both have complained, of what they dialled and of what dialled them", || {
        from_secured.send(Vec::new());
        from_plain.send(Vec::new());
        let dialled = |address: SocketAddr, why: &str| {
            let lines = log.warnings(why);
            lines.iter().any(|line| line.contains(&format!("{address}")))
        };
        dialled(to_secured, "it speaks TLS, and this node does not")
            && dialled(to_plain, "it closed in the TLS handshake")
            && said("connection closed")
            && said("it speaks no TLS, and this node does")
    });
    assert!(!said("protocol version 2"), "a record of TLS is no version");
    for transport in [secured, plain] {
        transport.close();
        transport.join();
    }
}

#[test]
fn a_peer_listed_twice_or_without_a_port_is_an_error_at_the_start() {
    let start = |list: &dyn Fn(TcpTransport) -> TcpTransport| {
        let transport = TcpTransport::listen(CLUSTER, ServerId(1), "127.0.0.1:0").unwrap();
        let started =
            list(transport).start(Inbox::new(ServerId(1), Arc::default(), |_, _, _| Ok(())));
        started.map_err(|error| error.to_string())
    };
    let refused = start(&|one| one.peer(ServerId(2), "a:1").peer(ServerId(2), "b:1"));
    assert_eq!(refused.unwrap_err(), "S2 is listed twice, at a:1 and at b:1: list each peer once");
    for address in ["a", "a:", ":1", "a:0", "a:b", "a:65536", ""] {
        let refused = start(&|one| one.peer(ServerId(2), address)).unwrap_err();
        assert!(refused.ends_with("is no address: give host:port"), "{address}: {refused}");
    }
}
