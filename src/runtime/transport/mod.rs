//! How messages travel between servers.

mod memory;
mod parcels;
#[cfg(feature = "tcp")]
mod tcp;

use crate::runtime::std;

use std::boxed::Box;
use std::collections::BTreeSet;
use std::fmt;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use thiserror::Error;

pub use memory::{Conditions, MemoryNetwork, MemoryTransport};
pub use parcels::{MAX_PARCEL, ParcelLink, ParcelRefused, Undelivered};
#[cfg(feature = "tcp")]
pub use tcp::{TcpCounters, TcpMetrics, TcpTransport};
#[cfg(feature = "tls")]
pub use tcp::{Tls, TlsError};

use crate::figure2::{Message, ServerId};

/// The way in and out of one node. A message may be lost, late, doubled or overtaken, but never
/// altered.
pub trait Transport: Send + Sync + 'static {
    /// Starts to hand what arrives to `inbox`. Called once, before any link sends.
    ///
    /// # Errors
    /// When nothing can be received, for example because an address is taken.
    fn start(&self, inbox: Inbox) -> Result<(), TransportError>;

    /// The way to `peer`. The node gives every link a thread of its own.
    fn link(&self, peer: ServerId) -> Box<dyn Link>;

    /// The way of parcels to `peer`, asked for once. None where this transport has no such channel:
    /// images then do not travel, and a peer that lags behind the log of its leader stays behind.
    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        let _ = peer;
        None
    }

    /// How many bytes of commands one message can carry; `None` without a limit. A message that
    /// carries at most so many, in at most [`MAX_ENTRIES`](crate::figure2::MAX_ENTRIES) entries, always arrives whole; what
    /// is larger may be lost each time. A node must propose and batch no more.
    fn max_message_bytes(&self) -> Option<usize> {
        None
    }

    /// Tells the transport to end: nothing more is accepted, and a link that blocks returns
    /// soon. Does not wait; may be called more than once, and from any thread.
    fn close(&self);

    /// Waits, after [`close`](Transport::close), until no thread of the transport runs.
    fn join(&self);

    /// The server that this transport was made for, if it knows; another than the node's is an
    /// error at the start.
    fn id(&self) -> Option<ServerId> {
        None
    }

    /// The name of the cluster that this transport was given, if any; another than the node's is
    /// an error at the start.
    fn cluster(&self) -> Option<&str> {
        None
    }

    /// Which of `peers` this transport has no way to, for want of an address: an error at the
    /// start.
    fn missing(&self, peers: &BTreeSet<ServerId>) -> BTreeSet<ServerId> {
        let _ = peers;
        BTreeSet::new()
    }

    /// Breaks what connections there are with `peer`, which may connect again: it then has to
    /// say hello again. Does not wait; called from any thread.
    fn disconnect(&self, peer: ServerId) {
        let _ = peer;
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn start(&self, inbox: Inbox) -> Result<(), TransportError> {
        (**self).start(inbox)
    }

    fn link(&self, peer: ServerId) -> Box<dyn Link> {
        (**self).link(peer)
    }

    fn parcels(&self, peer: ServerId) -> Option<Box<dyn ParcelLink>> {
        (**self).parcels(peer)
    }

    fn max_message_bytes(&self) -> Option<usize> {
        (**self).max_message_bytes()
    }

    fn id(&self) -> Option<ServerId> {
        (**self).id()
    }

    fn cluster(&self) -> Option<&str> {
        (**self).cluster()
    }

    fn missing(&self, peers: &BTreeSet<ServerId>) -> BTreeSet<ServerId> {
        (**self).missing(peers)
    }

    fn disconnect(&self, peer: ServerId) {
        (**self).disconnect(peer);
    }

    fn close(&self) {
        (**self).close();
    }

    fn join(&self) {
        (**self).join();
    }
}

/// The way to one peer.
pub trait Link: Send + 'static {
    /// Sends `messages`, in this order, or loses them, and returns how many bytes went out. May
    /// block; while it does, the node keeps the newest messages and drops the oldest. Called
    /// without a message when the link is new, so that it can connect before there is one.
    fn send(&mut self, messages: Vec<Message>) -> u64;

    /// Does what [`send`](Link::send) does, but a large message holds up none that is urgent
    /// (see [`is_urgent`]): those of `messages` go first, and between the pieces of the others
    /// the link asks `urgent` for more. The bytes that it returns include theirs.
    fn send_letting_pass(
        &mut self,
        messages: Vec<Message>,
        urgent: &mut dyn FnMut() -> Vec<Message>,
    ) -> u64 {
        let _ = urgent;
        self.send(messages)
    }

    /// How many connections it has made. What went out before the last of them, and was not
    /// acknowledged, is sent again at once; a link without connections leaves it at 0, and what
    /// it loses is sent again after a while.
    fn connections(&self) -> u64 {
        0
    }

    /// Does what [`send`](Link::send) does, for one message, at once or not at all: called by a
    /// thread that must not block, to save the change to the one that may. Refuses whatever would
    /// take long.
    ///
    /// # Errors
    /// Gives the message back, or nothing if the link holds the rest of it; either way
    /// [`send`](Link::send) is called next.
    fn try_send(&mut self, message: Message) -> Result<u64, Option<Message>> {
        Err(Some(message))
    }
}

