//! The line that shows how far a search has come, and the memory it takes.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Distinct states so far.
    pub unique_states: u64,
    /// States generated so far, equal ones counted each time.
    pub generated_states: u64,
    /// Distinct states whose successors were generated.
    pub expanded_states: u64,
    /// The length of the longest shortest path so far, where it is known.
    pub depth: Option<u64>,
}

/// A live line on stderr; nothing where stderr is no terminal.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    peak_rss_bytes: u64,
}

impl Progress {
    /// A line for the search called `name`.
    pub fn new(name: &str) -> Progress {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}");
        bar.set_style(style.expect("the template is a constant and well-formed"));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, started: Instant::now(), peak_rss_bytes: 0 }
    }

    /// No line.
    pub fn silent() -> Progress {
        let bar = ProgressBar::hidden();
        Progress { bar, started: Instant::now(), peak_rss_bytes: 0 }
    }

    /// Shows a reading.
    pub fn show(&mut self, reading: Reading) {
        self.sample_memory();
        let Reading { unique_states, generated_states, expanded_states, depth } = reading;
        let rate = generated_states as f64 / self.started.elapsed().as_secs_f64();
        let depth = depth.map_or(String::new(), |depth| format!(", depth {depth}"));
        self.bar.set_message(format!(
            "{} states, {}/s, queue {}{depth}",
            HumanCount(unique_states),
            HumanCount(rate as u64),
            HumanCount(unique_states.saturating_sub(expanded_states)),
        ));
    }

    /// The most memory that the process was seen to hold, in bytes; 0 where the system does not
    /// tell.
    pub fn peak_rss_bytes(&mut self) -> u64 {
        self.sample_memory();
        self.peak_rss_bytes
    }

    fn sample_memory(&mut self) {
        self.peak_rss_bytes = self.peak_rss_bytes.max(memory());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line on stderr for `length` things, of which the one at work is the bar's message.
pub fn counting(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg} {elapsed}");
    let bar = ProgressBar::new(length)
        .with_style(style.expect("the template is a constant and well-formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The memory that this process holds, in bytes; 0 where the system does not tell.
pub fn memory() -> u64 {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem as u64)
}
