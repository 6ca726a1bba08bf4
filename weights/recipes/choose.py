"""Chooses a detector's settings on a validation split, or evaluates the settings that detector.json holds.

    python choose.py MODEL --normal DIR --defect DIR --masks DIR --lambdas 150 200 --steps 10 25 --runs 1 4
    python choose.py MODEL --normal DIR --defect DIR --masks DIR --evaluate

The first form tries every combination, takes the best pixel AUPRC over the defective images (or, with --by image, the best
separation of the images) and writes it, with thresholds, to MODEL/detector.json. Masks carry the defective images' names;
a value above 127 is anomalous.
"""
import argparse
import glob
import itertools
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import dataset
import simplex
import train
import unet

RESIDUALS = {"squared": np.square, "absolute": np.abs, "positive": lambda d: np.maximum(d, 0),
             "negative": lambda d: np.maximum(-d, 0)}


def read(folder, channels, every=1):
    """Names and images (h, w, c) in 0..1 of a folder, sorted by name, every so many."""
    paths = sorted(glob.glob(os.path.join(folder, "*.png")))[::every]
    mode = "L" if channels == 1 else "RGB"
    images = [np.asarray(Image.open(p).convert(mode), np.float32).reshape(*Image.open(p).size[::-1], channels) / 255 for p in paths]
    return [os.path.basename(p) for p in paths], images


def read_masks(folder, names):
    """Truth maps of the named images."""
    return [np.asarray(Image.open(os.path.join(folder, n)).convert("L")) > 127 for n in names]


def prepare(images, det):
    """The network's input (n, c, h, w): resized and mapped to the input range."""
    low, high = det["input"]["range"]
    resized = [dataset.resize(x, det["input"]["width"]).transpose(2, 0, 1) for x in images]
    return torch.from_numpy(np.stack(resized)) * (high - low) + low


def noise(det, t, rng):
    """One noise (1, c, h, w), which all images share."""
    i, n = det["input"], det["noise"]
    shape = (i["channels"], i["height"], i["width"])
    if n["kind"] == "gaussian":
        field = rng.standard_normal(shape)
    else:
        field = simplex.fields(simplex.draw_seeds(rng, shape[0]), shape[1], shape[2], t, octaves=n["octaves"],
                               persistence=n["persistence"], frequency=n["frequency"])
    return torch.from_numpy(field.astype(np.float32))[None]


def ddim_steps(det):
    """The steps a DDIM sampler visits, from lambda - 1 down to 0."""
    count, top = det["sampler"]["steps"], det["lambda"] - 1
    return [int(np.floor(top * (count - 1 - i) / (count - 1) + 0.5)) for i in range(count)]


