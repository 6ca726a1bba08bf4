"""What the two latent systems share: schedules, noising, one step of DDIM, and the latents that their denoisers are trained on."""
import json
import os

import numpy as np
import torch
from safetensors.torch import load_file

import unet

WEIGHTS = "autoencoder.safetensors"


def alpha_bars(start, end, steps=1000):
    """The products of 1 - beta (steps,) in float64, where the roots of the betas rise evenly from `start`'s to `end`'s."""
    betas = torch.linspace(start ** 0.5, end ** 0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


def add_noise(z, noise, abar):
    """Latents noised to levels: `abar` is a number, or one for each latent (n,)."""
    a = torch.as_tensor(abar, dtype=torch.float64).to(z.dtype)
    a = a.view(-1, *[1] * (z.dim() - 1)) if a.dim() else a
    return a.sqrt() * z + (1 - a).sqrt() * noise


def estimate(z, eps, abar):
    """The clean latents that the noise `eps` implies for latents at a level."""
    return (z - (1 - abar) ** 0.5 * eps) / abar ** 0.5


def ddim(z, eps, abar, after):
    """One step of DDIM without noise from the level `abar` to `after`."""
    return after ** 0.5 * estimate(z, eps, abar) + (1 - after) ** 0.5 * eps


@torch.no_grad()
def call(model, z, t, batch=32):
    """The network's noise for latents (n, c, h, w), all at the step t."""
    return torch.cat([model(part, torch.full((len(part),), int(t))) for part in z.split(batch)])


def cached(path, make):
    """The arrays that `make()` gives by name, kept in an .npz file if `path` is one."""
    if path and os.path.exists(path):
        with np.load(path) as f:
            return {k: f[k] for k in f.files}
    made = make()
    if path:
        np.savez(path + ".part.npz", **made)
        os.replace(path + ".part.npz", path)
    return made


def save(folder, autoencoder):
    """Writes config.json and the weights of an autoencoder, F16."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, WEIGHTS), autoencoder.state_dict())
    unet.write_json(os.path.join(folder, "config.json"), autoencoder.config)


def load(make, folder, weights=WEIGHTS):
    """The autoencoder that `make` builds from the config of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        autoencoder = make(json.load(f))
    autoencoder.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, weights)).items()})
    return autoencoder.eval()
