#!/usr/bin/env bash
# Whether the published crates could be published: each is packed, and built from what was packed.
set -euo pipefail
cd "$(dirname "$0")/.."
# Cargo builds a crate with those that it packed before it, and goes by name and version: of an
# earlier run it would take what it had unpacked, and built, then.
packed=${CARGO_TARGET_DIR:-target}/publish
rm -rf "$packed" "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/veraft*
# Nothing is uploaded. A tree with uncommitted files is packed as it is.
cargo publish --workspace --dry-run --locked --allow-dirty --target-dir "$packed"
rm -rf "$packed"
