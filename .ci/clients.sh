#!/usr/bin/env bash
# Three nodes of examples/kv as processes, and the clients that people use against each of them:
# redis-cli, redis-benchmark with its default options, redis-py, node-redis and ioredis.
#
#   .ci/clients.sh [KV]     the binary otherwise is built (release)
#
# The versions are in .ci/clients/ (package-lock.json, requirements.txt); installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
    if [ "${updated:-}" = "" ]; then apt-get update -qq; updated=yes; fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
command -v redis-benchmark >/dev/null || install redis-tools
command -v npm >/dev/null || install nodejs npm
python3 -c 'import ensurepip' 2>/dev/null || install python3 python3-venv
target=${CARGO_TARGET_DIR:-target}
[ $# -gt 0 ] || cargo build --release --locked --bin kv
kv=${1:-$target/release/kv}

venv=$target/clients
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r .ci/clients/requirements.txt
npm ci --prefix .ci/clients --no-audit --no-fund --silent
node=node
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    # Debian's is older than the libraries want.
    npm install --prefix .ci/clients --no-save --no-audit --no-fund --silent node@22.23.3
    node=.ci/clients/node_modules/.bin/node
fi

base=${KV_PORT:-22379}
directory=$(mktemp -d)
pids=()
finish() {
    status=$?
    for pid in "${pids[@]}"; do { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true; done
    [ $status -eq 0 ] || tail -n 20 "$directory"/*.log
    rm -rf "$directory"
    exit $status
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
for id in 1 2 3; do
    "$kv" --id $id --data "$directory/$id" --election-ms 300-600 \
        --peer "1=127.0.0.1:$((base + 1))@$((base + 1001))" \
        --peer "2=127.0.0.1:$((base + 2))@$((base + 1002))" \
        --peer "3=127.0.0.1:$((base + 3))@$((base + 1003))" 2>>"$directory/$id.log" &
    pids+=($!)
done
cli() { node_port=$((base + $1)); shift; timeout 20 redis-cli -p $node_port "$@"; }
for id in 1 2 3; do
    tries=200
    until [ "$(cli $id SET up $id 2>/dev/null)" = OK ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "node $id does not come up"
        sleep 0.1
    done
done
ports="$((base + 1)) $((base + 2)) $((base + 3))"

echo "--- redis-cli"
[ "$(cli 1 -3 HELLO | head -1)" != "" ] || fail "HELLO"
[ "$(cli 1 -3 INCRBY cli 4)" = 4 ] || fail "INCRBY in version 3"
[ "$(cli 2 COMMAND DOCS get | head -1)" = get ] || fail "COMMAND DOCS"
lines() { timeout 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$((base + 1)); cat >&3; cat <&3"; }
got=$(printf 'SET line "a \\x41"\r\n\r\nGET line\r\nPING "x\r\n' | lines | tr -d '\r' | tr '\n' ' ')
wanted='+OK $3 a A -ERR Protocol error: unbalanced quotes in request '
[ "$got" = "$wanted" ] || fail "lines: '$got', expected '$wanted'"
echo "redis-cli: all well"

"$venv/bin/python" .ci/clients/redis_py.py $ports
"$node" .ci/clients/node_redis.mjs $ports
"$node" .ci/clients/ioredis.mjs $ports

echo "--- redis-benchmark, default options"
# By itself it ends at the first error that it is told: so it runs what comes before the lists,
# and says what is not there.
bench() {
    timeout 600 redis-benchmark -p $((base + 1)) -q "$@" 2>&1 | tr '\r' '\n' | grep -v ': rps=' | grep '[a-z]' || true
}
ran() {
    for test in "$@"; do
        grep -q "^$test: [0-9.]* requests per second" <<<"$out" || fail "redis-benchmark did not run $test: $out"
    done
    echo "$out"
}
out=$(bench)
ran PING_INLINE PING_MBULK SET GET INCR
grep -qF "ERR unknown command 'LPUSH', with args beginning with: 'mylist' " <<<"$out" || fail "LPUSH: $out"
echo "--- redis-benchmark, the tests that are there"
out=$(bench -t ping_inline,ping_mbulk,set,get,incr,mset)
ran PING_INLINE PING_MBULK SET GET INCR "MSET (10 keys)"
echo "all well"
