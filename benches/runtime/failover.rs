//! How long a cluster is without a leader when its leader fails.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use plotters::prelude::*;
use veraft::figure2::ServerId;
use veraft::runtime::{MemoryNetwork, MemoryStorage, Timing};

use crate::cluster::{self, Nodes};

/// The leader that most of the connected nodes follow.
fn leader(nodes: &Nodes, network: &MemoryNetwork) -> Option<(ServerId, u64)> {
    let connected = nodes.iter().filter(|node| network.is_connected(node.id()));
    let leads = connected.map(|node| node.status().unwrap()).filter(|status| status.is_leader());
    leads.max_by_key(|status| status.term).map(|status| (status.id, status.term))
}

/// How long each of `failures` failures lasted, in milliseconds, sorted: from the cut until
/// another node leads.
pub fn run(failures: usize) -> Vec<f64> {
    let network = MemoryNetwork::new(1);
    let nodes = cluster::start(|_| MemoryStorage::new(), cluster::memory(&network));
    cluster::leader(&nodes);
    let mut gaps: Vec<f64> = (0..failures)
        .map(|failure| {
            let (old, term) = settle(&nodes, &network);
            // Failures fall at any moment between two heartbeats.
            thread::sleep(Duration::from_millis(failure as u64 * 7 % 50));
            network.disconnect(old);
            let start = Instant::now();
            while leader(&nodes, &network).is_none_or(|(_, new)| new <= term) {
                thread::sleep(Duration::from_micros(200));
            }
            let gap = start.elapsed();
            network.connect(old);
            gap.as_secs_f64() * 1000.0
        })
        .collect();
    gaps.sort_unstable_by(f64::total_cmp);
    gaps
}

/// Waits until all nodes follow one leader.
fn settle(nodes: &Nodes, network: &MemoryNetwork) -> (ServerId, u64) {
    loop {
        let found = leader(nodes, network);
        let agree = |(id, term): &(ServerId, u64)| {
            nodes.iter().all(|node| {
                let status = node.status().unwrap();
                status.term == *term && status.leader == Some(*id)
            })
        };
        if let Some(found) = found.filter(agree) {
            return found;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The smallest of the election timeouts of `servers` servers, on average, in milliseconds.
pub fn expected_smallest_timeout(servers: u32) -> f64 {
    let timing = Timing::default();
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
    let (shortest, longest) =
        (milliseconds(timing.election().start()), milliseconds(timing.election().end()));
    shortest + (longest - shortest) / f64::from(servers + 1)
}

/// Draws how many of the gaps fell into each 20 ms.
pub fn plot(gaps: &[f64], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    const STEP: f64 = 20.0;
    let bucket = |gap: &f64| (gap / STEP) as u32;
    let last = gaps.iter().map(bucket).max().unwrap_or(0) + 1;
    let highest = (0..last).map(|b| gaps.iter().filter(|gap| bucket(gap) == b).count()).max();
    let area = SVGBackend::new(path, (800, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Time without a leader", ("sans-serif", 24))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((0..last).into_segmented(), 0..highest.unwrap_or(0) as u32 + 1)?;
    chart
        .configure_mesh()
        .x_desc("milliseconds from the failure to the next leader")
        .y_desc("failures")
        .x_label_formatter(&|position| match position {
            SegmentValue::Exact(b) | SegmentValue::CenterOf(b) => {
                format!("{}", f64::from(*b) * STEP)
            }
            SegmentValue::Last => String::new(),
        })
        .draw()?;
    let bars = Histogram::vertical(&chart).style(BLUE.mix(0.6).filled()).margin(1);
    chart.draw_series(bars.data(gaps.iter().map(|gap| (bucket(gap), 1))))?;
    area.present()?;
    Ok(())
}
