#!/usr/bin/env bash
# Mutants, each of which must show as its row states: those that the change touches, at most a
# dozen of them, and a dozen of the others; day by day other ones. To see a day again, give its
# number, and to see another change its base: DOZEN=20780 BASE=HEAD~3 .ci/mutants.sh. The whole
# table: check mutants
set -euo pipefail
cd "$(dirname "$0")/.."
dozen=${DOZEN:-$(($(date +%s) / 86400))}

# What the change is relative to: where this branch left the main one, or the commit before.
# Nothing in a shallow clone, or outside of git.
base() {
  local head fork
  head=$(git rev-parse --verify --quiet HEAD 2>/dev/null) || return 0
  fork=$(git merge-base HEAD origin/main 2>/dev/null) || fork=$head
  [ "$fork" != "$head" ] && echo "$fork" || git rev-parse --verify --quiet HEAD~1 || true
}
base=${BASE:-$(base)}
touching=()
if [ -n "$base" ]; then
  mapfile -t files < <(git diff --name-only "$base")
  if [ "${#files[@]}" -gt 0 ]; then touching=(--at-most 12 --touching "${files[@]}"); fi
fi
echo "dozen $dozen, and what changed since ${base:-nothing that is known}"
cargo run --release --locked --quiet --bin check -- mutants --dozen "$dozen" "${touching[@]}"
