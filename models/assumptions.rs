//! What the model takes for granted, and so every property that it shows. Who guards each of
//! these where the same code runs, and what is seen when one breaks, stands in
//! `docs/assumptions.md`; a test holds the two together.

/// Something that the model takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Its name.
    pub name: &'static str,
    /// What is taken for granted.
    pub about: &'static str,
    /// Where the model does so.
    pub place: &'static str,
}

const fn assumption(name: &'static str, about: &'static str, place: &'static str) -> Assumption {
    Assumption { name, about, place }
}

/// Every assumption.
pub const ASSUMPTIONS: &[Assumption] = &[
    assumption(
        "same members",
        "every server knows the same servers, from its first start to its last",
        "`Raft::servers` is one set, given to each",
    ),
    assumption(
        "own disk",
        "a server starts from what that very server stored, all of it, the latest",
        "`ModelNode::disk` belongs to one server, and `restart` reads it",
    ),
    assumption(
        "lasting disk",
        "what is durable stays, whole and unaltered",
        "nothing but `ModelNode::interpret` and `carry_out` changes `ModelNode::disk`",
    ),
    assumption(
        "one life at a time",
        "no two processes run as the same server",
        "a cluster has one `ModelNode` for each server",
    ),
    assumption(
        "first boot",
        "a server whose disk is empty was never up before",
        "`Cluster::boot` is the only place where disks are empty",
    ),
    assumption(
        "duties in order",
        "messages wait for the records before them; entries are applied and answers given once \
         they are durable",
        "`ModelNode::interpret`; torn steps explore the order",
    ),
    assumption(
        "true senders",
        "a message arrives at the server that it is for, from the server that sent it",
        "`Letter::from` and `Letter::to` are those of the step that sent it",
    ),
    assumption(
        "unaltered messages",
        "a message arrives as it was sent, or not at all",
        "`Action::Deliver` hands over `Letter::message`",
    ),
    assumption("correct peers", "every server runs this code", "every node is a `Raft`"),
    assumption("room for numbers", "terms and indices do not overflow", "`Bounds` are small"),
    assumption(
        "room for messages",
        "whatever is in a log can be sent and stored",
        "letters have no size",
    ),
    assumption(
        "one application",
        "every state machine is given the same entries in the same order, and does the same with \
         them",
        "`Replica::applied` stands for the state machine",
    ),
    assumption(
        "patient timers",
        "for recovery alone: messages are faster than the shortest election timeout, heartbeats \
         too, and election timeouts differ by chance",
        "`check recover` lets letters arrive before the next timer fires",
    ),
];
