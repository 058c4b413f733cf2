#!/usr/bin/env bash
# Mutants, each of which must show as its row states: those that the change touches, at most a
# dozen of them, and a dozen of the others; day by day other ones. To see a day again, give its
# number, and to see another change its base: DAY=20780 BASE=HEAD~3 .ci/mutants.sh. The whole
# table: check mutants
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/change

touching=()
if [ -n "$base" ]; then
  mapfile -t files < <(git diff --name-only "$base")
  if [ "${#files[@]}" -gt 0 ]; then touching=(--at-most 12 --touching "${files[@]}"); fi
fi
echo "dozen $day, and what changed since ${base:-nothing that is known}"
cargo run --release --locked --quiet --bin check -- mutants --dozen "$day" "${touching[@]}"
