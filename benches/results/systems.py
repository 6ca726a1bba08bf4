"""The eight systems together, and DDAD beside them, as one table in Markdown.

    python systems.py OUT README.md

OUT is that of benches/results/run.sh: evaluations (NAME/eval.json), goldens (goldens-cpu.json, goldens-gpu.json) and the seconds of some
images (seconds/NAME/results.json); where an evaluation is not there, the row has what an earlier run left in docs/results.md, and
dashes. In README.md what lies between the lines `<!-- systems -->` and
`<!-- /systems -->` is replaced.
"""
import json
import re
import statistics
import sys
from pathlib import Path

from table import load, markdown, model_of, replace

TEXTURES = "textures, validation quarter"
BRAIN = "TCGA-LGG slices, every third of the test split"
TILES = "magnetic tiles, test split"
LAYUPS = "composite lay-ups, test split"
TABLES = "35 tables of ADBench, trained on normal rows"

# System, its networks, its goldens, evaluations with their data, and what it published of itself on its own data: numbers that were
# read in an abstract or in the public code's README, and no others. DTE's is in its eval.json, from the public code's tables.
SYSTEMS = [
    ("Wolleb et al.", "UNet, classifier", ["wolleb", "wolleb-paper", "wolleb-respaced"], [("brain-wolleb", BRAIN)], "–"),
    ("AnoDDPM", "UNet", ["anoddpm-gauss", "anoddpm-simplex"], [("texture", TEXTURES), ("brain-flair", BRAIN)],
     "Dice 25.5 % above f-AnoGAN's (22 volumes of Edinburgh)"),
    ("DiffAD", "KL autoencoder, UNet of latents, comparer", ["diffad", "diffad-ldm-ddim", "diffad-noised"],
     [("tile-diffad", TILES)], "–"),
    ("Pinaya et al.", "VQ autoencoder, UNet of latents", ["pinaya"], [("brain-pinaya", BRAIN)], "–"),
    ("DTE-NP", "none", [], [("classical-semi-np", TABLES)], None),
    ("DTE-C", "linear layers", [], [("classical-semi-c", TABLES)], None),
    ("DTE-IG", "linear layers, five times", [], [("classical-semi-ig", TABLES)], None),
    ("Xu et al.", "UNet with an encoder, comparer", ["xu", "xu-noised"], [("tile-xu", TILES), ("layup-xu", LAYUPS)], "–"),
    ("pDDPM", "UNet", ["pddpm"], [("brain-pddpm", BRAIN)], "25.1 % above its baselines (BraTS21 and MSLUB)"),
    ("AdvRAD", "UNet", ["advrad-multiscale", "advrad-oneshot-grad"], [("tile-advrad", TILES)], "–"),
    ("DDAD", "UNet, ResNet", ["ddad", "ddad-fixed"], [("tile-ddad", TILES), ("layup-ddad", LAYUPS)],
     "image AUROC 99.8, pixel AUROC 98.1, PRO 92.3 (MVTec AD, tuned on test images)"),
]

# What a user would pick instead: measured once for this project, on two cores, and not by run.sh. PatchCore: ImageNet ResNet-50,
# layers 2 and 3, 224x224, 10 % of the patches kept by greedy coreset, map blurred with sigma 4; on the brain 600 training slices.
# Image AUROC, then pixel AUROC, AUPRC and PRO of all test images, and seconds an image.
SOME = "TCGA-LGG, 38 test slices with a tumour, every ninth without"
MEAN, PATCHCORE = ("difference from the mean image, blurred", "none"), ("PatchCore", "ResNet-50 of ImageNet")
BASELINES = [
    (*MEAN, TILES, [0.542, 0.558, 0.061, 0.204], None),
    (*PATCHCORE, TILES, [0.972, 0.823, 0.200, 0.714], 1.3),
    (*MEAN, LAYUPS, [0.411, 0.487, 0.118, 0.093], None),
    (*PATCHCORE, LAYUPS, [0.983, 0.872, 0.471, 0.762], 1.6),
    ("intensity, blurred", "none", SOME, [0.453, 0.944, 0.182, 0.768], None),
    (*MEAN, SOME, [0.465, 0.853, 0.085, 0.467], None),
    (*PATCHCORE, SOME, [0.729, 0.960, 0.268, 0.826], 1.2),
]
COLUMNS = ["system", "networks", "goldens, NMSE: CPU, WGSL", "model", "data", "image AUROC", "pixel AUROC", "pixel AUPRC", "PRO",
           "published", "s an image"]


def percent(value):
    """In percent, one decimal, which is what three digits of the baselines allow."""
    return "–" if value is None else f"{100 * value:.1f}"


