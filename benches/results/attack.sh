#!/usr/bin/env bash
# AdvRAD under attack and its certificate, on the test split of the magnetic tiles: docs/under-attack.md.
#
#   benches/results/attack.sh DATA [OUT] [DEVICE]
#
# DATA holds magnetic-tile (train/good, test/good, test/DEFECT). What OUT (default: residua-results) already holds is kept, image by image,
# so that an interrupted run goes on. RESIDUA names a program that is built already; MODEL another model folder than weights/tile-advrad;
# EVERY=N takes every Nth image of each kind, by name from the first [1]; DRAWS the draws that certify [200].
#
# The control is the same network with the same error and no noise of its own, under the same attack with one draw, as all are the
# same: where it does not fall far, the attack is weak.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?the folder with the data}/magnetic-tile
out=${2:-residua-results}
device=${3:-auto}
model=${MODEL:-weights/tile-advrad}
python=${PYTHON:-python3}
if [ -z "${RESIDUA:-}" ]; then
    cargo build --release
    RESIDUA=target/release/residua
fi
mkdir -p "$out"

# The mean error of normal images and a threshold, from the images that the training left out: every seventh. The model folder itself
# stays as it is.
if [ ! -e "$out/tile-model/calibration.json" ]; then
    rm -rf "$out/tile-model"
    cp -r "$model" "$out/tile-model"
    mapfile -t normal < <(find "$data/train/good" -type f | LC_ALL=C sort | awk 'NR % 7 == 1')
    "$RESIDUA" calibrate "${normal[@]}" --model "$out/tile-model" --device "$device"
fi
"$python" - "$data" "${EVERY:-1}" >"$out/tiles.csv" <<'PYTHON'
import sys
from pathlib import Path

root, every = Path(sys.argv[1]).resolve(), int(sys.argv[2])
print("path,defect")
for folder in sorted((root / "test").iterdir()):
    for image in sorted(p for p in folder.iterdir() if p.is_file())[::every]:
        print(f"{image},{folder.name}")
PYTHON

# NAME COMMAND FLAGS...
measure() {
    local name=$1 command=$2
    shift 2
    "$RESIDUA" "$command" "$out/tiles.csv" --model "$out/tile-model" --device "$device" --out "$out/$name" --resume "$@" >"$out/$name.txt"
    tail -n 4 "$out/$name.txt" >&2
}

linf=(--norm linf --epsilon 2/255 --attack-steps 10)
# The mean error of normal images was made with the noise, so that it says nothing of the control.
measure tile-control attack "${linf[@]}" --set noise=none --set mean_map=false
measure tile-attack attack "${linf[@]}" --draws 4 --fresh-draws 4
measure tile-certify certify --sigma 0.2 --radii 0.1,0.2 --first-draws 10 --draws "${DRAWS:-200}" --alpha 0.001 --fpr 0.1
"$python" benches/results/attack.py "$out" docs/under-attack.md
