//! How a search went: new states per depth, and states a second.

use indicatif::HumanCount;

use crate::engines::Level;

/// A small bar chart, in pixels.
#[derive(Debug)]
pub struct Plot {
    pub title: &'static str,
    pub bars: Vec<Bar>,
    /// The heights of the rules, each with what it stands for.
    pub rules: Vec<(f64, String)>,
    pub deepest: usize,
}

#[derive(Debug)]
pub struct Bar {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub tip: String,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 110.0;

/// The plots for these levels; none for a search that is too small to have a shape.
pub fn plots(levels: &[Level]) -> Vec<Plot> {
    if levels.len() < 3 {
        return Vec::new();
    }
    let states: Vec<f64> = levels.iter().map(|level| level.unique_states as f64).collect();
    // A level that took less than a millisecond has no speed to speak of.
    let speed = |level: &Level| match level.seconds {
        seconds if seconds < 1e-3 => 0.0,
        seconds => level.unique_states as f64 / seconds,
    };
    let speeds: Vec<f64> = levels.iter().map(speed).collect();
    let plots = [
        plot("new states per depth (logarithmic)", &states, true),
        plot("states a second, by depth", &speeds, false),
    ];
    plots.into_iter().flatten().collect()
}

fn plot(title: &'static str, values: &[f64], logarithmic: bool) -> Option<Plot> {
    let most = values.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let share = |value: f64| match logarithmic {
        true => (value + 1.0).log10() / (most + 1.0).log10(),
        false => value / most,
    };
    let width = WIDTH / values.len() as f64;
    let bar = |(depth, &value): (usize, &f64)| Bar {
        x: depth as f64 * width,
        y: HEIGHT * (1.0 - share(value)),
        width: (width - 1.0).max(0.5),
        height: HEIGHT * share(value),
        tip: format!("depth {}: {}", depth + 1, HumanCount(value as u64)),
    };
    let marks: Vec<f64> = match logarithmic {
        true => (1..=most.log10() as i32).map(|power| 10f64.powi(power)).collect(),
        false => vec![most / 2.0, most],
    };
    let rule = |value: f64| (HEIGHT * (1.0 - share(value)), short(value));
    Some(Plot {
        title,
        bars: values.iter().enumerate().map(bar).collect(),
        rules: marks.into_iter().map(rule).collect(),
        deepest: values.len(),
    })
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.3} M", v / 1e6).replace(".000", ""),
        v if v >= 1e3 => format!("{:.0} k", v / 1e3),
        v => format!("{v:.0}"),
    }
}
