//! The table of verdicts, a row when its scope is finished, for a terminal of 80 columns.

use indicatif::HumanCount;

use crate::evidence::verdict::Verdict;
use crate::scopes::Scope;
use crate::telling::summary::summary;

/// With fewer states than this, most of a process' memory is not theirs.
const MANY_STATES: u64 = 100_000;

/// The columns, of which there is one more where there are several scopes.
#[derive(Clone, Debug)]
pub struct VerdictTable {
    /// How many scopes there are.
    of: usize,
    /// The widths of all columns but the last, and what stands between them.
    widths: [usize; 7],
    gap: &'static str,
}

const HEADER: [&str; 8] =
    ["", "scope", "states", "depth", "generated", "seconds", "B/state", "verdict"];

/// The place, which only a table of several scopes has, and the name.
const PLACE: usize = 0;
const SCOPE: usize = 1;

impl VerdictTable {
    /// The table of a search of `scopes`, as wide as what is pinned of them.
    pub fn of(scopes: &[Scope]) -> VerdictTable {
        let of = scopes.len();
        let states = |scope: &Scope| {
            let pinned = scope.pinned.map(|pinned| pinned.unique_states);
            HumanCount(pinned.unwrap_or_default()).to_string().len()
        };
        let mut widths = HEADER.map(str::len);
        widths[PLACE] = format!("{of} of {of}").len();
        widths[SCOPE] = scopes.iter().map(|scope| scope.name.len()).max().unwrap_or_default();
        widths[2] = scopes.iter().map(states).max().unwrap_or_default().max(widths[2]);
        // Of what is not known yet, the most that leaves 80 columns to the default scopes.
        widths[4] = widths[4].max("99,999,999".len());
        let [most @ .., _] = widths;
        VerdictTable { of, widths: most, gap: " " }
    }

    /// The table of one verdict.
    pub fn of_one(verdict: &Verdict) -> String {
        let table = VerdictTable { of: 1, widths: [0; 7], gap: "  " };
        let cells = table.cells(1, verdict);
        let mut widths = HEADER.map(str::len);
        for (width, cell) in widths.iter_mut().zip(&cells) {
            *width = cell.len().max(*width);
        }
        let [most @ .., _] = widths;
        let table = VerdictTable { widths: most, ..table };
        format!("{}\n{}", table.header(), table.line(&cells))
    }

    /// The names of the columns.
    pub fn header(&self) -> String {
        self.line(&HEADER.map(str::to_owned))
    }

    /// The row of the scope at `place`, from 1.
    pub fn row(&self, place: usize, verdict: &Verdict) -> String {
        self.line(&self.cells(place, verdict))
    }

    fn cells(&self, place: usize, verdict: &Verdict) -> [String; 8] {
        let states = verdict.unique_states;
        let bytes_a_state = match states {
            MANY_STATES.. => HumanCount(verdict.peak_rss_bytes / states).to_string(),
            _ => "-".to_owned(),
        };
        [
            format!("{place} of {}", self.of),
            verdict.scope.clone(),
            HumanCount(states).to_string(),
            verdict.depth_in_words(),
            HumanCount(verdict.generated_states).to_string(),
            format!("{:.1}", verdict.seconds),
            bytes_a_state,
            summary(verdict),
        ]
    }

    fn line(&self, cells: &[String; 8]) -> String {
        let mut line = Vec::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = self.widths.get(column).copied().unwrap_or_default();
            match column {
                PLACE if self.of == 1 => {}
                SCOPE => line.push(format!("{cell:<width$}")),
                _ => line.push(format!("{cell:>width$}")),
            }
        }
        line.join(self.gap)
    }
}
