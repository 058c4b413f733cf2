#!/usr/bin/env bash
# A dozen mutants, others each day: each must show as its row in checks/evidence/mutants states. To see a
# day again, give its number: DOZEN=20780 .ci/mutants.sh. The whole table: check mutants
set -euo pipefail
cd "$(dirname "$0")/.."
dozen=${DOZEN:-$(($(date +%s) / 86400))}
echo "dozen $dozen"
cargo run --release --locked --quiet --bin check -- mutants --dozen "$dozen"
