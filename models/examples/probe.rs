#![allow(missing_docs)]
use stateright::*;
use std::time::Instant;
use veraft_models::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let b = Bounds { servers: a[0] as usize, terms: a[1], entries: a[2], restarts: a[3] as u32 };
    let f = a.get(4).copied().unwrap_or(0);
    let e = Environment {
        symmetry: f & 1 == 0,
        keep_dead_letters: f & 2 != 0,
        audit: f & 4 != 0,
        torn: f & 8 != 0,
        ..Default::default()
    };
    let t = Instant::now();
    let c = Cluster::new(b, e)
        .checker()
        .threads(a.get(5).copied().unwrap_or(1) as usize)
        .spawn_bfs()
        .join();
    let el = t.elapsed().as_secs_f64();
    println!(
        "{b:?} unique {} gen {} depth {} {:.1}s {:.0}/s",
        c.unique_state_count(),
        c.state_count(),
        c.max_depth(),
        el,
        c.state_count() as f64 / el
    );
    println!("{:?}", c.model().sizes());
    for p in c.model().properties() {
        println!(
            "{:?} {} {:?}",
            p.expectation,
            p.name,
            c.discovery(p.name).map(|p| p.into_actions().len())
        );
    }
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", s.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
