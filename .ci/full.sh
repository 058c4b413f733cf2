#!/usr/bin/env bash
# Three kv processes on small disks that fill up: see full.py. Each disk is a file with ext4 on a
# loop device, or memory (tmpfs) where that cannot be had; where nothing can be mounted, this says
# so, and that is all.
#
#   .ci/full.sh [KV]     the binary otherwise is built (release)
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$(mktemp -d)
mounted=()
finish() {
    status=$?
    [ $status -eq 0 ] || tail -n 20 "$directory"/*.log || true
    for place in ${mounted[@]+"${mounted[@]}"}; do umount "$place" || umount -l "$place"; done
    rm -rf "$directory"
    exit $status
}
trap finish EXIT

# disk PLACE: mounts a disk of 96 MiB there, by the means in $means.
disk() {
    mkdir -p "$1"
    case $means in
    ext4)
        truncate -s 96M "$1.disk" && mkfs.ext4 -q -m 0 "$1.disk" && mount -o loop "$1.disk" "$1"
        ;;
    tmpfs) mount -t tmpfs -o size=96m tmpfs "$1" ;;
    esac && mounted+=("$1")
}
for means in ${KV_DISK:-ext4 tmpfs} none; do
    [ "$means" = none ] || ! disk "$directory/1" 2>"$directory/why" || break
done
if [ "$means" = none ]; then
    echo "SKIPPED: no disk can be mounted here ($(head -n 1 "$directory/why")): run this as root"
    exit 0
fi
disk "$directory/2"
disk "$directory/3"
echo "three disks of 96 MiB: $means"

command -v python3 >/dev/null || { apt-get update -qq && apt-get install -y -qq python3; }
[ $# -gt 0 ] || cargo build --release --locked --bin kv
python3 .ci/full.py "${1:-${CARGO_TARGET_DIR:-target}/release/kv}" "$directory"
