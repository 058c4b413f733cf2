#!/usr/bin/env bash
# Whether the published crates could be published: each is packed, and built from what was packed.
set -euo pipefail
cd "$(dirname "$0")/.."
# Nothing is uploaded. A tree with uncommitted files is packed as it is.
cargo publish --workspace --dry-run --locked --allow-dirty
