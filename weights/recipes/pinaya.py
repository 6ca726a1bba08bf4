"""Pinaya et al. (MICCAI 2022): a VQ autoencoder's latents are held against a diffusion model of healthy ones, step by step; where
they fit badly they are painted anew, and the picture decoded from that is what the slice would look like without a lesion.

No code was published; what the paper leaves open is written here as this project does it.

    z       the quantised latents of the slice
    kl      mean over the steps t of a band, and over the channels, of KL(q(z[t-1] | z[t], z) || p(z[t-1] | z[t]))
    mask    where kl is above a threshold: a quantile of healthy latents
    out     latents noised to `start` and denoised by DDIM; after every call, what is outside the mask is put back
    map     residual of the slice and the decoded `out`, times the mask
"""
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

import latent

BETAS = (0.0015, 0.0195)


def bars():
    """The products of 1 - beta (1000,) in float64."""
    return latent.alpha_bars(*BETAS)


def band(first, last, count):
    """`count` steps from `first` to `last`, rounded half up."""
    return [int(np.floor(first + (last - first) * i / max(count - 1, 1) + 0.5)) for i in range(count)]


def weight(abar, t):
    """What the squared error of the estimated clean latents is multiplied by: c^2 / (2 v), where c is the factor of the clean
    latents in the mean of q(z[t-1] | z[t], z) and v is its variance, which p shares. For t from 1 on."""
    now, before = float(abar[t]), float(abar[t - 1])
    beta = 1 - now / before
    return before * beta / (2 * (1 - now) * (1 - before))


def divergence(network, z, t, noise, abar):
    """The Kullback-Leibler divergence (n, c, h, w) of step t for clean latents z, from one call."""
    noisy = latent.add_noise(z, noise, abar[t])
    clean = latent.estimate(noisy, network(noisy, t), float(abar[t]))
    return weight(abar, t) * (z - clean).square()


def kl_map(network, z, steps, noise, abar):
    """Mean divergence (n, 1, h, w) over the steps and the channels; `noise[i]` belongs to step i."""
    return sum(divergence(network, z, t, e, abar).mean(1, keepdim=True) for t, e in zip(steps, noise)) / len(steps)


def masked(kl, threshold, grow=0):
    """One where the map is above the threshold, and `grow` latents around (4-neighbours)."""
    found = kl > threshold
    if grow:
        found = torch.from_numpy(np.stack([ndimage.binary_dilation(m[0], iterations=grow)[None] for m in found.numpy()]))
    return found.to(kl.dtype)


def inpaint(network, z, mask, steps, noise, abar, hear=lambda *_: None):
    """Latents painted anew where the mask is one: `steps` falls from the start to 0, `noise[0]` noises the latents to the start
    and `noise[i + 1]` what is put back after call i; after the last call that is z itself. `hear(i, value)` is told of the
    latents after each call."""
    now = latent.add_noise(z, noise[0], abar[steps[0]])
    for i, t in enumerate(steps):
        last = i + 1 == len(steps)
        after = 1.0 if last else float(abar[steps[i + 1]])
        painted = latent.ddim(now, network(now, t), float(abar[t]), after)
        known = z if last else latent.add_noise(z, noise[i + 1], after)
        now = mask * painted + (1 - mask) * known
        hear(i, now)
    return now


def enlarged(mask, size, smooth=0.0):
    """The mask as (n, 1, *size), nearest, blurred by a Gaussian of `smooth` pixels with reflected borders."""
    wide = F.interpolate(mask, size=size, mode="nearest")
    if not smooth:
        return wide
    return torch.from_numpy(ndimage.gaussian_filter(wide.numpy(), (0, 0, smooth, smooth)).astype(wide.numpy().dtype))


def residual(x, rebuilt, kind):
    """How x differs from the picture without a lesion, mean over the channels (n, 1, h, w)."""
    d = x - rebuilt
    return {"absolute": d.abs(), "positive": d.clamp(min=0), "squared": d.square()}[kind].mean(1, keepdim=True)
