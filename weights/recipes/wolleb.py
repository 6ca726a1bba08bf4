"""Wolleb et al. (MICCAI 2022): an image is encoded by DDIM in the reverse direction up to a noise level and decoded by DDIM
guided to the healthy class by the gradient of a classifier; the difference of image and result is the anomaly map.

This module has what choosing and the self-test share. Steps are counted after respacing: step k of N stands for the k-th of N
evenly spaced steps of the schedule, and both networks are told that one (the published code tells the classifier k itself,
which is right only without respacing). The variant `published` adds noise of level 0 at the start, encodes from 1 to L - 1
and decodes from L - 2 to the clean image; `paper` encodes from 0 to L - 1 and decodes from L to level 0, where an image that is not
noised began.
"""
import torch

import classifier
import guided


def spaced(total, count):
    """The steps (count,) of "ddimN" respacing: multiples of the smallest stride that gives exactly N steps."""
    for stride in range(1, total):
        if len(range(0, total, stride)) == count:
            return list(range(0, total, stride))
    raise SystemExit(f"no stride of {total} steps gives {count}")


class Chain:
    """The two networks on a respaced schedule; x are images (n, c, h, w) in the networks' range."""

    def __init__(self, denoiser, guide, bars, count, target, batch=32, hear=lambda *_: None):
        self.denoiser, self.guide, self.target, self.batch, self.hear = denoiser, guide, target, batch, hear
        self.steps = spaced(len(bars), count)
        one, zero = torch.ones(1, dtype=bars.dtype), torch.zeros(1, dtype=bars.dtype)
        # bars[k + 1] belongs to step k: below the first is the image itself, above the last nothing but noise.
        self.bars = torch.cat([one, bars[self.steps], zero])

    def bar(self, k):
        """The share of the signal's variance at step k, from -1 to the number of steps."""
        return self.bars[k + 1].to(torch.float64).item()

    def predict(self, x, k):
        """The clean image clamped to [-1, 1] and the noise that goes with it, at step k."""
        t = torch.full((len(x),), self.steps[k])
        y = torch.full((len(x),), self.target)
        with torch.no_grad():
            eps = torch.cat([self.denoiser(p, t[:len(p)], y[:len(p)]) for p in x.split(self.batch)])[:, :x.shape[1]]
        a = self.bar(k)
        clean = ((1 / a) ** 0.5 * x - (1 / a - 1) ** 0.5 * eps).clamp(-1, 1)
        return clean, ((1 / a) ** 0.5 * x - clean) / (1 / a - 1) ** 0.5

    def up(self, x, k):
        """One step of encoding, from level k to k + 1."""
        clean, eps = self.predict(x, k)
        after = self.bar(k + 1)
        return after ** 0.5 * clean + (1 - after) ** 0.5 * eps

    def down(self, x, k, scale):
        """One guided step of decoding, from level k to k - 1; the guided clean image is not clamped again."""
        _, eps = self.predict(x, k)
        a, before = self.bar(k), self.bar(k - 1)
        if scale:
            t, y = torch.full((len(x),), self.steps[k]), torch.full((len(x),), self.target)
            g = torch.cat([classifier.gradient(self.guide, p, t[:len(p)], y[:len(p)]) for p in x.split(self.batch)])
            eps = eps - (1 - a) ** 0.5 * scale * g
        clean = (1 / a) ** 0.5 * x - (1 / a - 1) ** 0.5 * eps
        return before ** 0.5 * clean + (1 - before) ** 0.5 * eps

    def encode(self, x, level, variant, noise=None):
        """The latent of level L."""
        if variant == "published":
            a = self.bar(0)
            x = a ** 0.5 * x + (1 - a) ** 0.5 * noise
        for k in range(1 if variant == "published" else 0, level):
            x = self.up(x, k)
        return x

    def decode(self, x, level, variant, scale):
        """The healthy image of a latent."""
        steps = range(level - 2, -1, -1) if variant == "published" else range(level, 0, -1)
        for k in steps:
            x = self.down(x, k, scale)
        return x


def difference(x, rebuilt, kind):
    """Maps (n, 1, h, w): the absolute difference, summed over the channels, or of the images, each channel scaled to 0..1."""
    if kind == "sum":
        return (x - rebuilt).abs().sum(1, keepdim=True)

    def unit(v):
        low, high = v.amin((2, 3), keepdim=True), v.amax((2, 3), keepdim=True)
        return (v - low) / (high - low)

    return (unit(x) - unit(rebuilt)).abs().sum(1, keepdim=True)


def detector(name, size, channels):
    """A detector.json before anything was chosen."""
    return {
        "format": 2, "name": name,
        "input": {"width": size, "height": size, "channels": channels, "range": [0, 1], "scaling": {"kind": "fixed"}},
        "networks": {"denoiser": {"file": guided.WEIGHTS}, "classifier": {"file": "classifier/" + classifier.WEIGHTS}},
        "system": {
            "method": "wolleb", "variant": "published",
            "schedule": {"kind": "linear", "train_steps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
                         "prediction": "epsilon", "variance": "fixed_large"},
            "noise_level": 10, "scale": 100.0, "classes": ["healthy", "tumour"], "target": "healthy", "respacing": "ddim50",
            "clip": True, "difference": "sum"},
        "score": {"kind": "mean"}, "threshold": {}}
