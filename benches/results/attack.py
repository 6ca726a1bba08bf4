"""What benches/results/attack.sh has measured as a page in Markdown.

    python attack.py OUT PAGE.md
"""
import json
import sys
from pathlib import Path


def load(out, name, file):
    """A report, and whether it is complete."""
    path = out / name / file
    return json.loads(path.read_text()) if path.exists() else None


def attacked(title, report):
    """A row: the AUROC before and after, and the mean scores by direction."""
    auroc, attack = report["auroc"], report["attack"]
    moved = {m["towards"]: f"{m['before']:.4g} → {m['after']:.4g}" for m in report["moved"]}
    spread = lambda s: f"{100 * s['mean']:.2f} ({100 * s['lowest']:.1f} to {100 * s['highest']:.1f})"
    return [title, str(len(report["images"])), str(attack["draws"]), str(attack["fresh_draws"]), spread(auroc["before"]), spread(auroc["after"]),
            moved.get("higher", "–"), moved.get("lower", "–")]


def certified(report):
    """Rows by radius."""
    share = lambda v: "–" if v is None else f"{100 * v:.2f}"
    for at in report["radii"]:
        yield [f"{at['radius']:g}", share(at["auroc"]), str(at["unbounded"]), share(at["auroc_together"]), str(at["unbounded_together"]), share(at["found"]), share(at["passed"])]


def table(head, rows):
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]) + "\n"


def main():
    """Writes the page."""
    out, page = Path(sys.argv[1]), Path(sys.argv[2])
    attack, control = load(out, "tile-attack", "attack.json"), load(out, "tile-control", "attack.json")
    certificate = load(out, "tile-certify", "certify.json")
    made = [r for r in (attack, control, certificate) if r]
    text = "# AdvRAD under attack\n\n"
    text += f"Made by `benches/results/attack.sh` on {made[0]['created'][:10]}; device: {made[0]['source']['device']}; model: {made[0]['source']['model']}. In percent.\n"
    if any(r["interrupted"] for r in made):
        text += "\nA run was ended early: its numbers are of the images that were finished.\n"
    text += f"\nImages: {made[0]['taken_for']}.\n"
    rows = [attacked(t, r) for t, r in [("AdvRAD", attack), ("control: no noise", control)] if r]
    if rows:
        one = (attack or control)["attack"]
        text += (f"\nPGD in {one['norm']}, epsilon {255 * one['epsilon']:g}/255, {one['steps']} steps of {255 * one['step_size']:g}/255, {one['restarts']} restart from a "
                 "random point; anomalous images are driven down, normal ones up. AUROC of one draw of the noise, its mean and range over the fresh "
                 "draws, none of which the attack has used.\n\n")
        text += table(["detector", "images", "EOT draws", "fresh draws", "image AUROC", "under attack", "normal scores", "anomalous scores"], rows)
    if certificate:
        c = certificate["certificate"]
        text += (f"\nRandomised smoothing with sigma {c['sigma']:g}, {c['draws']} draws an image after {c['first']}, alpha {c['alpha']:g}; AUROC of the median scores "
                 f"{100 * certificate['auroc']:.2f}, {len(certificate['images'])} images. Found and passed are by the threshold {c['threshold']}, "
                 f"abstained: {certificate['abstained']}.\n\n")
        text += table(["l2 radius", "certified AUROC", "without a bound", "all bounds together", "without a bound then", "found", "passed"], list(certified(certificate)))
    page.write_text(text + "\nSee [attack](commands/attack.md) and [certify](commands/certify.md) for what the numbers mean.\n")


if __name__ == "__main__":
    main()
