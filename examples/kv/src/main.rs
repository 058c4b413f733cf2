//! `kv`: a replicated key-value server that speaks the Redis protocol, built on veraft.
//!
//! ```text
//!   client ──► thread per client ──► this node leads ──► Node::propose ──► log ──► Map::apply
//!                                └─► another one does ──► its port for clients
//! ```
//!
//! Exit status: 0 after Ctrl-C, `--clear-stopped`, `--backup` or `--restore`, 1 when a node stopped by itself, 2 when it did not start.

mod backup;
mod budget;
mod client;
mod clock;
mod command;
mod connections;
mod entry;
mod execute;
mod files;
mod image;
mod info;
mod inline;
mod keyspace;
mod lane;
mod machine;
mod operation;
mod options;
mod outgoing;
mod output;
mod pool;
mod reply;
mod request;
mod saves;
mod service;
mod start;
mod ticker;
mod turn;
mod upstream;

use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use options::{Answered, Options};
use service::Service;
use veraft::runtime::DiskStorage;

/// How often to see whether a node has stopped by itself.
const WATCH: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(Answered::Text(text)) => {
            output::say(&text);
            return ExitCode::SUCCESS;
        }
        Err(Answered::Wrong(line)) => return refuse(&line),
    };
    tracing_subscriber::fmt()
        .with_max_level(options.log)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // That a line could not be written would be told where it could not be written: by a
        // macro that panics.
        .log_internal_errors(false)
        .init();
    if options.clear_stopped {
        return clear_stopped(&options);
    }
    if let Some(done) = about_backups(&options) {
        return match done {
            Ok(text) => {
                output::say(&text);
                ExitCode::SUCCESS
            }
            Err(failure) => refuse(&failure.to_string()),
        };
    }
    let (interrupt, interrupted) = mpsc::channel();
    let again = AtomicBool::new(false);
    let handler = ctrlc::set_handler(move || {
        if again.swap(true, Ordering::Relaxed) {
            exit(130);
        }
        // The receiver lives as long as main.
        let _ = interrupt.send(());
    });
    if let Err(error) = handler {
        return refuse(&format!("cannot listen for Ctrl-C: {error}"));
    }
    let services = match start::start(&options) {
        Ok(services) => services,
        Err(refusal) => return refuse(&refusal.to_string()),
    };
    let result = watch(&services, &interrupted);
    services.into_iter().for_each(Service::stop);
    result
}

/// Waits for Ctrl-C, or for the end of a node.
fn watch(services: &[Service], interrupted: &mpsc::Receiver<()>) -> ExitCode {
    while let Err(RecvTimeoutError::Timeout) = interrupted.recv_timeout(WATCH) {
        if services.iter().any(|service| service.node().status().is_err()) {
            // The node has logged why.
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Removes the mark from a store.
fn clear_stopped(options: &Options) -> ExitCode {
    let Some(directory) = &options.data else { return refuse("give --data DIR") };
    match DiskStorage::clear_stopped(directory) {
        Ok(Some(text)) => output::say(&format!("the mark is removed; it said: {text}\n")),
        Ok(None) => output::say("there was no mark\n"),
        Err(error) => return refuse(&format!("{error:?}")),
    }
    ExitCode::SUCCESS
}

/// Makes a backup, or a directory from one, if that is asked for.
fn about_backups(options: &Options) -> Option<Result<String, backup::Failure>> {
    match (&options.backup, &options.from, &options.restore, &options.data) {
        (Some(file), Some(address), ..) => Some(backup::fetch(address, file)),
        (_, _, Some(file), Some(directory)) => Some(backup::restore(file, directory)),
        (Some(_), None, ..) | (_, _, Some(_), None) | (None, _, None, _) => None,
    }
}

fn refuse(line: &str) -> ExitCode {
    output::complain(line);
    ExitCode::from(2)
}
