#!/usr/bin/env bash
# The service under at least 20,000 operations and 100 faults, checked for linearizability, with
# another seed each day; then what its nodes recorded, until they were killed, is replayed.
# To see a run again, give its seed: KV_SEED=20261123 .ci/linearizability.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export KV_OPERATIONS=${KV_OPERATIONS:-20000} KV_FAULTS=${KV_FAULTS:-100}
export KV_SEED=${KV_SEED:-$(date -u +%Y%m%d)}
echo "seed $KV_SEED"
KV_RECORDINGS=$(mktemp -d)
export KV_RECORDINGS
trap 'rm -rf "$KV_RECORDINGS"' EXIT
cargo test --release --locked -p veraft-kv --test linearizability -- --nocapture \
  histories_under_faults
cargo run --release --locked --bin check -- trace --whole "$KV_RECORDINGS"/*.jsonl
