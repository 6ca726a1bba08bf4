"""AdvRAD (Cao, Lin and Chen 2024): an image is noised to step k and reconstructed in one shot; the squared error at several
scales, less its mean over normal images, is the map, and the map's largest absolute value is the score.

This module has what choosing and the self-test share. Images are (n, c, h, w) in [-1, 1].
"""
import torch
import torch.nn.functional as F

import guided


def one_shot(denoiser, x, k, noise, bars):
    """The clean image that the noise predicted at step k leaves; nothing is clamped."""
    a = bars[k].to(x.dtype)
    noised = a.sqrt() * x + (1 - a).sqrt() * noise
    return (noised - (1 - a).sqrt() * denoiser(noised, torch.full((len(x),), k))) / a.sqrt()


def scaled(image, size):
    """Antialiased triangle resize, down or up, pixel centres aligned."""
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)


def box(error, size):
    """The mean of size x size pixels (size odd), the border pixels repeated by reflection (d c b a | a b c d)."""
    if size == 1:
        return error
    r = size // 2
    rows, cols = (torch.cat([torch.arange(r).flip(0), torch.arange(n), n - 1 - torch.arange(r)]) for n in error.shape[2:])
    return F.avg_pool2d(error[:, :, rows][:, :, :, cols], size, 1)


def error_map(x, rebuilt, scales, filter_size):
    """Err_ms (n, 1, h, w): at `scales` scales 1, 1/2, 1/4, ... the squared difference of the resized images, mean over the
    channels, resized back; their mean, box-filtered."""
    height, width = x.shape[2:]
    total = torch.zeros_like(x[:, :1])
    for i in range(scales):
        small = (height >> i, width >> i)
        d = (x - rebuilt) if i == 0 else scaled(x, small) - scaled(rebuilt, small)
        e = d.square().mean(1, keepdim=True)
        total += e if i == 0 else scaled(e, (height, width))
    return box(total / scales, filter_size)


def score(error, mean):
    """The largest absolute difference of each map (n, 1, h, w) from the normal images' mean map (1, 1, h, w)."""
    return (error - mean).abs().flatten(1).amax(1)


def detector(name, size, channels):
    """A detector.json before anything was chosen."""
    return {
        "format": 2, "name": name,
        "input": {"width": size, "height": size, "channels": channels, "range": [-1, 1], "scaling": {"kind": "fixed"}},
        "networks": {"denoiser": {"file": guided.WEIGHTS}},
        "system": {
            "method": "advrad",
            "schedule": {"kind": "linear", "train_steps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
                         "prediction": "epsilon", "variance": "fixed_large"},
            "noise": "gaussian", "noise_per": "image", "k": 100, "sampler": {"kind": "ddim", "steps": 1, "eta": 0.0},
            "clip": False, "scales": 4, "blur": {"kind": "box", "size": 3}, "mean_map": True},
        "score": {"kind": "max"}, "threshold": {}}
