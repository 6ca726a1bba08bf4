"""Chooses a DDAD detector's settings by made-up faults on good images that were held out of the training, and writes
MODEL/detector.json.

    python choose_ddad.py MODEL IMAGES --features MODEL/features --hold-out 7 --w 1 3 6 --starts 250/25 150/15 --layers none 2,3

MODEL has the denoiser, of images in -1..1; --features names a ResNet that resnet.py reads. The image threshold is a quantile of
the held-out good images, the pixel threshold that of the best Dice. The maxima that balance the two maps are each image's own.
"""
import argparse
import itertools
import os

import numpy as np
import torch

import choose
import dataset
import ddad
import faults
import resnet
import unet
from choose_diffad import inputs


def start_of(text):
    """The step and the skip that `250/25` names."""
    t_start, skip = map(int, text.split("/"))
    if not 0 < skip <= t_start <= 1000:
        raise argparse.ArgumentTypeError(f"{text}: a step of up to 1000 and a skip of up to the step")
    return t_start, skip


def layers_of(text):
    """The layers that `none` or `2,3` names."""
    return [] if text == "none" else [int(n) for n in text.split(",")]


def detector(a, s):
    """A detector.json of chosen settings."""
    networks = {"denoiser": {"file": "denoiser.safetensors"}}
    if s["layers"]:
        file = os.path.relpath(os.path.join(a.features, resnet.WEIGHTS), a.model)
        networks["features"] = {"file": file.replace(os.sep, "/")}
    return {
        "format": 2, "name": os.path.basename(os.path.normpath(a.model)),
        "input": {"width": a.size, "height": a.size, "channels": 1, "range": [-1, 1], "scaling": {"kind": "fixed"}},
        "networks": networks,
        "system": {
            "method": "ddad", "variant": s["variant"], "w": s["w"], "v": s["v"], "eta": s["eta"], "t_start": s["t_start"],
            "skip": s["skip"], "layers": s["layers"], "normalisation": s["normalisation"], "crop": s["crop"],
            "blur": {"kind": "gaussian", "sigma": s["sigma"]} if s["sigma"] else None},
        "score": {"kind": "max"}, "threshold": s["cuts"]}


class Trial:
    """The images, their maps by the ResNet, and where the faults are."""

    def __init__(self, a):
        self.args, self.model, rng = a, ddad.Model(a.model, a.features), np.random.default_rng(a.seed)
        paths = dataset.find([a.images])[::a.hold_out] + (dataset.find(a.also) if a.also else [])
        good = dataset.load(paths[::a.every], 1, a.size)
        sets = {"good": good} | {k: [faults.make(g, k, rng) for g in good] for k in faults.KINDS}
        self.truth = [np.zeros(g.shape[:2], bool) for g in good]
        self.truth += [(np.abs(f - g)[:, :, 0] > 0.02) for k in faults.KINDS for f, g in zip(sets[k], good)]
        self.x = {name: inputs(v, a.size) * 2 - 1 for name, v in sets.items()}
        self.layers = sorted({n for group in a.layers for n in group})
        if self.layers and self.model.features is None:
            raise SystemExit("layers are to be compared: --features is needed")
        self.seen = {name: self.model.maps(x, self.layers) for name, x in self.x.items()} if self.layers else {}
        print(f"{len(good)} good images", flush=True)

    def compared(self, s):
        """D_p, and D_f of each layer by its number, of all sets of images."""
        pixel, feature = {}, {}
        for i, (name, x) in enumerate(self.x.items()):
            rebuilt = self.model.rebuild(x, s, self.args.seed + i)
            pixel[name], feature[name] = ddad.pixel_map(x, rebuilt), {}
            if self.layers:
                for n, own, other in zip(self.layers, self.seen[name], self.model.maps(rebuilt, self.layers)):
                    feature[name][n] = ddad.unlike([own], [other], x.shape[2:])
        return pixel, feature

    def judge(self, pixel, feature, s):
        """The sum of the mean AUROC and the pixels' AUPRC, what is said of them, and the thresholds."""
        heat = {}
        for name in self.x:
            parts = [feature[name][n] for n in s["layers"]]
            heat[name] = ddad.blurred(ddad.combine(pixel[name], sum(parts) if parts else None, s), s["sigma"])
        v = {name: ddad.score(m).numpy() for name, m in heat.items()}
        areas = [choose.auroc(v["good"], v[k]) for k in faults.KINDS]
        precision, dice, cut = choose.curve([m.numpy() for m in heat.values()], self.truth)
        kinds = ", ".join(f"{k} {u:.3f}" for k, u in zip(faults.KINDS, areas))
        said = " ".join(f"{k} {s[k]}" for k in ("w", "t_start", "skip", "layers", "v", "sigma"))
        said += f": mean AUROC {np.mean(areas):.4f} ({kinds}); pixel AUPRC {precision:.4f} Dice {dice:.4f}"
        return np.mean(areas) + precision, said, {"pixel": cut, "image": float(np.quantile(v["good"], self.args.quantile))}


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("images", help="folder of good images that the model was trained on, less those held out")
    p.add_argument("--features", help="folder of the ResNet")
    p.add_argument("--hold-out", type=int, default=7, help="as in training")
    p.add_argument("--also", nargs="+", default=[], help="folders or files of more good images, none of them trained on")
    p.add_argument("--every", type=int, default=1, help="take every so many of the images")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--w", type=float, nargs="+", default=[1, 2, 3, 5, 8])
    p.add_argument("--v", type=float, nargs="+", default=[0.5, 1, 3, 7], help="tried where layers are compared")
    p.add_argument("--starts", type=start_of, nargs="+", default=[(250, 25)], metavar="STEP/SKIP")
    p.add_argument("--layers", type=layers_of, nargs="+", default=[[], [2, 3]], metavar="N,N or none")
    p.add_argument("--sigmas", type=float, nargs="+", default=[0, 1, 2, 4])
    p.add_argument("--variant", choices=["paper", "published"], default="paper")
    p.add_argument("--quantile", type=float, default=0.95)
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    inside = a.features and not os.path.relpath(a.features, a.model).startswith("..")
    if a.features and not inside and not a.dry:
        p.error("the features' folder must lie in the model's, unless nothing is written (--dry)")
    return a


def main():
    """Tries all combinations."""
    a = arguments()
    torch.set_num_threads(a.threads)
    trial, best = Trial(a), None
    for (t_start, skip), w in itertools.product(a.starts, a.w):
        s = {"variant": a.variant, "w": w, "eta": 1.0, "t_start": t_start, "skip": skip, "normalisation": "image", "crop": None}
        pixel, feature = trial.compared(s)
        for layers, sigma in itertools.product(a.layers, a.sigmas):
            for v in a.v if layers else [1.0]:
                tried = s | {"layers": layers, "v": v, "sigma": sigma}
                result = trial.judge(pixel, feature, tried)
                print(result[1], flush=True)
                if best is None or result[0] > best[0]:
                    best = result[0], result[1], tried | {"cuts": result[2]}
    print("chosen:", best[1])
    if not a.dry:
        unet.write_json(os.path.join(a.model, "detector.json"), detector(a, best[2]))


if __name__ == "__main__":
    main()
