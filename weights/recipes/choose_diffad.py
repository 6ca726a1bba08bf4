"""Chooses a DiffAD detector's settings by made-up faults on good images that were held out of the training, or evaluates.

    python choose_diffad.py MODEL IMAGES --hold-out 7 --steps 5 10 --windows 5 11 21 --write settings.json
    python choose_diffad.py MODEL --evaluate settings.json --normal DIR --defect DIR ... --masks DIR

The faults (faults.py) are not those that the comparer was trained on. The thresholds are quantiles of held-out good images.
Evaluating compares with the trivial map: the blurred absolute difference from the mean training image (--mean DIR).
"""
import argparse
import itertools
import json
import os

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

import choose
import dataset
import diffad
import faults
import unet


def inputs(images, side):
    """Network inputs (n, 1, h, w) of images (h, w, 1) in 0..1."""
    return torch.from_numpy(np.stack([dataset.resize(i, side).transpose(2, 0, 1) for i in images]).copy())


def blurred(heat, sigma):
    """Maps (n, 1, h, w) blurred by a Gaussian, if sigma."""
    return torch.from_numpy(ndimage.gaussian_filter(heat.numpy(), (0, 0, sigma, sigma))) if sigma else heat


def roc(values, truth):
    """AUROC of pixels by ranks, ties shared."""
    values, truth = np.concatenate([v.ravel() for v in values]), np.concatenate([t.ravel() for t in truth])
    unique, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    positive = truth.sum()
    return float((rank[at][truth].sum() - positive * (positive + 1) / 2) / positive / (len(truth) - positive))


def pro(maps, truth, limit=0.3, points=200):
    """Per-region overlap averaged over false-positive rates up to a limit; regions are 8-connected."""
    good = np.sort(np.concatenate([m[~t] for m, t in zip(maps, truth)]))
    regions = []
    for m, t in zip(maps, truth):
        labels, count = ndimage.label(t, np.ones((3, 3)))
        regions += [np.sort(m[labels == i + 1]) for i in range(count)]
    rates = np.linspace(0, limit, points)
    cuts = good[np.minimum((len(good) * (1 - rates)).astype(int), len(good) - 1)]
    overlap = np.mean([1 - np.searchsorted(r, cuts, "right") / len(r) for r in regions], 0)
    return float(np.trapezoid(overlap, rates) / limit)


def figures(name, maps, truth, scores, n):
    """Prints all figures of maps (normal ones first, n of them) at the images' own sizes."""
    precision, dice, cut = choose.curve(maps, truth)
    inside = choose.curve(maps[n:], truth[n:])
    print(f"{name}: image AUROC {choose.auroc(scores[:n], scores[n:]):.4f}, pixel AUROC {roc(maps, truth):.4f}, AUPRC {precision:.4f} "
          f"(defective images {inside[0]:.4f}), best Dice {dice:.4f} at {cut:.4g} (defective {inside[1]:.4f}), "
          f"PRO {pro(maps, truth):.4f}", flush=True)


