#!/usr/bin/env bash
# The tables of results in docs/results.md and README.md: every system on every data set, by `residua eval`; and the eight systems
# together, with their goldens (`residua compare`) and the seconds of an image (`residua detect`).
#
#   benches/results/run.sh DATA [OUT] [DEVICE]
#
# DATA holds adbench/classical and adbench/mvtec-resnet18 (tables of ADBench), brain-flair (test/good, test/tumour and
# ground_truth/tumour), magnetic-tile and composite-layup (test/good, test/DEFECT, ground_truth/DEFECT) and
# dte_readme_auroc_{semi,unsup}.csv (published numbers); what is not there is left out. The textures are made by
# weights/recipes/textures.py, which needs scikit-image. MODELS, if it is set, is a folder with layup-xu and layup-ddad, the
# detectors of lay-ups, which are not shipped. What OUT (default: residua-results) already holds is kept, so that an interrupted run
# goes on; for numbers of another build take another OUT.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?the folder with the data}
out=${2:-residua-results}
device=${3:-auto}
python=${PYTHON:-python3}
models=${MODELS:-}
cargo build --release
mkdir -p "$out"

# NAME DATASET FLAGS...
evaluate() {
    local name=$1 set=$2
    shift 2
    if [ ! -e "$set" ]; then
        echo "$name: $set is not there" >&2
    elif [ ! -e "$out/$name/done" ]; then
        # An image that cannot be evaluated is listed, and the others count.
        target/release/residua eval "$set" --device "$device" --out "$out/$name" "$@" >/dev/null ||
            [ -e "$out/$name/eval.json" ]
        touch "$out/$name/done"
        echo "$name: done" >&2
    fi
}

# DEVICE: the goldens of all chains, kept as one JSON object, in which a golden that fails says so.
goldens() {
    local file=$out/goldens-$1.json
    if [ ! -e "$file" ]; then
        target/release/residua compare tests/goldens/chains --device "$1" --json >"$file.part" || [ -s "$file.part" ]
        mv "$file.part" "$file"
        echo "goldens on $1: done" >&2
    fi
}

# NAME MODEL: the seconds of an image, of twelve images spread evenly over the list on the standard input.
timed() {
    local results=$out/seconds/$1 files
    mapfile -t files < <(awk '{ all[NR] = $0 } END { n = NR < 12 ? NR : 12; for (i = 0; i < n; i++) print all[1 + int(i * NR / n)] }')
    if [ -e "$out/$1/done" ] && [ ! -e "$results/results.json" ]; then
        target/release/residua detect "${files[@]}" --model "$2" --device "$device" --out "$results" >/dev/null ||
            [ -e "$results/results.json" ]
        echo "$1: timed" >&2
    fi
}

goldens cpu
adapters='import json, sys; sys.exit(not json.load(sys.stdin)["adapters"])'
if target/release/residua devices --json | "$python" -c "$adapters"; then
    goldens gpu
fi

if [ -d "$out/textures" ] || "$python" weights/recipes/textures.py "$out/textures"; then
    evaluate texture "$out/textures/val" --model weights/texture
    find "$out/textures/val/good" -name '*.png' | sort | timed texture weights/texture
fi
# Every third slice of the test split, as a manifest.
if [ -d "$data/brain-flair" ]; then
    "$python" - "$data/brain-flair" >"$out/brain-flair.csv" <<'PYTHON'
import sys
from pathlib import Path

root = Path(sys.argv[1]).resolve()
print("path,label,mask")
for folder, label in [("good", "good"), ("tumour", "bad")]:
    for image in sorted((root / "test" / folder).glob("*.png"))[::3]:
        mask = root / "ground_truth/tumour" / image.name if label == "bad" else ""
        print(f"{image},{label},{mask}")
PYTHON
    evaluate brain-flair "$out/brain-flair.csv" --model weights/brain-flair
    evaluate brain-pddpm "$out/brain-flair.csv" --model weights/brain-pddpm
    evaluate brain-wolleb "$out/brain-flair.csv" --model weights/brain-wolleb
    evaluate brain-pinaya "$out/brain-flair.csv" --model weights/brain-pinaya
    for model in brain-flair brain-pddpm brain-wolleb brain-pinaya; do
        tail -n +2 "$out/brain-flair.csv" | cut -d, -f1 | timed "$model" "weights/$model"
    done
fi
# The magnetic tiles; for AdvRAD without their masks: the score is one pixel's, and the list says what is a defect.
if [ -d "$data/magnetic-tile" ]; then
    "$python" - "$data/magnetic-tile" >"$out/tiles.csv" <<'PYTHON'
import sys
from pathlib import Path

root = Path(sys.argv[1]).resolve()
print("path,defect")
for folder in sorted((root / "test").iterdir()):
    for image in sorted(p for p in folder.iterdir() if p.is_file()):
        print(f"{image},{folder.name}")
PYTHON
    evaluate tile-advrad "$out/tiles.csv" --model weights/tile-advrad
    for system in diffad xu ddad; do
        evaluate "tile-$system" "$data/magnetic-tile" --model "weights/tile-$system"
    done
    for system in advrad diffad xu ddad; do
        tail -n +2 "$out/tiles.csv" | cut -d, -f1 | timed "tile-$system" "weights/tile-$system"
    done
fi
for system in xu ddad; do
    if [ -n "$models" ] && [ -e "$models/layup-$system" ]; then
        evaluate "layup-$system" "$data/composite-layup" --model "$models/layup-$system"
        find "$data/composite-layup/test" -type f | sort | timed "layup-$system" "$models/layup-$system"
    fi
done
for setting in semi unsup; do
    published=$data/dte_readme_auroc_$setting.csv
    flags=(--protocol paper --setting "$setting")
    [ ! -e "$published" ] || flags+=(--published "$published")
    for method in np c ig ddpm; do
        evaluate "classical-$setting-$method" "$data/adbench/classical" "${flags[@]}" --method "$method"
    done
done
for method in np c ig ddpm; do
    evaluate "mvtec-semi-$method" "$data/adbench/mvtec-resnet18" --protocol paper --method "$method"
done
published=$data/dte_readme_auroc_semi.csv
[ -e "$published" ] || published=
"$python" benches/results/table.py "$out" docs/results.md README.md ${published:+"$published"}
"$python" benches/results/systems.py "$out" README.md
