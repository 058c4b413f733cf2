//! What the properties are called.

/// At most one server leads a term, at the same moment or at different ones (§5.2).
pub const ELECTION_SAFETY: &str = "Election Safety";
/// A leader never overwrites or deletes entries of its log; it only appends (§5.3).
pub const LEADER_APPEND_ONLY: &str = "Leader Append-Only";
/// Two logs that hold an entry of the same index and term are identical up to it (§5.3).
pub const LOG_MATCHING: &str = "Log Matching";
/// An entry committed in a term is in the log of every leader of a later term (§5.4).
pub const LEADER_COMPLETENESS: &str = "Leader Completeness";
/// No two servers apply different entries at the same index (§5.4.3).
pub const STATE_MACHINE_SAFETY: &str = "State Machine Safety";
/// `currentTerm` never falls, not by a restart either (Figure 2).
pub const MONOTONE_TERM: &str = "Monotone currentTerm";
/// A server votes for at most one candidate in a term, restarts or not (§5.2).
pub const ONE_VOTE: &str = "One vote per term";
/// `commitIndex` falls only by a restart (Figure 2).
pub const MONOTONE_COMMIT: &str = "Monotone commitIndex";
/// Whatever is committed is durably stored by a majority (§5.3).
pub const COMMIT_DURABILITY: &str = "Commit durability";
/// No server that could still win an election lacks a committed entry (§5.4.1). It falls sooner
/// than Leader Completeness, which needs the election too.
pub const ELECTABLE: &str = "Electable servers are complete";
/// What counts as durable here the disk holds, and nothing is applied that does not count so, or is
/// in an image (thesis, 10.2.1).
pub const APPLIED_DURABLE: &str = "Applied is durable";
/// What a leader believes a peer to hold, the peer durably holds (§5.3).
pub const MATCH_INDEX_TRUE: &str = "matchIndex is true";
/// Terms never decrease along a log (§5.3).
pub const TERMS_IN_ORDER: &str = "Terms in order";

/// No assertion of the core fails.
pub const ASSERTIONS: &str = "Assertions";

/// No server takes a message of a peer for one that no correct peer sends.
pub const NO_BREACH: &str = "No breach";

/// An accepted proposal stands in the log where the answer says, whole and in order; a refusal
/// changes nothing, states the term, and names the leader if it is known, never the refuser.
pub const TRUE_ANSWERS: &str = "Answers are true";

/// Whoever hears of a greater term adopts it in that step and follows, and whoever hears the leader
/// of its own term does; no term rises but so, or by an election (§5.1).
pub const TERMS_LEARNT: &str = "Terms are learnt";
/// Timers are set and stopped in the steps in which they should be, and in no other (§5.2).
pub const TIMERS_WHEN_DUE: &str = "Timers are set when due";
/// The heartbeat timer of a leader runs, the election timer of everybody else, and no other.
pub const TIMERS_FIT: &str = "Timers fit the role";
/// Each request is answered in the receiver's own term, and what the answer says of its log is so.
pub const TRUE_REPLIES: &str = "Replies are true";
/// Whom a follower takes for the leader of its term, led it; and it knows it once it has heard it
/// (Figure 2, `leaderId`).
pub const LEADERS_KNOWN: &str = "Leaders are known";
/// `nextIndex` begins behind the leader's log, and moves by the answers of its peer alone, no
/// further back than they ask (§5.3).
pub const NEXT_INDEX_FOLLOWS: &str = "nextIndex follows the answers";
/// A leader sends heartbeats and entries in the steps in which it should, and nothing else (Figure
/// 2, leaders).
pub const SENT_WHEN_DUE: &str = "Entries are sent when due";
/// `nextIndex` lies above `matchIndex`, and at most one behind the leader's log.
pub const NEXT_INDEX_RANGE: &str = "nextIndex is in range";

/// What an image has in it is what was committed up to its mark, and no more (§7).
pub const IMAGES_COMMITTED: &str = "Images are committed prefixes";
/// What a log begins behind was committed: index and term of its base are those of an entry that
/// was (§7).
pub const BASES_COMMITTED: &str = "Bases are committed";
/// `lastApplied` falls only by a restart, to the base of the log (§7).
pub const MONOTONE_APPLIED: &str = "Monotone lastApplied";
/// Between an image and the log there is no gap: the image that the base of a log names is there,
/// and the state machine has all that counts as applied (§7).
pub const NO_GAP: &str = "No gap";

/// Every step, every restart and every letter is one of the abstract system that is proved to be
/// safe: the [`Judge`](crate::Judge) has nothing against it. A cluster without a judge does not have this property.
pub const REFINEMENT: &str = "Refinement";

/// In every term of the scope, one after the other, there is a leader.
pub const LEADERS_ELECTED: &str = "a leader is elected in every term";
/// A leader loses its office.
pub const LEADER_DEPOSED: &str = "a leader is deposed";
/// An entry is committed.
pub const ENTRY_COMMITTED: &str = "an entry is committed";
/// An entry is committed by a leader of a later term than its own.
pub const EARLIER_TERM_COMMITTED: &str = "an entry of an earlier term is committed";
/// The cluster still commits after a server has crashed.
pub const COMMITTED_AFTER_RESTART: &str = "an entry is committed after a restart";
/// A blank of a later term commits a client's entry.
pub const BLANK_COMMITS: &str = "a blank commits an entry of an earlier term";
/// A follower holds the first entry of what its leader would send it next, behind an entry that
/// it has acknowledged, and not the second. The leader may send it, so it arrives in the search.
pub const PARTLY_HELD: &str = "part of a batch is held behind an entry";
/// A follower is brought up by a snapshot.
pub const BROUGHT_UP: &str = "a snapshot is installed";
/// A follower installs a snapshot and keeps the entries that it held behind it.
pub const SUFFIX_KEPT: &str = "a snapshot is installed before entries that stay";
/// A server into whose log a snapshot was installed leads, from there on.
pub const INSTALLED_LEADS: &str = "a server that a snapshot was installed at leads";
/// An entry is committed behind a snapshot that was installed.
pub const COMMITTED_BEHIND: &str = "an entry is committed behind an installed snapshot";
/// A leader has brought all its entries to everybody.
pub const LOGS_AGREE: &str = "every log holds the leader's entries";
