//! How many open files the process may have: a node that has none left cannot take a connection
//! of a peer, or open a file of its store.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::connections::beside_clients;

/// What a node needs beside its connections: the store, the log of steps, sockets of peers.
const OWN: usize = 128;

/// How many clients a node takes, of `most`, in a cluster of so many nodes; so many of them are in
/// this process. Raises the limit of the process as far as it may.
pub fn clients(most: usize, servers: usize, here: usize) -> usize {
    let beside = beside_clients(servers) + OWN;
    let wanted = (most + beside) * here;
    let allowed = match allowed(wanted) {
        Ok(allowed) => allowed,
        Err(error) => {
            tracing::warn!(%error, "cannot tell how many files may be open");
            return most;
        }
    };
    if allowed >= wanted {
        return most;
    }
    let fewer = (allowed / here).saturating_sub(beside).max(1);
    tracing::warn!(
        "{fewer} clients may be connected, not {most}: the process may have {allowed} open files \
         (ulimit -n)"
    );
    fewer
}

fn allowed(wanted: usize) -> nix::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = wanted as u64;
    if soft < wanted && soft < hard {
        let raised = wanted.min(hard);
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard)?;
        return Ok(usize::try_from(raised).unwrap_or(usize::MAX));
    }
    Ok(usize::try_from(soft).unwrap_or(usize::MAX))
}
