#!/usr/bin/env bash
# The tests that `cargo test` leaves out because they are long: all of the workspace that are
# marked `#[ignore]`, in the profile that `cargo test` builds anyway.
set -euo pipefail
cd "$(dirname "$0")/.."
# Without the documentation's: what is ignored there does not stand alone.
cargo test --workspace --tests --locked -- --ignored
