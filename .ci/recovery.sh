#!/usr/bin/env bash
# Once faults stop, a leader and a new entry: from every state of these scopes.
set -euo pipefail
cd "$(dirname "$0")/.."
for scope in election pair even torn torn-log five snap-torn snap-log snap-pair; do
  cargo run --release --locked --quiet --bin check -- recover "$scope"
done
cargo run --release --locked --quiet --bin check -- recover replication --restarts 0
cargo run --release --locked --quiet --bin check -- recover blank --restarts 0
