"""DiffAD (Zhang et al., ICCV 2023): an image is encoded, a latent diffusion model that is given those latents draws the latents of
a good image, and a network compares the image with what is decoded from them.

    c       latents of the image, the mode
    z       latents drawn by DDIM from noise, c behind them in the network's input
    map     softmax's second channel of the comparer for decode(z), decode((z + c) / 2) and the image, concatenated
    score   maximum of the map averaged over a square window, zeros around
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

import compvis
import draem
import guided
import latent

BETAS = (0.0015, 0.02)


def steps(count, total=1000):
    """The steps of latent-diffusion's DDIM, falling: every `total // count`-th, moved up by one."""
    return list(range(1, total + 1, total // count))[::-1]


@torch.no_grad()
def draw(network, c, noise, count, abar):
    """Latents (n, d, h, w) of good images like those of latents c, from noise; the last step ends at the first level, not at 0."""
    z, order = noise, steps(count, len(abar))
    for t, after in zip(order, order[1:] + [0]):
        eps = latent.call(network, torch.cat([z, c], 1), t)
        z = latent.ddim(z, eps, float(abar[t]), float(abar[after]))
    return z


def score(heat, window):
    """The image scores (n,) of maps (n, 1, h, w)."""
    return F.avg_pool2d(heat, window, 1, window // 2).flatten(1).amax(1)


class Model:
    """The networks of a model folder; the comparer is None until there is one."""

    def __init__(self, folder):
        self.denoiser = guided.load(folder)
        self.autoencoder = compvis.load(os.path.join(folder, "autoencoder"))
        self.comparer = draem.beside(folder)
        self.abar = latent.alpha_bars(*BETAS)

    @torch.no_grad()
    def rebuild(self, x, count, seed):
        """What the comparer is given: the drawn image, the one between, and x, (n, 3 c, h, w). Every image has its own noise."""
        c = self.autoencoder.encode(x)[0]
        noise = torch.from_numpy(np.random.default_rng(seed).standard_normal(c.shape, np.float32))
        z = draw(self.denoiser, c, noise, count, self.abar)
        return torch.cat([self.autoencoder.decode(z), self.autoencoder.decode(0.5 * z + 0.5 * c), x], 1)

    def compare(self, given):
        """The maps (n, 1, h, w) of what `rebuild` gave."""
        return draem.maps(self.comparer, given)
