#!/usr/bin/env bash
# Whether some test falls for each edit that cargo-mutants makes to what the change touches. What
# lives is a test that is missing, or stands with its reason in survivors.txt.
#
#   .ci/survivors.sh            what the change touches, or as much of it as fits into one run, and
#                               a few of all; day by day other ones
#   .ci/survivors.sh whole ROW  one row of the table below, whole: hours for some
#   .ci/survivors.sh part ROW N a part of it, of N mutants: another each day
#
# To see a day again, give its number, and to see another change its base:
# DAY=20780 BASE=HEAD~3 .ci/survivors.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/change
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What is tried together: files, how many mutants of what a change touches fit into one run, how
# many are tried besides, and how cargo builds and tests them. Those on request are tried by name only.
rows=(core)
on_request=(runtime storage transport)
row() {
  case $1 in
    core)
      files=(--file 'src/figure2/**')
      most=40 besides=10
      cargo_takes=(--no-default-features --features model)
      targets=(--lib --test figure2 --test breaches)
      ;;
    runtime)
      files=(--file 'src/driver/**' --file 'src/runtime/*.rs' --file 'src/runtime/machinery/*.rs')
      cargo_takes=(--no-default-features --features 'runtime,model')
      targets=(--lib --test handle --test leadership --test blanks)
      ;;
    storage)
      files=(--file 'src/runtime/storage/**')
      cargo_takes=(--all-features)
      targets=(--lib --test storage --test identity)
      ;;
    transport)
      files=(--file 'src/runtime/transport/**')
      cargo_takes=(--all-features)
      targets=(--lib --test transport --test tcp --test tcp_large --test tcp_versions --test tls)
      ;;
    *) echo "there is no row $1: ${rows[*]} ${on_request[*]}" >&2; exit 2 ;;
  esac
}

judge() { python3 .ci/survivors.py "$@"; }

# finds WHAT LIST MISSED CAUGHT
finds() {
  mkdir -p "$scratch/out"
  printf '%b' "$2" >"$scratch/list"
  printf 'a.rs: x\na.rs: x\na.rs: y\n' >"$scratch/names"
  printf '%b' "$3" >"$scratch/out/missed.txt"
  printf '%b' "$4" >"$scratch/out/caught.txt"
  : >"$scratch/out/timeout.txt"
  : >"$scratch/out/unviable.txt"
  told=$(judge "$scratch/list" "$scratch/names" "$scratch/out") || true
  grep -q "$1" <<<"$told" || { echo "FAILED: no '$1' in: $told" >&2; exit 1; }
}
echo "--- the judge finds what it has to find"
finds "a.rs: x: no test catches it" "" "a.rs:1:2: x\n" ""
finds "a.rs: x: no test catches it" "a.rs: x\n why\n" "a.rs:1:2: x\na.rs:7:2: x\n" ""
finds "a.rs: y: is listed, and a test catches it" "a.rs: y\n why\n" "" "a.rs:3:1: y\n"
finds "a.rs: z: no longer occurs" "a.rs: z\n why\n" "" ""
finds "a.rs: y: no reason" "a.rs: y\n" "a.rs:3:1: y\n" ""
finds "^1 tried, 1 lived" "a.rs: y\n why\n" "a.rs:3:1: y\n" ""
finds "^1 tried, 0 lived" "a.rs: x\n why\n" "" "a.rs:1:2: x\n"

version=27.1.0
[ "$(cargo mutants --version 2>/dev/null)" = "cargo-mutants $version" ] ||
  cargo install cargo-mutants --locked --quiet --version "$version"

# Every build of a mutant finds the dependencies built.
target=${CARGO_TARGET_DIR:-$PWD/target}/cargo-mutants
outs=()
# try OUT MOST ARGUMENTS...
try() {
  local began=$SECONDS status=0 out=$scratch/$1 most=$2 parts
  shift 2
  parts=$(cargo mutants --list "${files[@]}" "$@" | wc -l)
  parts=$(((parts + most - 1) / most))
  [ "$parts" -gt 0 ] || { echo "nothing"; return; }
  CARGO_TARGET_DIR=$target cargo mutants "${files[@]}" "$@" --package veraft \
    --sharding round-robin --shard "$((day % parts))/$parts" \
    "${cargo_takes[@]}" "${targets[@]/#/--cargo-arg=}" --output "$out" || status=$?
  # 2: some lived, 3: some never ended; which the judge reads.
  [[ $status = [023] ]] || exit "$status"
  outs+=("$out/mutants.out")
  echo "$((SECONDS - began)) s"
}

names=$scratch/every
for each in "${rows[@]}" "${on_request[@]}"; do
  row "$each"
  cargo mutants --list --line-col false "${files[@]}" >>"$names"
done
if [[ ${1:-} = whole || ${1:-} = part ]]; then
  row "${2:?which row: ${rows[*]} ${on_request[*]}}"
  [ "$1" = part ] || set -- "$@" 100000
  try "$1" "${3:?how many mutants}"
else
  [ -z "$base" ] || git diff "$base" >"$scratch/diff"
  for each in "${rows[@]}"; do
    row "$each"
    echo "--- $each: what changed since ${base:-nothing that is known}"
    [ -z "$base" ] || try "$each-touched" "$most" --in-diff "$scratch/diff"
    echo "--- $each: others of day $day"
    try "$each-others" "$besides"
  done
fi
judge .ci/survivors.txt "$names" "${outs[@]}"