def goldens(out, device):
    """The report of `residua compare` on a device, and its goldens by name; nothing where there is none."""
    path = out / f"goldens-{device}.json"
    report = json.loads(path.read_text()) if path.exists() else {"device": None, "goldens": []}
    return report, {g["name"]: g for g in report["goldens"]}


def agreement(found, names):
    """The largest NMSE of all outputs of those of a system's goldens that were run, or what is wrong with one."""
    names = [name for name in names if name in found]
    wrong = next((name for name in names if found[name]["status"] != "ok"), None)
    if wrong:
        return f"**{wrong}: {'out of tolerance' if found[wrong]['status'] == 'fail' else found[wrong]['status']}**"
    return f"{max(o['nmse'] for name in names for o in found[name]['outputs']):.1e}" if names else "–"


def seconds(out, name):
    """The median seconds of an image of a timed run."""
    path = out / "seconds" / name / "results.json"
    found = [r["seconds"] for r in json.loads(path.read_text())["records"]] if path.exists() else []
    return f"{statistics.median(found):.2g}" if found else "–"


def numbers(e):
    """Image or row AUROC, then pixel AUROC, AUPRC and PRO, of an evaluation."""
    if not e:
        return ["–"] * 4
    if "mean" in e:
        return [percent(e["mean"]["auroc"]), "–", "–", "–"]
    return [percent(e["image"].get("auroc"))] + [percent(e["pixel"].get(key)) for key in ("auroc", "auprc", "pro")]


def earlier(results, system, name):
    """The row that an earlier run of this command left in docs/results.md, as numbers: image or row AUROC, pixel AUPRC, published AUROC."""
    key = "ADBench's classical tables, trained on normal rows" if name.startswith("classical") else f"`weights/{name}`"
    for line in results.read_text().splitlines() if results.exists() else []:
        cells = [c.strip() for c in line.strip().strip("|").split(" | ")]
        if len(cells) == 8 and cells[0] == system and key in cells:
            return [None if c == "–" else float(c.split()[0]) for c in (cells[4], cells[5], cells[7])]
    return None


def rows(out):
    """Evaluations, each with its row; of a system whose model is not shipped only what was measured."""
    devices = [goldens(out, device)[1] for device in ("cpu", "gpu")]
    for system, networks, names, evaluations, published in SYSTEMS:
        held = ", ".join(agreement(found, names) for found in devices) if names else "–"
        for name, data in evaluations:
            e = load(out, name)
            if not e and name.startswith("layup-"):
                continue
            said = published
            if said is None:
                said = f"AUROC {100 * e['mean']['published']:.2f} (the same tables)" if e and e["mean"]["published"] else "–"
            model, values = "–" if data == TABLES else model_of(name), numbers(e)
            if not e and (kept := earlier(Path("docs/results.md"), system, name)):
                values[0], values[2] = ("–" if v is None else f"{v:.1f}" for v in kept[:2])
                said = f"AUROC {kept[2]:.2f} (the same tables)" if kept[2] else said or "–"
            yield e, [system, networks, held, model, data, *values, said, seconds(out, name)]


def baselines(data):
    """Rows of the data sets that there are numbers of; slices of the brain count as one set."""
    for name, networks, where, values, time in BASELINES:
        if where in data or where == SOME and BRAIN in data:
            yield [name, networks, "–", "–", where, *map(percent, values), "–", "–" if time is None else f"{time:.2g}"]


def main():
    """Writes the table."""
    out, readme = map(Path, sys.argv[1:3])
    found = list(rows(out))
    measured = [e for e, _ in found if e]
    if not measured:
        raise SystemExit(f"{out}: no evaluation is finished")
    dates = sorted(e["created"][:10] for e in measured)
    when = dates[0] + (f" to {dates[-1]}" if dates[-1] != dates[0] else "")
    devices = ", ".join(sorted({e["source"]["device"] for e in measured}))
    held = " and ".join(d for device in ("cpu", "gpu") if (d := goldens(out, device)[0]["device"]))
    text = (f"Made by `benches/results/run.sh` on {when}; device: {devices}; goldens on {held or 'no device'}. AUROC, AUPRC and PRO in "
            "percent. Goldens: the largest NMSE of all outputs of the system's chains in `tests/goldens/chains`, whose tolerance is 1e-6 "
            "(1e-8 for gradients); DTE has none: tests hold it to PyTorch's scores. Published: by the system's authors, on their "
            "own data; – where no number could be read at its source. Seconds: median of twelve images. The last rows are what could be "
            "taken instead; they were measured once, apart from this run.\n\n")
    judged = {row[4] for e, row in found if e}
    replace(readme, "systems", text + markdown(COLUMNS, [row for _, row in found] + list(baselines(judged))))


if __name__ == "__main__":
    main()
