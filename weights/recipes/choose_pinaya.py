"""Chooses the settings of a detector of Pinaya et al. on a validation split and writes MODEL/detector.json.

    python choose_pinaya.py MODEL --normal DIR --defect DIR --masks DIR --every 4

MODEL holds the denoiser and, in `autoencoder`, the VQ autoencoder. The best pixel AUPRC over the defective slices is chosen. The
thresholds of the mask are quantiles of the latents of the normal slices: `residua calibrate` measures them anew, with Residua's noise.
"""
import argparse
import itertools
import os

import numpy as np
import torch

import choose
import latent
import monai
import pddpm
import pinaya
import unet
import vqvae

SCORES = [{"kind": "mean"}, {"kind": "max"}, {"kind": "top", "fraction": 0.01}, {"kind": "top", "fraction": 0.05}]


class Detector:
    """The two networks and what detection takes of settings."""

    def __init__(self, folder, size, seed):
        self.denoiser = monai.load(folder)
        self.autoencoder = vqvae.load(os.path.join(folder, "autoencoder"))
        self.abar, self.seed, self.size = pinaya.bars(), seed, size
        self.network = lambda z, t: latent.call(self.denoiser, z, t)

    def noise(self, shape, *key):
        """The noise of one step, every slice with its own."""
        return torch.from_numpy(np.random.default_rng([self.seed, *key]).standard_normal(shape, np.float32))

    @torch.no_grad()
    def encode(self, images):
        """Slices (n, c, h, w) in 0..1 and their quantised latents."""
        det = {"input": {"width": self.size, "height": self.size, "range": [0, 1]}}
        x = choose.prepare(images, det)
        return x, self.autoencoder.quantize(self.autoencoder.encode(x))[1]

    def kl(self, z, steps):
        """The divergences of single steps, (n, 1, h, w) by step."""
        return {t: pinaya.divergence(self.network, z, t, self.noise(z.shape, 1, t), self.abar).mean(1, keepdim=True) for t in steps}

    @torch.no_grad()
    def paint(self, z, mask, start, count):
        """The picture decoded from latents painted anew; slices without a mask are not computed."""
        steps = pinaya.band(start, 0, count)
        noise = [self.noise(z.shape, 2, i) for i in range(count)]
        out, some = z.clone(), mask.flatten(1).any(1)
        if some.any():
            out[some] = pinaya.inpaint(self.network, z[some], mask[some], steps, [e[some] for e in noise], self.abar)
        return self.autoencoder.decode(self.autoencoder.quantize(out)[1])


def heat(x, rebuilt, plain, mask, s):
    """The maps (n, 1, h, w) of one setting; `plain` is the picture decoded from the slice's own latents."""
    before = plain if s["reference"] == "decoded" else x
    made = pinaya.residual(before, rebuilt, s["residual"])
    if s["smooth"] is not None:
        made = made * pinaya.enlarged(mask, made.shape[2:], s["smooth"])
    brain = (x > 0).any(1).numpy()
    blurred = choose.blurred(made, torch.zeros_like(made), {"residual": "absolute", "blur": s["blur"]}).numpy()
    return torch.from_numpy(np.stack([pddpm.clean(m[0], b, s["erosion"], s["median"])[None] for m, b in zip(blurred, brain)]))


def detector(a, s):
    """A detector.json of chosen settings."""
    gaussian = lambda sigma: {"kind": "gaussian", "sigma": sigma} if sigma else None
    return {
        "format": 2, "name": os.path.basename(os.path.normpath(a.model)),
        "input": {"width": a.size, "height": a.size, "channels": 1, "range": [0, 1], "scaling": {"kind": "fixed"}},
        "networks": {"denoiser": {"file": "denoiser.safetensors"}, "autoencoder": {"file": "autoencoder/autoencoder.safetensors"}},
        "system": {
            "method": "pinaya",
            "band": {"first": s["band"][0], "last": s["band"][-1], "steps": len(s["band"])},
            "quantile": s["quantile"], "grow": s["grow"], "start": s["start"],
            "sampler": {"kind": "ddim", "steps": s["steps"], "eta": 0.0},
            "residual": s["residual"], "reference": s["reference"], "filter": s["smooth"] is not None,
            "smooth": gaussian(s["smooth"]), "blur": s["blur"], "erosion": s["erosion"], "median": s["median"]},
        "score": s["score"], "threshold": s["cuts"]}