@torch.no_grad()
def reconstruct(model, x, det, seed, batch=16, bf16=True):
    """The images x noised to lambda and denoised: one run."""
    rng, bars = np.random.default_rng(seed), train.alpha_bars().numpy()
    start = det["lambda"] - 1
    ddim = det["sampler"]["kind"] == "ddim"
    steps = ddim_steps(det) if ddim else list(range(start, -1, -1))
    x = bars[start] ** 0.5 * x + (1 - bars[start]) ** 0.5 * noise(det, start, rng)
    for i, t in enumerate(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            parts = [model(p.contiguous(memory_format=torch.channels_last), torch.full((len(p),), t)).float()
                     for p in x.split(batch)]
        eps = torch.cat(parts)
        a, after = bars[t], bars[steps[i + 1]] if i + 1 < len(steps) else 1.0
        clean = (x - (1 - a) ** 0.5 * eps) / a ** 0.5
        clean = clean.clamp(-1, 1) if det["clip"] else clean
        if ddim:
            sigma = det["sampler"]["eta"] * ((1 - after) / (1 - a) * (1 - a / after)) ** 0.5
            x = after ** 0.5 * clean + max(1 - after - sigma ** 2, 0) ** 0.5 * eps
        else:
            beta, sigma = 1 - a / after, (1 - a / after) ** 0.5 if t > 0 else 0.0
            x = after ** 0.5 * beta / (1 - a) * clean + (1 - beta) ** 0.5 * (1 - after) / (1 - a) * x
        if sigma > 0 and t > 0:
            x = x + sigma * noise(det, t, rng)
    return x


def runs(model, x, det, seed=0, bf16=True):
    """The mean of det["runs"] independent reconstructions."""
    return sum(reconstruct(model, x, det, [seed, r], bf16=bf16) for r in range(det["runs"])) / det["runs"]


def maps(x, rebuilt, det, sizes):
    """Anomaly maps at the original sizes: residual, blur, resize."""
    return resize_maps(blurred(x, rebuilt, det), sizes)


def resize_maps(heat, sizes):
    """Maps (n, 1, h, w) at the original sizes, each (height, width)."""
    return [F.interpolate(m[None], size=s, mode="bilinear", align_corners=False)[0, 0].numpy() for m, s in zip(heat, sizes)]


def blurred(x, rebuilt, det):
    """The maps (n, 1, h, w) of slices: residual, mean over the channels, blur."""
    residual = torch.from_numpy(RESIDUALS[det["residual"]]((x - rebuilt).numpy())).mean(1, keepdim=True)
    blur = det["blur"]
    if blur:
        radius = int(4 * blur["sigma"] + 0.5) if blur["kind"] == "gaussian" else blur["size"] // 2
        kernel = torch.ones(2 * radius + 1)
        if blur["kind"] == "gaussian":
            kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / blur["sigma"]) ** 2)
        kernel = kernel / kernel.sum()
        # Reflection as d c b a | a b c d: the border pixel is repeated.
        reflect = [torch.from_numpy(np.pad(np.arange(n), radius, mode="symmetric")) for n in residual.shape[2:]]
        padded = residual[:, :, reflect[0]][:, :, :, reflect[1]]
        residual = F.conv2d(F.conv2d(padded, kernel[None, None, :, None]), kernel[None, None, None, :])
    return residual


def score(m, kind, inside=True):
    """An image's score from its map; `inside` is what counts as foreground."""
    if kind["kind"] == "foreground":
        return float(m[inside].mean())
    if kind["kind"] == "top":
        count = max(1, int(round(kind["fraction"] * m.size)))
        return float(np.sort(m, None)[-count:].mean())
    return float(m.max() if kind["kind"] == "max" else m.mean())


def curve(values, truth):
    """Average precision, best Dice and its threshold over all pixels of all maps."""
    values, truth = np.concatenate([v.ravel() for v in values]), np.concatenate([t.ravel() for t in truth])
    order = np.argsort(-values, kind="stable")
    hit = truth[order]
    found, k = np.cumsum(hit), np.arange(1, len(hit) + 1)
    dice = 2 * found / (k + hit.sum())
    return float((found / k * hit).sum() / hit.sum()), float(dice.max()), float(values[order[dice.argmax()]])


def auroc(normal, defect):
    """The share of (normal, defective) pairs in the right order."""
    normal, defect = np.asarray(normal)[:, None], np.asarray(defect)[None, :]
    return float((normal < defect).mean() + 0.5 * (normal == defect).mean())


def image_threshold(normal, defect):
    """Between the two groups if they separate, else where the balanced accuracy is best."""
    if max(normal) < min(defect):
        return float(np.sqrt(max(normal) * min(defect)))
    cuts = np.sort(np.concatenate([normal, defect]))
    cuts = (cuts[1:] + cuts[:-1]) / 2
    return float(max(cuts, key=lambda c: (np.asarray(normal) <= c).mean() + (np.asarray(defect) > c).mean()))


