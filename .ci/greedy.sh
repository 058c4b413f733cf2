#!/usr/bin/env bash
# One ordinary client of examples/kv beside greedy and idle ones: see greedy.py.
#
#   .ci/greedy.sh [KV]     the binary otherwise is built (release)
set -euo pipefail
cd "$(dirname "$0")/.."

command -v python3 >/dev/null || { apt-get update -qq && apt-get install -y -qq python3; }
[ $# -gt 0 ] || cargo build --release --locked --bin kv
kv=${1:-${CARGO_TARGET_DIR:-target}/release/kv}
directory=$(mktemp -d)
finish() {
    status=$?
    [ $status -eq 0 ] || tail -n 20 "$directory"/*/*.log
    rm -rf "$directory"
    exit $status
}
trap finish EXIT
python3 .ci/greedy.py "$kv" "$directory"
