"""Xu et al. (J. Vis. Commun. Image R. 97, 2023): a diffusion autoencoder draws an image from noise, guided by nothing but an
embedding of the image, and a network compares the two.

    z       embedding of the image, by the encoder of diffae.py
    x_T     ONE image of N(0, 1) noise, drawn once and kept beside the networks: every image is drawn from it
    out     drawn by DDIM without noise from x_T; the clean image is clipped to -1..1 and the noise derived from it again
    map     softmax's second channel of the comparer for out and the image, concatenated, both in 0..1
    score   maximum of the map averaged over a square window, zeros around, as DiffAD's
"""
import os

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import diffae
import draem
import train
import wolleb

NOISE = "fixed_noise.safetensors"


def steps(count, total=1000):
    """The steps of guided-diffusion's "ddimN", falling to 0: multiples of the smallest stride that gives exactly N; refused where
    none does."""
    return wolleb.spaced(total, count)[::-1]


def steps_from(level, count):
    """`count` steps falling evenly from level - 1 to 0, halves rounded up: those of a start from the noised image."""
    top, gaps = level - 1, count - 1
    return [(2 * top * k + gaps) // (2 * gaps) for k in range(gaps, -1, -1)]


def ddim(x, out, abar, after, prediction="epsilon"):
    """One step of DDIM from the level `abar` to `after` by what the network puts out, the noise or v; the clean image is clipped and
    the noise derived from it again."""
    clean = abar ** 0.5 * x - (1 - abar) ** 0.5 * out if prediction == "v" else (x - (1 - abar) ** 0.5 * out) / abar ** 0.5
    clean = clean.clamp(-1, 1)
    return after ** 0.5 * clean + (1 - after) ** 0.5 * (x - abar ** 0.5 * clean) / (1 - abar) ** 0.5


@torch.no_grad()
def draw(network, z, begin, order, abar, hear=lambda i, x: None):
    """Images (n, c, h, w) in -1..1 of embeddings z (n, d) from images at the first of the steps `order`; the last step ends at
    the clean image. hear(i, x) is told what step i leaves."""
    x = begin
    for i, t in enumerate(order):
        after = float(abar[order[i + 1]]) if i + 1 < len(order) else 1.0
        x = ddim(x, network(x, torch.full((len(x),), t), z), float(abar[t]), after, network.config.get("prediction", "epsilon"))
        hear(i, x)
    return x


def fixed_noise(folder, shape, seed):
    """The noise x_T (1, c, h, w) of a model folder, in f32 with values that F16 holds; drawn and written if it is not there."""
    path = os.path.join(folder, NOISE)
    if not os.path.exists(path):
        drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, *shape[-3:]), np.float32)).half()
        save_file({"x_T": drawn}, path + ".part", metadata={"format": "pt"})
        os.chmod(path + ".part", 0o644)
        os.replace(path + ".part", path)
    noise = load_file(path)["x_T"].float()
    if noise.shape[1:] != tuple(shape[-3:]):
        raise SystemExit(f"{path}: noise of {tuple(noise.shape[1:])} for images of {tuple(shape[-3:])}")
    return noise


class Model:
    """The networks of a model folder; the comparer is None until there is one."""

    def __init__(self, folder):
        self.folder, self.abar = folder, train.alpha_bars()
        self.denoiser = diffae.load(folder).to(memory_format=torch.channels_last)
        self.comparer = draem.beside(folder)

    @torch.no_grad()
    def rebuild(self, x, count, seed, batch=20):
        """What the comparer is given for images x (n, c, h, w) in 0..1: the drawn image and x, both in 0..1, (n, 2 c, h, w). The
        seed matters only where the fixed noise is still to be drawn."""
        noise, out = fixed_noise(self.folder, x.shape, seed), []
        for part in x.split(batch):
            part = part.contiguous(memory_format=torch.channels_last)
            begin = noise.repeat(len(part), 1, 1, 1).contiguous(memory_format=torch.channels_last)
            drawn = draw(self.denoiser, self.denoiser.encode(2 * part - 1), begin, steps(count, len(self.abar)), self.abar)
            out.append(torch.cat([(drawn + 1) / 2, part], 1).contiguous())
        return torch.cat(out)

    def compare(self, given):
        """The maps (n, 1, h, w) of what `rebuild` gave."""
        return draem.maps(self.comparer, given)
