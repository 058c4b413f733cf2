#!/usr/bin/env bash
# Three nodes of examples/kv as processes, and the clients of Debian's redis-tools against them:
# every command, a benchmark, a leader killed with SIGKILL, and its return. At the end, what the
# nodes recorded until they were killed is validated by `check trace`.
#
#   .ci/redis.sh [KV [CHECK]]     the binaries otherwise are built (release)
#
# Needs redis-cli and redis-benchmark; installs redis-tools where it may.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v redis-benchmark >/dev/null; then
    apt-get install -y redis-tools || { apt-get update && apt-get install -y redis-tools; }
fi
release=${CARGO_TARGET_DIR:-target}/release
[ $# -gt 0 ] || cargo build --release --locked --bin kv
[ $# -gt 1 ] || cargo build --release --locked --bin check
kv=${1:-$release/kv}
check=${2:-$release/check}

base=${KV_PORT:-26379}
directory=$(mktemp -d)
# Quietly, also where the shell would tell.
kill_hard() { { kill -KILL "$1"; wait "$1"; } 2>/dev/null || true; }
finish() {
    status=$?
    for id in 1 2 3; do
        eval "pid=\${pid$id:-}"
        [ -z "$pid" ] || kill_hard "$pid"
    done
    [ $status -eq 0 ] || tail -n 20 "$directory"/*.log
    rm -rf "$directory"
    exit $status
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
port() { echo $((base + $1)); }
start() {
    "$kv" --id "$1" --data "$directory/$1" --record "$directory/$1.jsonl" \
        --election-ms 300-600 \
        --peer "1=127.0.0.1:$(port 1)@$((base + 1001))" \
        --peer "2=127.0.0.1:$(port 2)@$((base + 1002))" \
        --peer "3=127.0.0.1:$(port 3)@$((base + 1003))" 2>>"$directory/$1.log" &
    eval "pid$1=$!"
}
# cli NODE WORD...
cli() { node=$1; shift; timeout 20 redis-cli -p "$(port "$node")" "$@"; }
# expect NODE ANSWER WORD...
expect() {
    node=$1; wanted=$2; shift 2
    got=$(cli "$node" "$@")
    [ "$got" = "$wanted" ] || fail "node $node, $*: expected '$wanted', got '$got'"
    echo "node $node: $* -> $got"
}
info() { cli "$1" INFO raft 2>/dev/null | tr -d '\r' | sed -n "s/^$2://p"; }
# wait_for SECONDS COMMAND...
wait_for() {
    seconds=$1; shift
    tries=$((seconds * 10))
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited $seconds s in vain: $*"
        sleep 0.1
    done
}
up() { [ "$(cli "$1" PING 2>/dev/null)" = PONG ]; }
has_leader() { [ -n "$(info "$1" leader)" ]; }
equal() { [ "$(info "$1" applied_index)" = "$(info "$2" last_log_index)" ]; }

for id in 1 2 3; do start $id; done
for id in 1 2 3; do wait_for 20 up $id; wait_for 20 has_leader $id; done

echo "--- each command, on any node"
expect 1 OK SET a 1
expect 2 1 GET a
expect 3 "" GET absent
expect 2 "" SET a 2 NX
expect 3 OK SET a 2 XX
expect 1 "" SET absent 1 XX
expect 1 3 INCR a
expect 2 1 CAS a 3 4
expect 3 0 CAS a 3 5
expect 1 4 GET a
expect 2 1 DEL a absent
expect 3 0 DEL a
expect 1 PONG PING
expect 2 hello PING hello
expect 3 OK SELECT 0
expect 1 OK SET a 1 EX 100
expect 2 1 PERSIST a
expect 1 -1 TTL a
expect 2 7 INCRBY a 6
expect 3 OK MSET b 1 c 2
expect 1 3 EXISTS a b c
expect 1 "ERR unknown command 'LPUSH', with args beginning with: 'l' 'x' " LPUSH l x
expect 2 OK SET a x
expect 3 "ERR value is not an integer or out of range" INCR a

echo "--- images, of the node that is asked"
expect 2 OK SAVE
expect 1 "Background saving started" BGSAVE
[ "$(cli 3 LASTSAVE)" -gt 1700000000 ] || fail "LASTSAVE: $(cli 3 LASTSAVE)"
saved() { cli 2 INFO persistence | tr -d '\r' | grep -q "^$1$"; }
saved rdb_last_bgsave_status:ok && saved rdb_saves:1 || fail "$(cli 2 INFO persistence)"

echo "--- redis-benchmark"
bench() {
    node=$1; shift
    out=$(timeout 120 redis-benchmark -p "$(port "$node")" -q "$@" | tr '\r' '\n')
    results=$(echo "$out" | grep "requests per second" || true)
    [ "$(echo "$results" | grep -c .)" = 3 ] || fail "redis-benchmark on node $node: $out"
    echo "node $node $*"
    echo "$results"
}
leader=$(info 1 leader)
bench "$leader" -t set,get,incr -n "${KV_BENCH:-20000}" -c 50
bench "$leader" -t set,get,incr -n "${KV_BENCH:-20000}" -c 50 -P 16

echo "--- the leader, node $leader, is killed with SIGKILL"
one=$((leader % 3 + 1))
other=$((one % 3 + 1))
eval "kill_hard \$pid$leader"
expect "$one" OK SET after-the-kill 1
expect "$other" 1 GET after-the-kill
expect "$other" 2 INCR after-the-kill
[ "$(info "$one" leader)" != "$leader" ] || fail "the dead node still leads"
echo "node $(info "$one" leader) leads term $(info "$one" term)"

echo "--- it starts again and catches up"
start "$leader"
wait_for 20 up "$leader"
wait_for 30 equal "$leader" "$one"
expect "$leader" 2 GET after-the-kill
cli "$leader" INFO raft | tr -d '\r'

echo "--- Ctrl-C ends a node in order"
eval "pid=\$pid$one"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
[ $status = 0 ] || fail "node $one ended with $status after SIGINT"
eval "pid$one="
expect "$leader" 3 INCR after-the-kill

echo "--- what the nodes recorded, to the moment when they were killed"
for id in 1 2 3; do
    eval "pid=\${pid$id:-}"
    [ -z "$pid" ] || kill_hard "$pid"
    eval "pid$id="
done
"$check" trace --whole "$directory"/*.jsonl
echo "all well"
