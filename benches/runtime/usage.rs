//! What a process takes up while it runs, its peaks included.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How much of memory and disk, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub memory: u64,
    pub disk: u64,
}

/// The blocks that the file system has given to all files there. A file that was given back in
/// part counts for what is left of it.
fn on_disk(path: &Path) -> u64 {
    // A file may go meanwhile.
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    let inside = match metadata.is_dir() {
        true => path
            .read_dir()
            .map_or(0, |files| files.flatten().map(|file| on_disk(&file.path())).sum()),
        false => 0,
    };
    inside + metadata.blocks() * 512
}

/// What this process has in memory.
fn in_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[derive(Default)]
struct Peaks {
    memory: AtomicU64,
    disk: AtomicU64,
    over: AtomicBool,
}

/// Looks at this process and a directory many times a second.
pub struct Watch {
    directory: PathBuf,
    peaks: Arc<Peaks>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn begin(directory: &Path) -> Watch {
        const PAUSE: Duration = Duration::from_millis(10);
        let (directory, peaks) = (directory.to_path_buf(), Arc::new(Peaks::default()));
        let (place, seen) = (directory.clone(), peaks.clone());
        let look = move || {
            while !seen.over.load(Ordering::Relaxed) {
                seen.memory.fetch_max(in_memory(), Ordering::Relaxed);
                seen.disk.fetch_max(on_disk(&place), Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        };
        Watch { directory, peaks, thread: Some(thread::spawn(look)) }
    }

    /// What is in use now, and the most that was since the last call.
    pub fn take(&self) -> (Usage, Usage) {
        let now = Usage { memory: in_memory(), disk: on_disk(&self.directory) };
        let peak = |peak: &AtomicU64, now| peak.swap(0, Ordering::Relaxed).max(now);
        let Peaks { memory, disk, over: _ } = &*self.peaks;
        (now, Usage { memory: peak(memory, now.memory), disk: peak(disk, now.disk) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.peaks.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
