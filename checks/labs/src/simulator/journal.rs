//! What happened in a simulated cluster, to read after a failure and to compare two runs.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use veraft::figure2::{
    AppendOutcome, Command, Index, Message, Proposal, Role, Server, Term, Timer,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// A server started with what it had stored.
    Started {
        /// The stored term.
        term: Term,
        /// The stored log's last index.
        last_index: Index,
    },
    /// A server crashed while it wrote `unsynced` records, of which `kept` survive.
    Crashed {
        /// The records of the sync under way.
        unsynced: usize,
        /// Those of them that reached the disk.
        kept: usize,
    },
    /// A server was cut off, or connected again.
    Connected(bool),
    /// A timer fired.
    TimedOut(Timer),
    /// A message arrived.
    Received {
        /// The sender.
        from: usize,
        /// The message.
        message: Message,
    },
    /// A message to this server was lost.
    Lost {
        /// The sender.
        from: usize,
        /// The message.
        message: Message,
    },
    /// A command was offered.
    Proposed(Command),
    /// The answer to an offer.
    Answered(Proposal),
    /// A step changed what the server is.
    Became(Summary),
    /// A sync ended.
    Synced,
    /// The image of a message is whole, and the server gets the message.
    Handed(Message),
    /// An image of the state machine as of this index is whole and durable.
    ImageWritten(Index),
    /// The state machine became an image as of this index.
    Restored(Index),
    /// An entry was applied.
    Applied {
        /// Its index.
        index: Index,
        /// Its command.
        command: Command,
    },
}

/// The state of a server in a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Summary {
    role: &'static str,
    term: Term,
    last_index: Index,
    last_term: Term,
    commit_index: Index,
}

impl Summary {
    /// Sums up the state of a server.
    pub fn of(server: &Server) -> Summary {
        Summary {
            role: match server.volatile().role {
                Role::Follower { leader: _ } => "follows",
                Role::Candidate { votes_granted: _ } => "stands for election",
                Role::Leader(_) => "leads",
            },
            term: server.current_term(),
            last_index: server.log().last_index(),
            last_term: server.log().last_term(),
            commit_index: server.volatile().commit_index,
        }
    }
}

/// A happening, with when and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JournalLine {
    /// The virtual time.
    pub at: Duration,
    /// The server.
    pub server: usize,
    /// What happened.
    pub happening: Happening,
}

/// The last happenings of a run, and a digest of all of them.
pub struct Journal {
    lines: VecDeque<JournalLine>,
    kept: usize,
    digest: DefaultHasher,
    count: u64,
}

impl Journal {
    /// An empty journal that keeps the last `kept` lines.
    pub fn new(kept: usize) -> Journal {
        Journal { lines: VecDeque::new(), kept, digest: DefaultHasher::new(), count: 0 }
    }

    /// Adds a line.
    pub fn write(&mut self, line: JournalLine) {
        line.hash(&mut self.digest);
        self.count += 1;
        self.lines.push_back(line);
        if self.lines.len() > self.kept {
            self.lines.pop_front();
        }
    }

    /// The last lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &JournalLine> {
        self.lines.iter()
    }

    /// How many lines were written in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A digest of all lines: runs of one build that differ anywhere differ here.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

impl fmt::Display for JournalLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JournalLine { at, server, happening } = self;
        write!(f, "{:>4}.{:06} S{server} ", at.as_secs(), at.subsec_micros())?;
        match happening {
            Happening::Started { term, last_index } => {
                write!(f, "starts in term {term} with {last_index} entries")
            }
            Happening::Crashed { unsynced: 0, kept: _ } => f.write_str("crashes"),
            Happening::Crashed { unsynced, kept } => {
                write!(f, "crashes while it writes; {kept} of {unsynced} records survive")
            }
            Happening::Connected(true) => f.write_str("is connected"),
            Happening::Connected(false) => f.write_str("is cut off"),
            Happening::TimedOut(Timer::Election) => f.write_str("election timeout"),
            Happening::TimedOut(Timer::Heartbeat) => f.write_str("heartbeat timeout"),
            Happening::Received { from, message } => {
                write!(f, "<- S{from} {}", Readable(message))
            }
            Happening::Lost { from, message } => {
                write!(f, "xx S{from} {}", Readable(message))
            }
            Happening::Proposed(command) => write!(f, "is offered {command:?}"),
            Happening::Answered(Proposal::Accepted { term, first_index }) => {
                write!(f, "accepted at index {first_index} in term {term}")
            }
            Happening::Answered(Proposal::NotLeader { term, leader }) => match leader {
                Some(leader) => write!(f, "refused: {leader} leads term {term}"),
                None => write!(f, "refused: no known leader in term {term}"),
            },
            Happening::Became(summary) => {
                let Summary { role, term, last_index, last_term, commit_index } = summary;
                write!(f, "   {role} in term {term}, last entry {last_index} of term {last_term}")?;
                write!(f, ", committed {commit_index}")
            }
            Happening::Synced => f.write_str("disk synced"),
            Happening::Handed(message) => write!(f, "has the image of {}", Readable(message)),
            Happening::ImageWritten(index) => write!(f, "has an image of index {index}"),
            Happening::Restored(index) => write!(f, "restores the image of index {index}"),
            Happening::Applied { index, command } => write!(f, "applies {index}: {command:?}"),
        }
    }
}

/// A message in a line.
struct Readable<'m>(&'m Message);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::RequestVote(request) => write!(
                f,
                "RequestVote term {}, last entry {} of term {}",
                request.term, request.last_log_index, request.last_log_term
            ),
            Message::RequestVoteReply(reply) => {
                let granted = if reply.vote_granted { "yes" } else { "no" };
                write!(f, "vote in term {}: {granted}", reply.term)
            }
            Message::AppendEntries(request) => {
                write!(f, "AppendEntries term {}, ", request.term)?;
                let after = request.prev_log_index;
                match request.entries.len() as Index {
                    0 => f.write_str("no entries")?,
                    1 => write!(f, "entry {}", after + 1)?,
                    more => write!(f, "entries {} to {}", after + 1, after + more)?,
                }
                write!(f, " after {after} of term {}", request.prev_log_term)?;
                write!(f, ", committed {}", request.leader_commit)
            }
            Message::InstallSnapshot(request) => write!(
                f,
                "InstallSnapshot term {}, up to {} of term {}",
                request.term, request.base.last_index, request.base.last_term
            ),
            Message::AppendEntriesReply(reply) => {
                write!(f, "append in term {}: ", reply.term)?;
                match reply.outcome {
                    AppendOutcome::Success { match_index } => {
                        write!(f, "agrees up to {match_index}")
                    }
                    AppendOutcome::StaleTerm => f.write_str("stale term"),
                    AppendOutcome::Conflict { prev_log_index, conflict_term, conflict_index } => {
                        write!(f, "differs at {prev_log_index}, ")?;
                        match conflict_term {
                            Some(term) => write!(f, "its term {term} begins at {conflict_index}"),
                            None => write!(f, "its log ends before {conflict_index}"),
                        }
                    }
                }
            }
        }
    }
}
