//! A server as a list of facts, and what is new among them.

use serde::Serialize;
use veraft::figure2::{Leader, Role, Server, ServerId};
use veraft_models::{ModelNode, words};

/// One thing there is to know about a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// Its value; empty where there is nothing to say.
    pub value: String,
}

/// All there is to know about a server.
pub fn facts(node: &ModelNode) -> Vec<Fact> {
    let server = &node.replica.server;
    let volatile = server.volatile();
    let fact = |name, value: String| Fact { name, value };
    let disk = match node.pending.len() {
        0 => String::new(),
        1 => "1 write waits".to_owned(),
        waiting => format!("{waiting} writes wait"),
    };
    vec![
        fact("term", server.current_term().to_string()),
        fact("role", role(&volatile.role).to_owned()),
        fact("leader", leader(&volatile.role)),
        fact("votes", votes(&volatile.role)),
        fact("voted for", server.persistent().voted_for().map(text).unwrap_or_default()),
        fact("log", log(server)),
        fact("commit", volatile.commit_index.to_string()),
        fact("applied", volatile.last_applied.to_string()),
        fact("next/match", peers(&volatile.role)),
        fact("disk", disk),
        fact("failed", node.failed.clone().unwrap_or_default()),
    ]
}

/// The role, in one word.
pub fn role(role: &Role) -> &'static str {
    match role {
        Role::Follower { .. } => "follower",
        Role::Candidate { .. } => "candidate",
        Role::Leader(_) => "leader",
    }
}

fn text(id: ServerId) -> String {
    id.to_string()
}

fn leader(role: &Role) -> String {
    match role {
        Role::Follower { leader } => leader.map(text).unwrap_or_default(),
        Role::Candidate { .. } | Role::Leader(_) => String::new(),
    }
}

fn votes(role: &Role) -> String {
    match role {
        Role::Candidate { votes_granted } => {
            votes_granted.iter().copied().map(text).collect::<Vec<_>>().join(" ")
        }
        Role::Follower { .. } | Role::Leader(_) => String::new(),
    }
}

fn log(server: &Server) -> String {
    words::log(server.log()).trim_matches(['[', ']']).to_owned()
}

fn peers(role: &Role) -> String {
    let Role::Leader(Leader { next_index, match_index }) = role else { return String::new() };
    let peer = |(id, next): (&ServerId, &u64)| {
        format!("{id} {next}/{}", match_index.get(id).copied().unwrap_or_default())
    };
    next_index.iter().map(peer).collect::<Vec<_>>().join(", ")
}

/// Role and term, and the log, each on a line short enough for a column.
pub fn summary(node: &ModelNode) -> Vec<String> {
    let server = &node.replica.server;
    let mut lines =
        vec![format!("{}, term {}", role(&server.volatile().role), server.current_term())];
    if server.log().last_index() > 0 {
        lines.push(short_log(server, 2));
    }
    lines
}

/// The log, or its end where it has more than `most` entries.
fn short_log(server: &Server, most: u64) -> String {
    let held = server.log();
    match held.last_index() {
        0 => "log empty".to_owned(),
        last if last <= most => format!("log {}", log(server)),
        last if last < held.first_index() => format!("{last} entries, all compacted"),
        last => {
            let tail = words::entries_in_words(&held.range(last, last));
            format!("{last} entries, last {}", tail.trim_matches(['[', ']']))
        }
    }
}

/// What is new about a server, in few words; empty if nothing that a diagram shows.
pub fn news(before: &ModelNode, after: &ModelNode) -> String {
    let (old, new) = (&before.replica.server, &after.replica.server);
    let (old_role, new_role) = (role(&old.volatile().role), role(&new.volatile().role));
    let mut news = Vec::new();
    if old.current_term() != new.current_term() || old_role != new_role {
        news.push(format!("{new_role}, term {}", new.current_term()));
    }
    let voted = new.persistent().voted_for();
    if voted != old.persistent().voted_for() && voted != Some(after.id()) {
        news.extend(voted.map(|candidate| format!("votes for {candidate}")));
    }
    if old.log() != new.log() {
        news.push(short_log(new, 4));
    }
    if old.volatile().commit_index != new.volatile().commit_index {
        news.push(format!("commit {}", new.volatile().commit_index));
    }
    if before.disk != after.disk && !before.pending.is_empty() {
        news.push("on disk".to_owned());
    }
    if let (None, Some(failed)) = (&before.failed, &after.failed) {
        news.push(format!("assertion failed: {failed}"));
    }
    news.join(" · ")
}