/// Whether `message` may overtake others: votes, replies and heartbeats, which are small, and on
/// which the peace of the cluster depends. Entries stay in their order.
pub fn is_urgent(message: &Message) -> bool {
    match message {
        Message::AppendEntries(request) => request.entries.is_empty(),
        Message::RequestVote(_)
        | Message::RequestVoteReply(_)
        | Message::AppendEntriesReply(_)
        | Message::InstallSnapshot(_) => true,
    }
}

/// Why a transport could not start.
#[derive(Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}{}", in_use(source))]
    Listen {
        /// The address.
        address: std::string::String,
        /// The refusal of the operating system.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// Two peers prove who they are by the same name, so that each could pass for the other.
    #[error(
        "{one} and {other} both go by the name {name}: give each a host name or address of its \
         own, and a certificate for it"
    )]
    SameName {
        /// One of them.
        one: ServerId,
        /// The other.
        other: ServerId,
        /// Their name.
        name: std::string::String,
    },
    /// A peer was given two addresses.
    #[error("{peer} is listed twice, at {first} and at {second}: list each peer once")]
    ListedTwice {
        /// The peer.
        peer: ServerId,
        /// The address that it was given first.
        first: std::string::String,
        /// Another one.
        second: std::string::String,
    },
    /// A peer was given an address that is none.
    #[error("{peer} is listed at {address}, which is no address: give host:port")]
    NoAddress {
        /// The peer.
        peer: ServerId,
        /// What it was given.
        address: std::string::String,
    },
    /// This server's id is in use on the network.
    #[error("{0} is on this network already: shut that node down first")]
    InUse(ServerId),
}

fn in_use(error: &std::io::Error) -> &'static str {
    match error.kind() == std::io::ErrorKind::AddrInUse {
        true => " (is another node running there?)",
        false => "",
    }
}

/// The node behind an [`Inbox`] has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Closed;

/// A peer, or a message, that is none of this cluster.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The node has stopped; the transport should too.
    #[error("the node has stopped")]
    Closed,
    /// The sender is not another server of this cluster.
    #[error("{0} is not a peer in this cluster")]
    UnknownSender(ServerId),
    /// The sender is not another server of this cluster, and its hello shows why.
    #[error("{peer} is refused: {why}")]
    Foreign {
        /// The sender.
        peer: ServerId,
        /// What differs.
        why: String,
    },
    /// The message names another server than the one that sent it.
    #[error("{from} sent a request in the name of {named}")]
    WrongName {
        /// The sender.
        from: ServerId,
        /// The server that the message names.
        named: ServerId,
    },
    /// A parcel is none that a correct peer sends.
    #[error("{peer} sent a parcel that no correct peer sends: {why}")]
    Parcel {
        /// The sender.
        peer: ServerId,
        /// What is wrong with it.
        why: String,
    },
    /// The node did not accept the hello of a peer.
    #[error("{peer} is refused: {why}")]
    Hello {
        /// The peer.
        peer: ServerId,
        /// Why.
        why: String,
    },
}

impl Refused {
    /// The reason, in words for the peer.
    fn why(&self) -> String {
        match self {
            Refused::Hello { peer: _, why } | Refused::Foreign { peer: _, why } => why.clone(),
            Refused::Closed
            | Refused::UnknownSender(_)
            | Refused::WrongName { .. }
            | Refused::Parcel { .. } => self.to_string(),
        }
    }
}

/// What a node does with what arrives for it.
pub trait Reception: Send + Sync + 'static {
    /// Takes a message of `bytes` bytes from a peer.
    ///
    /// # Errors
    /// When the node has stopped.
    fn deliver(&self, from: ServerId, message: Message, bytes: u64) -> Result<(), Closed>;

    /// Takes a parcel from a peer. Nothing else of that channel arrives from the peer meanwhile.
    ///
    /// # Errors
    /// When the node has stopped, or no correct peer sends such a parcel.
    fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), ParcelRefused> {
        let _ = (from, parcel);
        Ok(())
    }

    /// What this node says of itself to each peer: bytes that only [`meet`](Self::meet) reads.
    /// Nothing unless a node stands behind it.
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Looks at what `peer` says of itself; nothing if its transport says nothing, as those of
    /// before hellos do.
    ///
    /// # Errors
    /// When it is not the peer that this node knows; the text says why, for the logs of both.
    fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), String> {
        let _ = (peer, hello);
        Ok(())
    }

    /// `peer` has refused this node's hello, and says why.
    fn refused_by(&self, peer: ServerId, why: &str) {
        let _ = (peer, why);
    }

    /// How long a peer waits at least before it stands for election: within this time after it
    /// is reachable, a link should be.
    fn patience(&self) -> Duration {
        Duration::from_millis(150)
    }
}

