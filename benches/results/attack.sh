#!/usr/bin/env bash
# AdvRAD under attack and its certificate, on the test split of the magnetic tiles: docs/under-attack.md.
#
#   benches/results/attack.sh DATA [OUT] [DEVICE]
#
# DATA holds magnetic-tile (test/good, test/DEFECT). What OUT (default: residua-results) already holds is kept, image by image, so that an
# interrupted run goes on. RESIDUA names a program that is built already; MODEL another model folder than weights/tile-advrad.
#
# The control is the same network with the same error and no noise of its own, under the same attack with one draw, as all are the
# same: where it does not fall far, the attack is weak.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?the folder with the data}
out=${2:-residua-results}
device=${3:-auto}
model=${MODEL:-weights/tile-advrad}
python=${PYTHON:-python3}
if [ -z "${RESIDUA:-}" ]; then
    cargo build --release
    RESIDUA=target/release/residua
fi
mkdir -p "$out"

# NAME COMMAND FLAGS...
measure() {
    local name=$1 command=$2
    shift 2
    "$RESIDUA" "$command" "$data/magnetic-tile" --split test --model "$model" --device "$device" --out "$out/$name" --resume "$@" >"$out/$name.txt"
    tail -n 3 "$out/$name.txt" >&2
}

linf=(--norm linf --epsilon 2/255 --attack-steps 10)
measure tile-attack attack "${linf[@]}" --draws 4 --fresh-draws 8
# The mean error of normal images was made with the noise, so that it says nothing of the control.
measure tile-control attack "${linf[@]}" --set noise=none --set mean_map=false
measure tile-certify certify --sigma 0.1 --radii 0.1,0.2 --first-draws 20 --draws 200 --alpha 0.001
"$python" benches/results/attack.py "$out" docs/under-attack.md