def main():
    """Tries all combinations."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--normal", required=True)
    p.add_argument("--defect", required=True)
    p.add_argument("--masks", required=True)
    p.add_argument("--every", type=int, default=1, help="take every so many slices, sorted by name")
    p.add_argument("--every-normal", type=int, default=0, help="the same for the normal slices; as --every when not given")
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--bands", nargs="+", default=["200-400", "300-500", "400-600"], help="first and last step")
    p.add_argument("--band-steps", type=int, default=9)
    p.add_argument("--quantiles", type=float, nargs="+", default=[0.9, 0.95, 0.975])
    p.add_argument("--grow", type=int, nargs="+", default=[0, 1])
    p.add_argument("--starts", type=int, nargs="+", default=[500])
    p.add_argument("--steps", type=int, default=20, help="DDIM steps of the painting")
    p.add_argument("--residuals", nargs="+", default=["absolute", "positive"])
    p.add_argument("--references", nargs="+", default=["input", "decoded"])
    p.add_argument("--smooths", type=float, nargs="+", default=[0, 1, 2], help="blurs of the mask; below 0: no mask on the map")
    p.add_argument("--blurs", type=float, nargs="+", default=[0, 1, 2])
    p.add_argument("--erosions", type=int, nargs="+", default=[0, 3])
    p.add_argument("--medians", type=int, nargs="+", default=[1, 5])
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    names, defect = choose.read(a.defect, 1, a.every)
    truth = choose.read_masks(a.masks, names)
    normal = choose.read(a.normal, 1, a.every_normal or a.every)[1]
    images, n = normal + defect, len(normal)
    sizes, d = [i.shape[:2] for i in images], Detector(a.model, a.size, a.seed)
    x, z = d.encode(images)
    with torch.no_grad():
        plain = d.autoencoder.decode(z)
    print(f"{n} normal, {len(defect)} defective; mean absolute error of the autoencoder {float((x - plain).abs().mean()):.4f}", flush=True)

    def maps_of(s, rebuilt, mask, part):
        """The maps of some of the slices at their sizes."""
        return choose.resize_maps(heat(x[part], rebuilt[part], plain[part], mask[part], s), sizes[part])

    def judge(s, rebuilt, mask, scores):
        """Pixel figures, and the best kind of image score with its area and the scores."""
        maps = maps_of(s, rebuilt, mask, slice(None))
        ranked = [(choose.auroc(v[:n], v[n:]), kind, v) for kind in scores for v in [[choose.score(m, kind) for m in maps]]]
        return *choose.curve(maps[n:], truth), *max(ranked, key=lambda r: r[0])

    best, known = None, {}
    for first, last in (map(int, b.split("-")) for b in a.bands):
        steps = pinaya.band(first, last, a.band_steps)
        known |= d.kl(z, [t for t in steps if t not in known])
        kl = sum(known[t] for t in steps) / len(steps)
        raw, raw_dice, _ = choose.curve(choose.resize_maps(kl[n:], sizes[n:]), truth)
        print(f"band {first}-{last}: the divergence alone {raw:.4f}, {raw_dice:.4f}", flush=True)
        for quantile, grow, start in itertools.product(a.quantiles, a.grow, a.starts):
            threshold, top = float(np.quantile(kl[:n].numpy(), quantile)), None
            mask = pinaya.masked(kl, threshold, grow)
            rebuilt = d.paint(z, mask, start, a.steps)
            for residual, reference, smooth, blur, erosion, median in itertools.product(
                    a.residuals, a.references, a.smooths, a.blurs, a.erosions, a.medians):
                s = {"band": steps, "quantile": quantile, "threshold": threshold, "grow": grow, "start": start, "steps": a.steps,
                     "residual": residual, "reference": reference, "smooth": smooth if smooth >= 0 else None,
                     "blur": {"kind": "gaussian", "sigma": blur} if blur else None, "erosion": erosion, "median": median}
                precision, dice, _ = choose.curve(maps_of(s, rebuilt, mask, slice(n, None)), truth)
                if top is None or precision > top[0]:
                    top = (precision, s, f"band {first}-{last} quantile {quantile} grow {grow} start {start}: {residual} of {reference} "
                           f"smooth {smooth} blur {blur} erosion {erosion} median {median}: AUPRC {precision:.4f} Dice {dice:.4f}")
            precision, dice, cut, area, kind, v = judge(top[1], rebuilt, mask, SCORES)
            top[1].update(score=kind, cuts={"pixel": cut, "image": choose.image_threshold(v[:n], v[n:])})
            print(f"{top[2]}; image AUROC {area:.4f} by {kind}", flush=True)
            best = top if best is None or top[0] > best[0] else best
    print("chosen:", best[2])
    if not a.dry:
        unet.write_json(os.path.join(a.model, "detector.json"), detector(a, best[1]))


if __name__ == "__main__":
    main()
