#!/usr/bin/env bash
# What stands behind the library, on every platform and with every feature: fails for a crate
# with an open advisory or that nobody looked up (advisories.txt), for a licence outside the list
# in advisories.py, and for a version that its authors withdrew.
#
# The registries have no copy of the RustSec database, so the list is kept here by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

judge() { python3 .ci/advisories.py .ci/advisories.txt; }
fail() { echo "FAILED: $*" >&2; exit 1; }

echo "--- the judge finds what it has to find"
# refuses WHAT NAME VERSION LICENCE
refuses() {
    told=$(printf '%s v%s\t%s\n' "$2" "$3" "$4" | judge) && fail "accepted: $*"
    grep "FOUND: $2 .*$1" <<<"$told" || fail "refused $2 without '$1': $told"
}
refuses RUSTSEC-2026-0248 im 15.1.0 MPL-2.0+
refuses RUSTSEC-2026-0255 sized-chunks 0.6.5 MPL-2.0+
refuses RUSTSEC-2026-0247 bitmaps 2.1.0 MPL-2.0+
refuses RUSTSEC-2026-0285 rustls 0.23.44 MIT
refuses licence log 1.0.0 GPL-3.0-only
refuses licence log 1.0.0 "MIT AND (MPL-2.0 OR LGPL-2.1-or-later)"
refuses licence log 1.0.0 ""
refuses "never looked up" left-pad 1.0.0 MIT
printf '%s v%s\t%s\n' rustls 0.23.45 "MIT/GPL-3.0" wasi 0.11.1+wasi \
    "Apache-2.0 WITH LLVM-exception AND MIT" | judge || fail "refused what is well"

echo "--- behind veraft"
cargo tree --package veraft --edges normal,build --all-features --target all --locked \
    --prefix none --format '{p}	{l}' | grep -v '^veraft v' | judge

echo "--- withdrawn versions"
# Packing asks the registry, and warns of each locked version that is withdrawn ("yanked").
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
told=$(cargo package --package veraft --locked --no-verify --allow-dirty \
    --target-dir "$package" 2>&1) || fail "$told"
! grep yanked <<<"$told" || fail "a version is withdrawn: cargo update"
echo none
