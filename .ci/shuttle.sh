#!/usr/bin/env bash
# The hand-over between the runtime's threads, under a scheduler that explores interleavings.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS="--cfg veraft_shuttle" cargo test -p veraft --lib interleavings \
  --target-dir target/shuttle --locked
