//! What `INFO` says.

use std::fmt::Write;
use std::time::SystemTime;

use veraft::runtime::{Metrics, RoleName, Room, RoomLevel, Status};

use crate::service::Shared;

/// The sections asked for; all of them if none is named.
pub fn text(shared: &Shared, sections: &[String]) -> String {
    let named = |name: &str| {
        let all = |section: &String| matches!(&**section, "all" | "default" | "everything");
        sections.is_empty() || sections.iter().any(|section| section == name || all(section))
    };
    let mut lines = Vec::new();
    if named("server") {
        lines.push("# Server".into());
        lines.push(format!("veraft_kv_version:{}", env!("CARGO_PKG_VERSION")));
        lines.push(format!("process_id:{}", std::process::id()));
        lines.push(format!("tcp_port:{}", shared.address.port()));
        lines.push(format!("uptime_in_seconds:{}", shared.started.elapsed().as_secs()));
    }
    if named("clients") {
        lines.push("# Clients".into());
        lines.push(format!("connected_clients:{}", shared.connections.clients()));
    }
    match (shared.node.status(), shared.node.metrics()) {
        (Ok(status), Ok(metrics)) => {
            if named("persistence") {
                persistence(&mut lines, shared, &status, &metrics);
            }
            if named("raft") {
                raft(&mut lines, shared, &status);
            }
            if named("images") {
                images(&mut lines, &status, &metrics);
            }
            if named("stats") {
                stats(&mut lines, &metrics);
            }
        }
        (Err(stopped), _) | (_, Err(stopped)) => {
            lines.push(format!("stopped:{:?}", stopped.reason))
        }
    }
    lines.join("\r\n") + "\r\n"
}

fn raft(lines: &mut Vec<String>, shared: &Shared, status: &Status) {
    let Status {
        id,
        term,
        role,
        leader,
        base_index,
        last_log_index,
        commit_index,
        applied_index,
        refused,
        refused_by,
        lost,
        disowned,
        ..
    } = status;
    let role = match role {
        RoleName::Follower => "follower",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    };
    let address = leader.and_then(|leader| shared.clients.get(&leader));
    lines.push("# Raft".into());
    lines.push(format!("id:{}", id.0));
    lines.push(format!("role:{role}"));
    lines.push(format!("term:{term}"));
    lines.push(format!("leader:{}", leader.map_or(String::new(), |leader| leader.0.to_string())));
    lines.push(format!("leader_address:{}", address.map_or("", String::as_str)));
    lines.push(format!("first_log_index:{}", base_index + 1));
    lines.push(format!("last_log_index:{last_log_index}"));
    lines.push(format!("commit_index:{commit_index}"));
    lines.push(format!("applied_index:{applied_index}"));
    let refusals = [("refused", refused), ("refused_by", refused_by)];
    for (name, peers) in refusals {
        lines.extend(peers.iter().map(|(peer, why)| format!("{name}_peer{}:{why}", peer.0)));
    }
    lines.extend(lost.iter().map(|peer| format!("lost_peer{}:it refuses all it had", peer.0)));
    lines.extend(disowned.iter().map(|why| format!("disowned:{why}")));
}

/// The fields that users of Redis look at, as far as they mean something here: a save is an image.
fn persistence(lines: &mut Vec<String>, shared: &Shared, status: &Status, metrics: &Metrics) {
    let saves = &shared.saves;
    let image = metrics.image.map_or(0, |image| image.last_index);
    let in_progress = saves.in_progress() || metrics.image_being_written;
    let failed = saves.failed() || metrics.image_failed;
    lines.push("# Persistence".into());
    // A node serves nobody before it has read its store.
    lines.push("loading:0".into());
    // Entries, and not changes alone: reads have some, too.
    lines.push(format!(
        "rdb_changes_since_last_save:{}",
        status.applied_index.saturating_sub(image)
    ));
    lines.push(format!("rdb_bgsave_in_progress:{}", u8::from(in_progress)));
    lines.push(format!("rdb_last_save_time:{}", saves.last(Some(metrics))));
    lines.push(format!("rdb_last_bgsave_status:{}", if failed { "err" } else { "ok" }));
    lines.push(format!("rdb_saves:{}", metrics.images_written));
    if let Some(Room { free, reserve }) = metrics.room {
        lines.push(format!("disk_room_bytes:{free}"));
        lines.push(format!("disk_reserve_bytes:{reserve}"));
        lines.push(format!("disk_room:{}", room(metrics.room_level)));
    }
}

fn room(level: RoomLevel) -> &'static str {
    match level {
        RoomLevel::Plenty => "plenty",
        RoomLevel::Scarce => "scarce",
        RoomLevel::Full => "full",
    }
}

/// Images of the map, and what of the log they stand for.
fn images(lines: &mut Vec<String>, status: &Status, metrics: &Metrics) {
    lines.push("# Images".into());
    lines.push(format!("base_index:{}", status.base_index));
    lines.push(format!("log_bytes:{}", metrics.log_bytes));
    lines.push(format!("backlog_entries:{}", metrics.apply_lag));
    lines.push(format!("backlog_bytes:{}", metrics.backlog_bytes));
    lines.push(format!("appends_declined:{}", metrics.appends_declined));
    if let Some(image) = metrics.image {
        lines.push(format!("image_last_index:{}", image.last_index));
        lines.push(format!("image_bytes:{}", image.bytes));
        // Of one from before the start it is not known.
        let age = image.finished.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        lines.extend(age.map(|age| format!("image_age_seconds:{}", age.as_secs())));
    }
    lines.push(format!("image_being_written:{}", u8::from(metrics.image_being_written)));
    lines.push(format!("image_coming:{}", u8::from(metrics.image_coming)));
    lines.push(format!("images_written:{}", metrics.images_written));
    lines.push(format!("images_restored:{}", metrics.images_restored));
    for (peer, counted) in &metrics.peers {
        lines.push(format!(
            "images_peer{}:image_leaving={},images_sent={},image_bytes_sent={},images_received={},\
             image_bytes_received={}",
            peer.0,
            u8::from(counted.image_leaving),
            counted.images_sent,
            counted.image_bytes_sent,
            counted.images_received,
            counted.image_bytes_received
        ));
    }
}

fn stats(lines: &mut Vec<String>, metrics: &Metrics) {
    lines.push("# Stats".into());
    lines.push(format!("elections_started:{}", metrics.elections_started));
    lines.push(format!("elections_won:{}", metrics.elections_won));
    lines.push(format!("digest_index:{}", metrics.digest_index));
    lines.push(format!("digests_differ:{}", u8::from(metrics.digests_differ)));
    lines.push(format!("syncs:{}", metrics.sync_nanoseconds.count));
    lines.push(format!("sync_mean_us:{}", metrics.sync_nanoseconds.mean() / 1000));
    lines.push(format!("sync_max_us:{}", metrics.sync_nanoseconds.max / 1000));
    lines.push(format!("records_per_sync_mean:{}", metrics.sync_batch.mean()));
    lines.push(format!("proposals_in_flight:{}", metrics.proposals_in_flight));
    lines.push(format!("bytes_in_flight:{}", metrics.bytes_in_flight));
    for (peer, counted) in &metrics.peers {
        let mut line = format!("peer{}:messages_sent={}", peer.0, counted.messages_sent);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            ",bytes_sent={},messages_dropped={},messages_received={},bytes_received={},\
             hellos_refused={},breaches={},losses={}",
            counted.bytes_sent,
            counted.messages_dropped,
            counted.messages_received,
            counted.bytes_received,
            counted.hellos_refused,
            counted.breaches,
            counted.losses
        );
        lines.push(line);
    }
}
