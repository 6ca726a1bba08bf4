"""The detections of Wolleb et al. and of AdvRAD in float64 for selftest.py: the systems whose networks have guided-diffusion's layout.

Wolleb's sections are start, predict, encode, decode and finish; AdvRAD's start, body, gather and finish. Only the networks of the
first call are listened to; the classifier and its gradient show in the reconstruction. The noise is Residua's own (gaussian.py).
"""
import os

import numpy as np
import torch

import advrad
import classifier
import gaussian
import guided
import train
import wolleb


def exact(model, width):
    """The network in float64, with the rates of its time embedding, which are float32 there, as exact as it."""
    model = model.double()
    holder = model if hasattr(model, "rate") else model.time_embedding
    holder.rate = torch.exp(-np.log(10000.0) * torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    return model


def denoiser(folder):
    """The denoiser of a model folder in float64."""
    model = guided.load(folder)
    return exact(model, model.config["block_out_channels"][0])


def listen(model, listen_to, keep):
    """listen_to (selftest.py's hooks) with the names of guided-diffusion's layout."""
    return listen_to(model, lambda name, value: keep(guided.rename(model.config, name), value))


def shortened(det, steps):
    """The settings of a short detection: Wolleb's chain to a level of `steps` steps of 50; AdvRAD's without the mean map, which a
    model folder may lack."""
    if det["system"]["method"] == "wolleb":
        return dict(det, system=dict(det["system"], respacing="ddim50", noise_level=steps))
    return dict(det, system=dict(det["system"], mean_map=False))


def noise_of(x, seed, keep):
    """The noise of the start (1, c, h, w)."""
    z = torch.from_numpy(gaussian.field(seed, 0, x.shape[1:]))[None]
    keep("start/noise", z)
    return z


def run_wolleb(folder, x, det, seed, keep, listen_to):
    """The reconstruction and the map of x (1, c, h, w)."""
    system = det["system"]
    first = denoiser(folder)
    guide = classifier.load(os.path.join(folder, "classifier"))
    guide = exact(guide, guide.config["model_channels"])
    target = system["classes"].index(system["target"])
    chain = wolleb.Chain(first, guide, train.alpha_bars(), int(system["respacing"][4:]), target)
    level, variant = system["noise_level"], system["variant"]
    z = noise_of(x, seed, keep) if variant == "published" else None
    if variant == "published":
        keep("start/noising", chain.bar(0) ** 0.5 * x + (1 - chain.bar(0)) ** 0.5 * z)
    handles = listen(first, listen_to, lambda name, value: keep("predict/" + name, value))

    def up(x, k):
        out = wolleb.Chain.up(chain, x, k)
        if handles:
            keep("encode/step", out)
        while handles:
            handles.pop().remove()
        return out

    chain.up = up
    rebuilt = chain.decode(chain.encode(x, level, variant, z), level, variant, system["scale"])
    heat = wolleb.difference(x, rebuilt, system["difference"])
    keep("finish/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return rebuilt, heat


def run_advrad(folder, x, det, seed, keep, listen_to):
    """The reconstruction and the map of x (1, c, h, w)."""
    system = det["system"]
    if system["sampler"]["steps"] != 1 or system["clip"]:
        raise SystemExit("this recipe knows the one-shot reconstruction without a clamp")
    model, bars, k = denoiser(folder), train.alpha_bars(), system["k"]
    z = noise_of(x, seed, keep)
    keep("start/noising", bars[k].sqrt() * x + (1 - bars[k]).sqrt() * z)
    handles = listen(model, listen_to, lambda name, value: keep("body/" + name, value))
    with torch.no_grad():
        rebuilt = advrad.one_shot(model, x, k, z, bars)
    while handles:
        handles.pop().remove()
    keep("body/time", torch.tensor([k]))
    keep("body/step", rebuilt)
    heat = advrad.error_map(x, rebuilt, system["scales"], (system["blur"] or {"size": 1})["size"])
    keep("finish/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return rebuilt, heat


RUNS = {"wolleb": run_wolleb, "advrad": run_advrad}
