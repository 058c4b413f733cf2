#![allow(missing_docs)]
use stateright::*;
use std::collections::*;
use veraft::figure2::*;
use veraft_models::*;
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let b = Bounds { servers: a[0] as usize, terms: a[1], entries: a[2], restarts: a[3] as u32 };
    let m = Cluster::new(b, Environment::default());
    let mut seen = HashSet::new();
    let mut q = VecDeque::new();
    for s in m.init_states() {
        seen.insert(s.fingerprint());
        q.push_back(s);
    }
    let mut sizes = BTreeMap::new();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut noletters = HashSet::new();
    while let Some(s) = q.pop_front() {
        *sizes.entry(s.network.len()).or_insert(0) += 1;
        for l in s.network.iter().map(|p| p.letter) {
            let rt = s.node(l.to).replica.server.current_term();
            let st = s.node(l.from).replica.server.current_term();
            let k = match &l.message {
                Message::RequestVote(r) => format!("RV t{}", r.term),
                Message::RequestVoteReply(r) => format!("RVR t{} {}", r.term, r.vote_granted),
                Message::AppendEntries(r) => format!(
                    "AE t{} prev{} n{} c{}",
                    r.term,
                    r.prev_log_index,
                    r.entries.len(),
                    r.leader_commit
                ),
                Message::AppendEntriesReply(r) => format!("AER t{} {:?}", r.term, r.outcome),
            };
            *kinds.entry(format!("{k} from@{st} to@{rt}")).or_insert(0) += 1;
        }
        let nodes: Vec<_> = s.nodes.iter().map(|n| n.fingerprint()).collect();
        noletters.insert(nodes);
        let mut acts = vec![];
        m.actions(&s, &mut acts);
        for x in acts {
            if let Some(n) = m.next_state(&s, x) {
                if seen.insert(n.fingerprint()) {
                    q.push_back(n);
                }
            }
        }
    }
    println!("{sizes:?} node tuples {}", noletters.len());
    let mut k: Vec<_> = kinds.into_iter().collect();
    k.sort_by_key(|x| std::cmp::Reverse(x.1));
    for (k, c) in k.iter().take(60) {
        println!("{:.3} {k}", *c as f64 / seen.len() as f64);
    }
}