def evaluate(a, model):
    """All figures of chosen settings on images of both kinds, and those of the trivial map."""
    with open(a.evaluate) as f:
        s = json.load(f)
    find = lambda places: dataset.find(places)[::a.every]
    normal, kinds = find([a.normal]), [find([d]) for d in a.defect]
    paths = normal + [p for k in kinds for p in k]
    images, n = dataset.load(paths, 1, 0), len(normal)
    truth = [np.zeros(i.shape[:2], bool) for i in images[:n]]
    for p, i in zip(paths[n:], images[n:]):
        name = os.path.splitext(os.path.basename(p))[0] + ".png"
        mask = Image.open(os.path.join(a.masks, os.path.basename(os.path.dirname(p)), name)).convert("L")
        truth.append(np.asarray(mask.resize(i.shape[1::-1], Image.NEAREST)) > 127)
    x = inputs(images, a.size)
    heat = torch.cat([model.compare(model.rebuild(part, s["steps"], [a.seed, i])) for i, part in enumerate(x.split(20))])
    sizes = [i.shape[:2] for i in images]
    v = diffad.score(blurred(heat, s["blur"]), s["window"]).numpy()
    figures("DiffAD", choose.resize_maps(blurred(heat, s["blur"]), sizes), truth, v, n)
    at = n
    for places, k in zip(a.defect, kinds):
        part = v[at:at + len(k)]
        print(f"  {os.path.basename(places)}: image AUROC {choose.auroc(v[:n], part):.4f}, flagged {(part > s['cut']).sum()} of {len(k)}")
        at += len(k)
    print(f"  good flagged {(v[:n] > s['cut']).sum()} of {n}")
    if a.mean:
        mean = inputs(dataset.load(dataset.find([a.mean]), 1, a.size), a.size).mean(0, keepdim=True)
        for sigma in (2, 4):
            plain = blurred((x - mean).abs(), sigma)
            figures(f"difference from the mean image, sigma {sigma}", choose.resize_maps(plain, sizes), truth,
                    plain.flatten(1).amax(1).numpy(), n)


def main():
    """Chooses or evaluates."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("images", nargs="?", help="folder of good images that the model was trained on, less those held out")
    p.add_argument("--hold-out", type=int, default=7, help="as in training")
    p.add_argument("--every", type=int, default=1, help="take every so many of the images")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--steps", type=int, nargs="+", default=[10], help="DDIM steps")
    p.add_argument("--windows", type=int, nargs="+", default=[1, 5, 11, 21])
    p.add_argument("--blurs", type=float, nargs="+", default=[0, 1, 2])
    p.add_argument("--quantile", type=float, default=0.95)
    p.add_argument("--write", help="JSON file to write the chosen settings to")
    p.add_argument("--evaluate", help="JSON file of settings to evaluate")
    p.add_argument("--normal")
    p.add_argument("--defect", nargs="+")
    p.add_argument("--masks", help="folder of folders of masks, named as the --defect folders are")
    p.add_argument("--mean", help="folder of the images whose mean the trivial map is the difference from")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    model = diffad.Model(a.model)
    if a.evaluate:
        return evaluate(a, model)
    rng, best = np.random.default_rng(a.seed), None
    good = dataset.load(dataset.find([a.images])[::a.hold_out][::a.every], 1, a.size)
    sets = {"good": good} | {k: [faults.make(g, k, rng) for g in good] for k in faults.KINDS}
    truth = [np.zeros(g.shape[:2], bool) for g in good]
    truth += [(np.abs(f - g)[:, :, 0] > 0.02) for k in faults.KINDS for f, g in zip(sets[k], good)]
    for count in a.steps:
        heat = {name: model.compare(model.rebuild(inputs(v, a.size), count, [a.seed, i])) for i, (name, v) in enumerate(sets.items())}
        for window, sigma in itertools.product(a.windows, a.blurs):
            maps = {name: blurred(m, sigma) for name, m in heat.items()}
            v = {name: diffad.score(m, window).numpy() for name, m in maps.items()}
            areas = [choose.auroc(v["good"], v[k]) for k in faults.KINDS]
            precision, dice, cut = choose.curve([m.numpy() for m in maps.values()], [t for t in truth])
            said = ", ".join(f"{k} {u:.3f}" for k, u in zip(faults.KINDS, areas))
            said = f"steps {count} window {window} blur {sigma}: mean AUROC {np.mean(areas):.4f} ({said}); pixel AUPRC {precision:.4f} Dice {dice:.4f}"
            print(said, flush=True)
            if best is None or np.mean(areas) + precision > best[0]:
                best = np.mean(areas) + precision, said, {
                    "steps": count, "window": window, "blur": sigma, "pixel_cut": cut,
                    "cut": float(np.quantile(v["good"], a.quantile))}
    print("chosen:", best[1])
    if a.write:
        unet.write_json(a.write, best[2])


if __name__ == "__main__":
    main()