impl<F> Reception for F
where
    F: Fn(ServerId, Message, u64) -> Result<(), Closed> + Send + Sync + 'static,
{
    fn deliver(&self, from: ServerId, message: Message, bytes: u64) -> Result<(), Closed> {
        self(from, message, bytes)
    }
}

/// Where a transport puts what arrives for a node. Clones lead to the same node.
///
/// Each connection begins with hellos: each end gives [`hello`](Inbox::hello) to the other,
/// opaque bytes, and lets [`meet`](Inbox::meet) judge what it got. No message passes before both
/// have accepted.
#[derive(Clone)]
pub struct Inbox {
    id: ServerId,
    servers: Arc<BTreeSet<ServerId>>,
    reception: Arc<dyn Reception>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("id", &self.id)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Inbox {
    /// The inbox of server `id` of the cluster `servers`: `reception` gets what arrives; a
    /// function is one that takes messages, with the sender and the size in bytes, and meets
    /// everybody. Nodes make their own; this is for tests of transports.
    pub fn new(id: ServerId, servers: Arc<BTreeSet<ServerId>>, reception: impl Reception) -> Self {
        Inbox { id, servers, reception: Arc::new(reception) }
    }

    /// The server that receives.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Whether `sender` is another server of the cluster.
    pub fn knows(&self, sender: ServerId) -> bool {
        sender != self.id && self.servers.contains(&sender)
    }

    /// What to say to a peer at the beginning of a connection, from either end.
    pub fn hello(&self) -> Vec<u8> {
        self.reception.hello()
    }

    /// What to do with a peer's hello.
    ///
    /// # Errors
    /// When the peer is not to be talked to. The transport tells it why, and breaks with it.
    pub fn meet(&self, peer: ServerId, hello: Option<&[u8]>) -> Result<(), Refused> {
        if peer == self.id {
            return Err(Refused::UnknownSender(peer));
        }
        // A server that is none of this cluster may think that it is: its hello shows its list.
        let judged = self.reception.meet(peer, hello);
        match (self.knows(peer), judged) {
            (true, judged) => judged.map_err(|why| Refused::Hello { peer, why }),
            (false, Err(why)) => Err(Refused::Foreign { peer, why }),
            (false, Ok(())) => Err(Refused::UnknownSender(peer)),
        }
    }

    /// Tells the node that `peer` does not accept its hello.
    pub fn refused_by(&self, peer: ServerId, why: &str) {
        self.reception.refused_by(peer, why);
    }

    /// See [`Reception::patience`].
    pub fn patience(&self) -> Duration {
        self.reception.patience()
    }

    /// Hands over a message of `bytes` bytes; 0 if the transport does not count. Never blocks
    /// for long: a node that cannot keep up drops its oldest messages.
    ///
    /// # Errors
    /// When the node has stopped, or when no server would send this message. The transport
    /// should then break with the sender.
    pub fn deliver(&self, from: ServerId, message: Message, bytes: u64) -> Result<(), Refused> {
        if !self.knows(from) {
            return Err(Refused::UnknownSender(from));
        }
        let named = match &message {
            Message::RequestVote(request) => request.candidate_id,
            Message::AppendEntries(request) => request.leader_id,
            Message::InstallSnapshot(request) => request.leader_id,
            Message::RequestVoteReply(_) | Message::AppendEntriesReply(_) => from,
        };
        if named != from {
            return Err(Refused::WrongName { from, named });
        }
        self.reception.deliver(from, message, bytes).map_err(|Closed| Refused::Closed)
    }

    /// Hands over a parcel. May block, while the node cannot keep up: nothing else of that channel
    /// has to arrive from this peer meanwhile, but messages do.
    ///
    /// # Errors
    /// When the node has stopped, or no correct peer sends this parcel. The transport should then
    /// break with the sender.
    pub fn deliver_parcel(&self, from: ServerId, parcel: Vec<u8>) -> Result<(), Refused> {
        if !self.knows(from) {
            return Err(Refused::UnknownSender(from));
        }
        self.reception.deliver_parcel(from, parcel).map_err(|refused| match refused {
            ParcelRefused::Closed => Refused::Closed,
            ParcelRefused::Garbage(why) => Refused::Parcel { peer: from, why },
        })
    }
}
