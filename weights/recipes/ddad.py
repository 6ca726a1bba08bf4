"""DDAD (Mousakhan, Brox, Tayyub, 2023): an image is noised a little and denoised by few steps of DDIM, each of which pulls the
estimate of the clean image towards the image itself; what comes out is compared with the image by its pixels and by the maps of a
ResNet.

    x_t     the image noised to a step's level
    eps'    eps - w sqrt(1 - A) (y_t - x_t), where y_t is the image noised to the same level by the network's own eps
    map     D_f + v max(D_f) / max(D_p) D_p under a Gaussian blur
    D_p     mean over the channels of the absolute difference
    D_f     sum over layers of one minus the cosine of the maps, which are averaged over 3x3 pixels first
    score   maximum of the map

The published code noises the image to the level `t_start` and then takes it for one of the first step's level, which is lower by
`skip`; the variant `paper` noises it to the first step's level.

Settings: variant, w, v, eta, t_start, skip, layers (none: the map is D_p), normalisation (what the maxima are over: `batch` or
`image`; or `fixed`: their quotient is `ratio`), sigma, crop.
"""
import os

import torch
import torch.nn.functional as F

import ddad_unet
import guided
import latent
import resnet
import train


def steps(t_start, skip):
    """The steps, falling to 0: the multiples of `skip` below `t_start`."""
    return list(range(0, t_start, skip))[::-1]


def start(x, noise, s, abar):
    """Images noised to where the chain begins."""
    level = s["t_start"] if s["variant"] == "published" else steps(s["t_start"], s["skip"])[0]
    return latent.add_noise(x, noise, abar[level])


def step(now, eps, target, s, a, after, noise):
    """One step from the level `a` to `after`; noise is added by as much as eta says."""
    pulled = eps - s["w"] * (1 - a) ** 0.5 * (a ** 0.5 * target + (1 - a) ** 0.5 * eps - now)
    fresh = s["eta"] * ((1 - a / after) * (1 - after) / (1 - a)) ** 0.5
    return after ** 0.5 * latent.estimate(now, pulled, a) + fresh * noise + (1 - after - fresh ** 2) ** 0.5 * pulled


def reconstruct(call, x, draw, s, abar, hear=lambda stage, value: None):
    """The reconstruction of images (n, c, h, w). `call(x, t)` is the network; `draw(0)` noises the images, and `draw(1 + i)` is
    step i's noise. `hear` is told of the noised images and of what each step gives."""
    order = steps(s["t_start"], s["skip"])
    now = start(x, draw(0), s, abar)
    hear("noising", now)
    for i, t in enumerate(order):
        after = float(abar[order[i + 1]]) if i + 1 < len(order) else 1.0
        now = step(now, call(now, t), x, s, float(abar[t]), after, draw(1 + i))
        hear("step", now)
    return now


def pixel_map(x, rebuilt):
    """D_p (n, 1, h, w)."""
    return (rebuilt - x).abs().mean(1, keepdim=True)


def unlike(first, second, size):
    """D_f (n, 1, h, w) of two lists of maps, by layers."""
    out = 0
    for pair in zip(first, second):
        one, other = (F.avg_pool2d(m, 3, 1, 1) for m in pair)
        cosine = F.cosine_similarity(one, other, dim=1, eps=1e-8)[:, None]
        out = out + F.interpolate(1 - cosine, size=size, mode="bilinear", align_corners=True)
    return out


def feature_map(features, x, rebuilt, layers):
    """D_f (n, 1, h, w) of images in -1..1."""
    return unlike(*(features.maps((v + 1) / 2, layers) for v in (x, rebuilt)), x.shape[2:])


def combine(pixel, feature, s):
    """The map of D_p and D_f, before the blur; D_p itself where there is no D_f."""
    if feature is None:
        return pixel
    if s["normalisation"] == "fixed":
        return feature + s["v"] * s["ratio"] * pixel
    over = (0, 1, 2, 3) if s["normalisation"] == "batch" else (1, 2, 3)
    tops = [m.amax(over, keepdim=True) for m in (feature, pixel)]
    return feature + s["v"] * tops[0] / tops[1].clamp(min=1e-30) * pixel


def blurred(heat, sigma):
    """Maps (n, 1, h, w) under a Gaussian cut at four sigma; the borders are mirrored without repeating the outermost pixels."""
    if not sigma:
        return heat
    radius = int(4 * sigma + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(heat.dtype)
    heat = F.conv2d(F.pad(heat, (radius, radius, 0, 0), mode="reflect"), kernel[None, None, None, :])
    return F.conv2d(F.pad(heat, (0, 0, radius, radius), mode="reflect"), kernel[None, None, :, None])


def cropped(heat, side):
    """Maps (n, 1, h, w) that are 0 outside of the square of a side in the middle; as they are where there is no side."""
    if not side:
        return heat
    top, left = (int(round((n - side) / 2)) for n in heat.shape[2:])
    out = torch.zeros_like(heat)
    out[:, :, top:top + side, left:left + side] = heat[:, :, top:top + side, left:left + side]
    return out


def score(heat):
    """The image scores (n,) of maps (n, 1, h, w)."""
    return heat.flatten(1).amax(1)


def denoiser(folder):
    """The network of a folder, in DDAD's layout or in guided-diffusion's."""
    with open(os.path.join(folder, "config.json")) as f:
        return (ddad_unet if "ddad.UNetModel" in f.read() else guided).load(folder)


class Model:
    """The networks of a model folder; `features` is None where no folder of a ResNet is given."""

    def __init__(self, folder, features=None):
        self.denoiser = denoiser(folder)
        self.features = resnet.load(features) if features else None
        self.abar = train.alpha_bars()

    @torch.no_grad()
    def rebuild(self, x, s, seed):
        """The reconstruction of images (n, c, h, w) in -1..1. Every image has its own noise."""
        made = torch.Generator().manual_seed(seed)
        draw = lambda i: torch.randn(x.shape, generator=made)
        return reconstruct(lambda z, t: latent.call(self.denoiser, z, t), x, draw, s, self.abar)

    @torch.no_grad()
    def maps(self, x, layers, batch=16):
        """The ResNet's maps of images in -1..1, a list by layers."""
        parts = [self.features.maps((part + 1) / 2, layers) for part in x.split(batch)]
        return [torch.cat(same) for same in zip(*parts)]
