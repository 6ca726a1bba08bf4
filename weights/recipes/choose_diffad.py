"""Chooses a DiffAD detector's settings by made-up faults on good images that were held out of the training, and writes
MODEL/detector.json.

    python choose_diffad.py MODEL IMAGES --hold-out 7 --steps 5 10 --windows 5 11 21

The faults (faults.py) are not those that the comparer was trained on. The image threshold is a quantile of held-out good images, the
pixel threshold that of the best Dice.
"""
import argparse
import itertools
import os

import numpy as np
import torch
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


def settings(method, s):
    """The chosen settings of a system with a comparer."""
    return {"method": method, "sampler": {"kind": "ddim", "steps": s["steps"], "eta": 0.0},
            "blur": {"kind": "gaussian", "sigma": s["blur"]} if s["blur"] else None}


def detector(a, s, system, limits, networks):
    """A detector.json of chosen settings, for images in the range `limits`."""
    files = {name: ("" if name == "denoiser" else name + "/") + name + ".safetensors" for name in networks}
    return {
        "format": 2, "name": os.path.basename(os.path.normpath(a.model)),
        "input": {"width": a.size, "height": a.size, "channels": 1, "range": limits, "scaling": {"kind": "fixed"}},
        "networks": {name: {"file": file} for name, file in files.items()},
        "system": system, "score": {"kind": "window", "side": s["window"]}, "threshold": s["cuts"]}


def diffad_detector(a, s):
    """The detector.json of a DiffAD detector."""
    return detector(a, s, settings("diffad", s), [0, 1], ("denoiser", "autoencoder", "comparer"))


def main(doc, make, describe):
    """Tries all combinations: `make(folder)` gives the networks, with the methods of diffad.Model, `describe(arguments, chosen)`
    a detector.json."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("images", help="folder of good images that the model was trained on, less those held out")
    p.add_argument("--hold-out", type=int, default=7, help="as in training")
    p.add_argument("--every", type=int, default=1, help="take every so many of the images")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--steps", type=int, nargs="+", default=[10], help="DDIM steps")
    p.add_argument("--windows", type=int, nargs="+", default=[1, 5, 11, 21])
    p.add_argument("--blurs", type=float, nargs="+", default=[0, 1, 2])
    p.add_argument("--quantile", type=float, default=0.95)
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    model = make(a.model)
    rng, best = np.random.default_rng(a.seed), None
    good = dataset.load(dataset.find([a.images])[::a.hold_out][::a.every], 1, a.size)
    sets = {"good": good} | {k: [faults.make(g, k, rng) for g in good] for k in faults.KINDS}
    truth = [np.zeros(g.shape[:2], bool) for g in good]
    truth += [(np.abs(f - g)[:, :, 0] > 0.02) for k in faults.KINDS for f, g in zip(sets[k], good)]
    for count in a.steps:
        heat = {name: model.compare(model.rebuild(inputs(v, a.size), count, [a.seed, i]))
                for i, (name, v) in enumerate(sets.items())}
        for window, sigma in itertools.product(a.windows, a.blurs):
            maps = {name: blurred(m, sigma) for name, m in heat.items()}
            v = {name: diffad.score(m, window).numpy() for name, m in maps.items()}
            areas = [choose.auroc(v["good"], v[k]) for k in faults.KINDS]
            precision, dice, cut = choose.curve([m.numpy() for m in maps.values()], [t for t in truth])
            said = ", ".join(f"{k} {u:.3f}" for k, u in zip(faults.KINDS, areas))
            said = (f"steps {count} window {window} blur {sigma}: mean AUROC {np.mean(areas):.4f} ({said}); "
                    f"pixel AUPRC {precision:.4f} Dice {dice:.4f}")
            print(said, flush=True)
            if best is None or np.mean(areas) + precision > best[0]:
                best = np.mean(areas) + precision, said, {
                    "steps": count, "window": window, "blur": sigma,
                    "cuts": {"pixel": cut, "image": float(np.quantile(v["good"], a.quantile))}}
    print("chosen:", best[1])
    if not a.dry:
        unet.write_json(os.path.join(a.model, "detector.json"), describe(a, best[2]))


if __name__ == "__main__":
    main(__doc__, diffad.Model, diffad_detector)
