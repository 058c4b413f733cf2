#!/usr/bin/env bash
# Three kv processes that write images all the time, under load and with kills, for some minutes:
# memory and disk stay bounded, and nothing that was acknowledged is lost. See images.py.
#
#   .ci/images.sh [MINUTES [KV]]     half a minute; the binary otherwise is built (release)
set -euo pipefail
cd "$(dirname "$0")/.."

command -v python3 >/dev/null || { apt-get update -qq && apt-get install -y -qq python3; }
minutes=${1:-0.5}
[ $# -gt 1 ] || cargo build --release --locked --bin kv
kv=${2:-${CARGO_TARGET_DIR:-target}/release/kv}
directory=$(mktemp -d)
finish() {
    status=$?
    [ $status -eq 0 ] || tail -n 20 "$directory"/*.log
    rm -rf "$directory"
    exit $status
}
trap finish EXIT
python3 .ci/images.py "$kv" "$directory" "$minutes"
