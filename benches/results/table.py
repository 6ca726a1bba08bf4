"""The results of benches/results/run.sh as tables in Markdown.

    python table.py OUT RESULTS.md README.md [PUBLISHED.csv]

RESULTS.md gets everything; in README.md what lies between the lines `<!-- results -->` and `<!-- /results -->` is replaced.
PUBLISHED.csv has the published means of groups of tables, for which no number of a single table is known.
"""
import csv
import json
import sys
from pathlib import Path

SYSTEMS = {"np": "DTE-NP", "c": "DTE-C", "ig": "DTE-IG", "ddpm": "DDPM baseline of DTE"}
GROUPS = {
    "classical-semi": "ADBench's classical tables, trained on normal rows",
    "classical-unsup": "ADBench's classical tables, trained on all rows",
    "mvtec-semi": "MVTec AD, ResNet-18 embeddings of ADBench, trained on normal rows",
}

# A group's row in the published table.
MEANS = {"mvtec-semi": "MVTec-AD"}


def published_means(path):
    """Published means in [0, 1] by group and method."""
    with open(path, newline="") as f:
        rows = {r["Dataset"]: r for r in csv.DictReader(f)}
    columns = {"np": "DTE-NP", "c": "DTE-C", "ig": "DTE-IG", "ddpm": "DDPM"}
    return {g: {m: float(rows[name][c].split("(")[0]) / 100 for m, c in columns.items()} for g, name in MEANS.items() if name in rows}


def percent(value):
    """In percent, two decimals."""
    return "–" if value is None else f"{100 * value:.2f}"


def interval(level, key):
    """A metric and its 95 % interval."""
    value, found = level.get(key), level["intervals"].get(key)
    return percent(value) + (f" ({100 * found[0]:.1f} to {100 * found[1]:.1f})" if found else "")


def load(out, name):
    """A finished evaluation."""
    folder = out / name
    return json.loads((folder / "eval.json").read_text()) if (folder / "done").exists() else None


def model_of(name):
    """Where an evaluation's model lies."""
    return f"`{name}`, not shipped" if name.startswith("layup-") else f"`weights/{name}`"


def images(out):
    """Rows of the image data sets."""
    brain, tiles = "TCGA-LGG slices, every third of the test split", "magnetic tiles, test split"
    layups = "composite lay-ups, test split"
    for name, system, data in [("texture", "AnoDDPM", "textures, validation quarter"), ("brain-flair", "AnoDDPM", brain),
                               ("brain-pddpm", "pDDPM", brain), ("brain-wolleb", "Wolleb et al.", brain),
                               ("brain-pinaya", "Pinaya et al.", brain), ("tile-advrad", "AdvRAD", tiles),
                               ("tile-diffad", "DiffAD", tiles), ("tile-xu", "Xu et al.", tiles), ("tile-ddad", "DDAD", tiles),
                               ("layup-xu", "Xu et al.", layups), ("layup-ddad", "DDAD", layups)]:
        e = load(out, name)
        if e:
            count = f"{len(e['images'])} images"
            yield e, [system, model_of(name), data, count, interval(e["image"], "auroc"), interval(e["pixel"], "auprc"),
                      interval(e["pixel"], "best_dice"), "–"]


def groups(out, means):
    """Title and evaluations by method of each group of tables; where only the group's mean is published, that is its mean."""
    for prefix, title in GROUPS.items():
        found = {m: e for m in SYSTEMS if (e := load(out, f"{prefix}-{m}"))}
        for method, e in found.items():
            e["mean"]["published"] = means.get(prefix, {}).get(method, e["mean"]["published"])
        if found:
            yield title, found


def tables(found):
    """Rows of the table data sets."""
    for data, by_method in found:
        for method, e in by_method.items():
            mean = e["mean"]
            yield e, [SYSTEMS[method], "–", data, f"{len(e['sets'])} tables", percent(mean["auroc"]), "–", "–", percent(mean["published"])]


def markdown(columns, rows):
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def replace(page, name, text):
    """Puts a text between the lines `<!-- name -->` and `<!-- /name -->` of a page."""
    start, end, whole = f"<!-- {name} -->\n", f"<!-- /{name} -->", page.read_text()
    before, rest = whole.split(start)
    page.write_text(before + start + "\n" + text + "\n" + end + rest.split(end)[1])


def per_set(found_groups):
    """A table for each group of tables: the AUROC of each set by each method, the published beside."""
    for title, found in found_groups:
        names = sorted({s["name"] for e in found.values() for s in e["sets"]})
        by = {m: {s["name"]: s for s in e["sets"]} for m, e in found.items()}
        rows = []
        for name in names:
            row = [name, str(next(b[name]["rows"] for b in by.values() if name in b))]
            for m in found:
                s = by[m].get(name)
                row += [f"{percent(s['auroc'])} ± {100 * s['std']:.1f}", percent(s["published"])] if s else ["–", "–"]
            rows.append(row)
        mean = [f"mean of {len(names)}", ""]
        for e in found.values():
            mean += [f"**{percent(e['mean']['auroc'])}**", percent(e["mean"]["published"])]
        rows.append(mean)
        columns = ["data set", "rows"] + [c for m in found for c in (SYSTEMS[m], "published")]
        yield f"## {title}\n\nAUROC in percent, mean and standard deviation over five seeds (one above 10 000 rows), `--protocol paper`.\n\n" + markdown(columns, rows)


def main():
    """Writes both files."""
    out, results, readme = map(Path, sys.argv[1:4])
    means = published_means(sys.argv[4]) if len(sys.argv) > 4 else {}
    found = list(groups(out, means))
    rows = [*images(out), *tables(found)]
    dates = sorted(e["created"][:10] for e, _ in rows)
    devices = sorted({e["source"]["device"] for e, _ in rows})
    when = f"{dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else "")
    columns = ["system", "model", "data", "size", "image or row AUROC", "pixel AUPRC", "best Dice", "published AUROC"]
    summary = (f"Made by `benches/results/run.sh` on {when}; device: {', '.join(devices)}. In percent, 95 % intervals in brackets.\n\n"
               + markdown(columns, [r for _, r in rows]))
    results.write_text("# Results\n\n" + summary + "\n" + "\n".join(per_set(found)))
    replace(readme, "results", summary)


if __name__ == "__main__":
    main()
