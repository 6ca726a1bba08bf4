"""pDDPM (Behrendt et al., MIDL 2023): one patch of a slice is noised, its surroundings stay clean, and the network gives the
whole clean slice in a single call, of which the patch is kept. Patch by patch, that rebuilds the slice.

This module has what training, choosing and the self-test share: the cosine schedule, the patches, the composed input, the
reconstruction, and the treatment of the map (eroded mask, median).
"""
import math

import numpy as np
import torch
from scipy import ndimage

SCHEDULER = {
    "_class_name": "DDPMScheduler", "_diffusers_version": "0.27.2", "num_train_timesteps": 1000, "beta_start": 0.0001,
    "beta_end": 0.02, "beta_schedule": "squaredcos_cap_v2", "trained_betas": None, "variance_type": "fixed_large",
    "clip_sample": False, "clip_sample_range": 1.0, "prediction_type": "sample", "thresholding": False,
    "timestep_spacing": "leading", "steps_offset": 0, "rescale_betas_zero_snr": False}


def alpha_bars(steps=1000, offset=0.008):
    """The products of 1 - beta (steps,) of the cosine schedule in float64; every beta is at most 0.999."""
    level = [math.cos((t / steps + offset) / (1 + offset) * math.pi / 2) ** 2 for t in range(steps + 1)]
    betas = [min(1 - after / before, 0.999) for before, after in zip(level, level[1:])]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0)


def draw_boxes(count, size, sides, rng):
    """Masks (count, 1, size, size), one where the patch is: a side drawn from `sides`, anywhere inside the slice."""
    masks = torch.zeros(count, 1, size, size)
    for mask in masks:
        side = int(rng.choice(sides))
        top, left = rng.integers(size - side + 1, size=2)
        mask[:, top:top + side, left:left + side] = 1
    return masks


def compose(x, noised, mask):
    """The network's input: `noised` where the mask is one, `x` elsewhere."""
    return torch.where(mask > 0, noised, x)


def loss(predicted, x, mask):
    """The mean absolute error inside the patches; outside, the truth stands in for the prediction."""
    return ((predicted - x).abs() * mask).sum() / mask.sum()


def origins(size, patch, stride):
    """First pixels of the patches along one axis: as few as leave no gap above the stride, spread evenly from end to end."""
    count = -(-(size - patch) // stride) + 1
    return [i * (size - patch) // max(count - 1, 1) for i in range(count)]


def boxes(det):
    """The patches (top, left, height, width) in the order of the calls: row by row."""
    s, i = det["system"], det["input"]
    return [(top, left, s["patch"], s["patch"]) for top in origins(i["height"], s["patch"], s["stride"])
            for left in origins(i["width"], s["patch"], s["stride"])]


def add_noise(x, noise, det, bars):
    """The slices (n, c, h, w) noised to lambda - 1 by one noise (1 or n, c, h, w); rounded to float16 first if published."""
    a = bars[det["system"]["lambda"] - 1].to(x.dtype)
    if det["system"]["variant"] == "published":
        noise = noise.half().to(x.dtype)
    return a.sqrt() * x + (1 - a).sqrt() * noise


def inside(like, box):
    """A mask (1, 1, h, w) with one where the patch is."""
    top, left, height, width = box
    mask = torch.zeros_like(like[:1, :1])
    mask[:, :, top:top + height, left:left + width] = 1
    return mask


def reconstruct(network, x, noised, where, hear=lambda *_: None):
    """The rebuilt slices (n, c, h, w): `network(input, box)` is called once for each box of `where`, and the patches are
    averaged where they overlap.

    `hear(call, stage, value)` is told of the composed input (stage "compose") and of the sums so far (stage "stitch").
    """
    total, coverage = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
    for call, box in enumerate(where):
        mask = inside(x, box)
        given = compose(x, noised, mask)
        hear(call, "compose", given)
        total += network(given, box) * mask
        coverage += mask
        hear(call, "stitch", total)
    return total / coverage


def clean(heat, brain, erosion, median):
    """A map (h, w) times the eroded brain mask (4-neighbour cross, the border counts as outside), then its square median.

    A single slice counts as a volume of one slice: the 3-D median of depth one, borders reflected, is the square one.
    """
    if erosion:
        heat = heat * ndimage.binary_erosion(brain, iterations=erosion)
    return ndimage.median_filter(heat, median, mode="reflect") if median > 1 else heat


def detector(name, weights, size, channels, patch):
    """A detector.json before anything was chosen."""
    return {
        "format": 2, "name": name,
        "input": {"width": size, "height": size, "channels": channels, "range": [-1, 1], "scaling": {"kind": "fixed"},
                  "suffixes": []},
        "networks": {"denoiser": {"file": weights}},
        "system": {
            "method": "pddpm", "variant": "published",
            "schedule": {"kind": "cosine", "train_steps": 1000, "prediction": "sample"},
            "noise": {"kind": "simplex", "octaves": 6, "persistence": 0.8, "frequency": 64},
            "noise_per": "volume", "lambda": 500, "patch": patch, "stride": patch, "overlap": "average",
            "residual": "absolute", "blur": None, "erosion": 2, "median": 5, "min_component": 7},
        "score": {"kind": "mean"}, "threshold": {"pixel": 0.1, "image": 0.05}}
