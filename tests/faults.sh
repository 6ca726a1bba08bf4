#!/usr/bin/env bash
# Faults that the tests cannot make: kernels that kill at a rename, full disks, process numbers that come again.
#
#   tests/faults.sh RESIDUA
#
# RESIDUA is the program; Linux, strace and, for the last two, the right to make namespaces (root) are needed.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
samples=weights/texture/samples/good
count=$(find "$samples" -type f | wc -l)

detect() {
    "$program" detect "$samples" --model weights/texture --runs 1 --steps 1 --threshold 0.02 --device cpu "$@"
}
# strace with its own options up to --, then detect.
traced() {
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    strace -f -qq -o "$folder/trace" "${options[@]}" \
        "$program" detect "$samples" --model weights/texture --runs 1 --steps 1 --threshold 0.02 --device cpu "$@"
}
fail() {
    echo "FAIL: $*" >&2
    exit 1
}
records() {
    python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1] + "/results.json"))["records"]))' "$1"
}
lines() {
    grep -c '"image"' "$1/results.journal" || true
}

detect --out "$folder/whole" >"$folder/whole.txt"

# A kill at each of the renames: the pictures of the first, the last ones, results.json and what follows it.
for at in 1 5 9 16 17 18 19; do
    out=$folder/kill-$at
    traced -e trace=rename -e inject=rename:signal=SIGKILL:when="$at" -- --out "$out" >/dev/null 2>&1 || true
    kept=$(lines "$out" 2>/dev/null || echo 0)
    detect --out "$out" --resume >"$folder/resumed.txt" || fail "resumed after a kill at rename $at"
    cmp -s "$folder/whole/brick-1/heatmap.png" "$out/brick-1/heatmap.png" || fail "pictures after a kill at rename $at"
    [ "$(records "$out")" = "$count" ] || fail "results after a kill at rename $at"
    diff <(grep -v report "$folder/whole.txt") <(grep -v report "$folder/resumed.txt") || fail "scores, $at"
    [ -z "$(find "$out" -name '*.part' -o -name results.journal)" ] || fail "leftovers after a kill at rename $at"
    echo "ok: killed at rename $at with ${kept:-0} images finished"
done

# No space for the journal, for results.json, and a disk that fails.
fault() {
    local what=$1 named=$2 && shift 2
    local out=$folder/$what code=0
    traced "$@" -- --out "$out" >"$folder/out.txt" 2>"$folder/err.txt" || code=$?
    [ "$code" = 2 ] || fail "$what: exit code $code"
    grep -q "error: $out/$named: " "$folder/err.txt" || fail "$what: $(cat "$folder/err.txt")"
    [ "$(grep -c '^brick' "$folder/out.txt")" = "$count" ] || fail "$what: not all scores were told"
    detect --out "$out" --resume >/dev/null || fail "$what: resumed"
    [ "$(records "$out")" = "$count" ] || fail "$what: results"
    echo "ok: $what, $(grep error "$folder/err.txt")"
}
fault journal results.journal -P "$folder/journal/results.journal" -e trace=write -e inject=write:error=ENOSPC:when=3
fault sync results.journal -P "$folder/sync/results.journal" -e trace=fdatasync -e inject=fdatasync:error=EIO:when=1
fault results results.json -e trace=fsync -e inject=fsync:error=ENOSPC:when=1

if [ "$(id -u)" = 0 ] && unshare --pid --fork true 2>/dev/null; then
    # As in a container, every run has the same number.
    out=$folder/numbers
    unshare --pid --fork strace -f -qq -o "$folder/trace" -e trace=rename -e inject=rename:signal=SIGKILL:when=17 \
        "$program" detect "$samples" --model weights/texture --runs 1 --steps 1 --threshold 0.02 --device cpu --out "$out" >/dev/null 2>&1 || true
    find "$out" -name '*.part' | grep -q . || fail "nothing was left over"
    unshare --pid --fork strace -f -qq -o "$folder/trace" -e trace=rename \
        "$program" detect "$samples" --model weights/texture --runs 1 --steps 1 --threshold 0.02 --device cpu --out "$out" >/dev/null ||
        fail "a leftover of a process of the same number"
    [ "$(records "$out")" = "$count" ] || fail "results beside a leftover"
    echo "ok: leftovers of a process of the same number"
fi

if mkdir "$folder/disk" && mount -t tmpfs -o size=200k tmpfs "$folder/disk" 2>/dev/null; then
    code=0
    detect --out "$folder/disk/out" >"$folder/out.txt" 2>"$folder/err.txt" || code=$?
    cp -r "$folder/disk/out" "$folder/disk-out"
    umount "$folder/disk"
    [ "$code" = 2 ] && grep -q "No space left" "$folder/err.txt" || fail "full disk: $code $(cat "$folder/err.txt")"
    echo "ok: full disk, $(grep -c "^brick" "$folder/out.txt") scores told, $(grep error "$folder/err.txt")"
else
    echo "skipped: no disk of its own could be mounted"
fi
