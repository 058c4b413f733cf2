//! What was measured, as text.

/// One side in one turn.
pub struct Measured {
    /// Commits a second.
    pub rate: f64,
    /// Microseconds.
    pub p50: f64,
    /// Seconds of processor time per million commits.
    pub cpu: f64,
    /// Bytes written per commit.
    pub bytes: f64,
}

type Quantity = (&'static str, usize, fn(&Measured) -> f64);

const QUANTITIES: [Quantity; 4] = [
    ("commits/s", 0, |one| one.rate),
    ("p50 us", 1, |one| one.p50),
    ("CPU s/M", 2, |one| one.cpu),
    ("B/commit", 0, |one| one.bytes),
];

/// Prints a line for each quantity and side; the others also as a multiple of the first, by the
/// ratios within each turn.
pub fn print(workload: &str, names: &[&str], measured: &[Vec<Measured>]) {
    println!("{workload} ({} turns)", measured[0].len());
    for (quantity, digits, of) in QUANTITIES {
        let first: Vec<f64> = measured[0].iter().map(of).collect();
        // Nothing is written where nothing is durable.
        if quantity == "B/commit" && measured.iter().flatten().all(|one| of(one) < 1.0) {
            continue;
        }
        for (name, turns) in names.iter().zip(measured) {
            let values: Vec<f64> = turns.iter().map(of).collect();
            let ratios = first.iter().zip(&values).map(|(first, value)| value / first).collect();
            let (value, ratio) = (spread(values, digits), spread(ratios, 2));
            let ratio = if *name == names[0] { String::new() } else { format!("  x {ratio}") };
            println!("  {quantity:9}  {name:9}  {value:32}{ratio}");
        }
    }
}

/// Median, least and most.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_unstable_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    let median = values[values.len() / 2];
    format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
}