def main():
    """Chooses or evaluates."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--normal", required=True)
    p.add_argument("--defect", required=True)
    p.add_argument("--masks", required=True)
    p.add_argument("--every", type=int, default=1, help="take every so many images, sorted by name")
    p.add_argument("--evaluate", action="store_true")
    p.add_argument("--by", choices=["pixel", "image"], default="pixel")
    p.add_argument("--lambdas", type=int, nargs="+", default=[200])
    p.add_argument("--steps", type=int, nargs="+", default=[25], help="DDIM steps; 0: DDPM, every step")
    p.add_argument("--runs", type=int, nargs="+", default=[1])
    p.add_argument("--blurs", type=float, nargs="+", default=[1, 1.5, 2, 3], help="sigmas; 0: none")
    p.add_argument("--residuals", nargs="+", default=sorted(RESIDUALS))
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--f32", action="store_true")
    p.add_argument("--dry", action="store_true", help="print, do not write")
    a = p.parse_args()
    path = os.path.join(a.model, "detector.json")
    with open(path) as f:
        det = json.load(f)
    model = unet.load(a.model)
    names, defect = read(a.defect, det["input"]["channels"], a.every)
    truth, normal = read_masks(a.masks, names), read(a.normal, det["input"]["channels"], a.every)[1]
    images, sizes = normal + defect, [x.shape[:2] for x in normal + defect]
    x, n = prepare(images, det), len(normal)
    scores = [{"kind": "mean"}, {"kind": "max"}, {"kind": "top", "fraction": 0.01}, {"kind": "top", "fraction": 0.05}]

    def judge(d, rebuilt):
        """Pixel and image figures of one setting; the image score is the best kind unless evaluating."""
        made = maps(x, rebuilt, d, sizes)
        precision, dice, cut = curve(made[n:], truth)
        ranked = []
        for kind in [d["score"]] if a.evaluate else scores:
            s = [score(m, kind) for m in made]
            gap = min(s[n:]) / max(max(s[:n]), 1e-9)
            ranked.append((auroc(s[:n], s[n:]), min(gap, 1e3), kind, s))
        return precision, dice, cut, *max(ranked, key=lambda r: r[:2])

    if a.evaluate:
        start = time.time()
        precision, dice, cut, area, gap, kind, s = judge(det, runs(model, x, det, a.seed, not a.f32))
        limit = det["threshold"]["image"]
        print(f"{n} normal, {len(defect)} defective: pixel AUPRC {precision:.4f}, best Dice {dice:.4f} at {cut:.4g}; image AUROC "
              f"{area:.4f}, lowest defective / highest normal {gap:.3f}, normal flagged {sum(v > limit for v in s[:n])}, "
              f"defective flagged {sum(v > limit for v in s[n:])}; {time.time() - start:.0f} s")
        return
    best = None
    for lam, count, run in itertools.product(a.lambdas, a.steps, a.runs):
        sampler = {"kind": "ddim", "steps": count, "eta": 0.0} if count else {"kind": "ddpm"}
        d = dict(det, sampler=sampler, runs=run, **{"lambda": lam})
        rebuilt, top = runs(model, x, d, a.seed, not a.f32), None
        for residual, sigma in itertools.product(a.residuals, a.blurs):
            c = dict(d, residual=residual, blur={"kind": "gaussian", "sigma": sigma} if sigma else None)
            precision, dice, cut, area, gap, kind, s = judge(c, rebuilt)
            rank = (precision, area) if a.by == "pixel" else (area, gap)
            c.update(score=kind, threshold={"pixel": cut, "image": image_threshold(s[:n], s[n:])})
            if top is None or rank > top[0]:
                top = (rank, c, f"{residual} blur {sigma}: AUPRC {precision:.4f} Dice {dice:.4f} AUROC {area:.4f} gap {gap:.3f} {kind}")
        print(f"lambda {lam} steps {count or 'all'} runs {run}: {top[2]}", flush=True)
        best = top if best is None or top[0] > best[0] else best
    print("chosen:", best[2])
    if not a.dry:
        unet.write_json(path, best[1])


if __name__ == "__main__":
    main()
