"""Chooses a pDDPM detector's settings on a validation split, or evaluates the settings that detector.json holds.

    python choose_pddpm.py MODEL --normal DIR --defect DIR --masks DIR --lambdas 500 700 --patches 24 32 --strides 8 16 32
    python choose_pddpm.py MODEL --normal DIR --defect DIR --masks DIR --every 6 --evaluate

As choose.py does it: every combination is tried, and the best pixel AUPRC over the defective slices is written to
MODEL/detector.json, with thresholds and the kind of score that ranks the slices best. Each PNG slice counts as a volume of
its own; masks carry the defective slices' names.
"""
import argparse
import itertools
import json
import os
import time

import numpy as np
import torch

import choose
import pddpm
import simplex
import unet

SCORES = [{"kind": "mean"}, {"kind": "max"}, {"kind": "foreground"}, {"kind": "top", "fraction": 0.01},
          {"kind": "top", "fraction": 0.05}]


def settings(det, **changed):
    """A detector.json with another `system`."""
    return dict(det, system=dict(det["system"], **changed))


def fields(det, count, seed):
    """The noise of `count` slices (1 or count, c, h, w): one for the run, or one for each slice."""
    s, i = det["system"], det["input"]
    options = {k: s["noise"][k] for k in ("octaves", "persistence", "frequency")}
    many = 1 if s["noise_per"] == "run" else count
    seeds = simplex.draw_seeds(np.random.default_rng(seed), many * i["channels"])
    made = simplex.fields(seeds, i["height"], i["width"], s["lambda"] - 1, **options)
    return torch.from_numpy(made.astype(np.float32)).reshape(many, i["channels"], i["height"], i["width"])


class Caller:
    """The network at one step; a patch that was asked for before, of the same size and place, is not computed again."""

    def __init__(self, model, t, batch=16):
        self.model, self.t, self.batch, self.seen = model, t, batch, {}

    @torch.no_grad()
    def __call__(self, given, box):
        if box not in self.seen:
            parts = [self.model(p.contiguous(memory_format=torch.channels_last), torch.full((len(p),), self.t))
                     for p in given.split(self.batch)]
            self.seen[box] = torch.cat(parts)
        return self.seen[box]


def maps(x, rebuilt, det, sizes):
    """Anomaly maps at the original sizes, in units of the image's range: residual, blur, eroded mask, median, resize."""
    s, (low, high) = det["system"], det["input"]["range"]
    unit = 1 / (high - low)
    heat = choose.blurred(unit * x, unit * rebuilt, {"residual": s["residual"], "blur": s["blur"]}).numpy()
    brain = (x > det["input"]["range"][0]).any(1).numpy()
    heat = np.stack([pddpm.clean(h[0], b, s["erosion"], s["median"])[None] for h, b in zip(heat, brain)])
    return choose.resize_maps(torch.from_numpy(heat), sizes)


def main():
    """Chooses or evaluates."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--normal", required=True)
    p.add_argument("--defect", required=True)
    p.add_argument("--masks", required=True)
    p.add_argument("--every", type=int, default=1, help="take every so many slices, sorted by name")
    p.add_argument("--every-normal", type=int, default=0, help="the same for the normal slices; as --every when not given")
    p.add_argument("--evaluate", action="store_true")
    p.add_argument("--lambdas", type=int, nargs="+", default=[500])
    p.add_argument("--patches", type=int, nargs="+", default=[32])
    p.add_argument("--strides", type=int, nargs="+", default=[8, 16, 32])
    p.add_argument("--residuals", nargs="+", default=["absolute", "positive"])
    p.add_argument("--blurs", type=float, nargs="+", default=[0, 1, 1.5, 2], help="sigmas; 0: none")
    p.add_argument("--erosions", type=int, nargs="+", default=[0, 2])
    p.add_argument("--medians", type=int, nargs="+", default=[1, 3, 5])
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--threads", type=int, default=0)
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    path = os.path.join(a.model, "detector.json")
    with open(path) as f:
        det = json.load(f)
    model = unet.load(a.model)
    names, defect = choose.read(a.defect, det["input"]["channels"], a.every)
    truth = choose.read_masks(a.masks, names)
    normal = choose.read(a.normal, det["input"]["channels"], a.every_normal or a.every)[1]
    images, n = normal + defect, len(normal)
    sizes, x = [i.shape[:2] for i in images], choose.prepare(images, det)
    inside = [(i > 0).any(2) for i in images]

    def judge(d, rebuilt):
        """Pixel figures, image figures and the image scores of one setting."""
        made = maps(x, rebuilt, d, sizes)
        ranked = []
        for kind in [d["score"]] if a.evaluate else SCORES:
            s = [choose.score(m, kind, b) for m, b in zip(made, inside)]
            ranked.append((choose.auroc(s[:n], s[n:]), kind, s))
        return *choose.curve(made[n:], truth), *max(ranked, key=lambda r: r[0])

    def rebuild(d, caller):
        noised = pddpm.add_noise(x, fields(d, len(x), a.seed), d, pddpm.alpha_bars())
        return pddpm.reconstruct(caller, x, noised, pddpm.boxes(d))

    if a.evaluate:
        start = time.time()
        precision, dice, cut, area, _, s = judge(det, rebuild(det, Caller(model, det["system"]["lambda"] - 1)))
        limit = det["threshold"]["image"]
        print(f"{n} normal, {len(defect)} defective: pixel AUPRC {precision:.4f}, best Dice {dice:.4f} at {cut:.4g}; image AUROC "
              f"{area:.4f}, normal flagged {sum(v > limit for v in s[:n])}, defective flagged {sum(v > limit for v in s[n:])}; "
              f"{time.time() - start:.0f} s")
        return
    best = None
    for lam in a.lambdas:
        caller = Caller(model, lam - 1)
        for patch, stride in itertools.product(a.patches, a.strides):
            base, top = settings(det, patch=patch, stride=stride, **{"lambda": lam}), None
            rebuilt = rebuild(base, caller)
            for residual, sigma, erosion, median in itertools.product(a.residuals, a.blurs, a.erosions, a.medians):
                d = settings(base, residual=residual, erosion=erosion, median=median,
                             blur={"kind": "gaussian", "sigma": sigma} if sigma else None)
                precision, dice, cut, area, kind, s = judge(d, rebuilt)
                d.update(score=kind, threshold={"pixel": cut, "image": choose.image_threshold(s[:n], s[n:])})
                if top is None or precision > top[0]:
                    top = (precision, d, f"lambda {lam} patch {patch} stride {stride}: {residual} blur {sigma} erosion {erosion} "
                                         f"median {median}: AUPRC {precision:.4f} Dice {dice:.4f} AUROC {area:.4f} {kind}")
            print(top[2], flush=True)
            best = top if best is None or top[0] > best[0] else best
    print("chosen:", best[2])
    if not a.dry:
        unet.write_json(path, best[1])


if __name__ == "__main__":
    main()
