"""The detections of DiffAD and of Pinaya et al. in float64 for selftest.py: the systems whose denoiser works on an autoencoder's latents.

DiffAD's sections are encode, condition, start, denoise, interpolate, keep, drawn, decode and compare; those of Pinaya et al. encode, noised,
judge, divergence, mask, begin, predict, step, put back, decode and finish. Kept is what lies between the networks, and DiffAD's denoiser in its first
call; the others show in it, and `residua selftest` holds each of their layers to its half in float64. The noise is Residua's own
(gaussian.py).
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

import compvis
import diffad
import draem
import gaussian
import guided
import latent
import monai
import pinaya
import selftest_guided
import vqvae

# What both systems may leave out of their settings.
DIFFAD = {"variant": "published", "condition_step": 450, "interpolated": True, "mix": 0.5, "colours": "bgr", "blur": None}
PINAYA = {"quantised": True, "latent_scale": 1.0, "quantile": 0.975, "grow": 0, "start": 500, "residual": "absolute",
          "reference": "input", "filter": True, "smooth": None, "blur": None, "map": "residual"}


def affine(norm, x):
    """Factor and summand (1, C, 2) that a GroupNorm comes down to on x."""
    groups = x.reshape(1, norm.num_groups, -1)
    mean, var = groups.mean(2), groups.var(2, unbiased=False)
    each = x.shape[1] // norm.num_groups
    factor = norm.weight * (var + norm.eps).rsqrt().repeat_interleave(each, 1)
    return torch.stack([factor, norm.bias - mean.repeat_interleave(each, 1) * factor], 2)


def exact(model):
    """A UNet in float64, its embedding's angles, which are float32 there, as exact as it."""
    model, layer = model.double(), model.time_embedding
    half = len(layer.rate)
    layer.rate = torch.exp(-np.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)

    def embed(t):
        angle = t.double()[:, None] * layer.rate
        return layer.linear_2(F.silu(layer.linear_1(torch.cat([angle.cos(), angle.sin()], 1))))

    layer.forward = embed
    return model


def noise(seed, draw, z):
    """The noise (1, c, h, w) of a draw for latents z."""
    return torch.from_numpy(gaussian.field(seed, draw, z.shape[1:]))[None]


def blurred(heat, blur):
    """A map under a Gaussian of `blur`, cut at four sigma, borders mirrored."""
    if not blur:
        return heat
    if blur["kind"] != "gaussian":
        raise SystemExit("this recipe knows Gaussian blur")
    return torch.from_numpy(ndimage.gaussian_filter(heat.numpy(), (0, 0, blur["sigma"], blur["sigma"])))


def shortened(det, steps):
    """The settings of a short detection: a few steps of DDIM, and of Pinaya's band."""
    system, sampler = det["system"], {"kind": "ddim", "steps": steps, "eta": 0.0}
    if system["method"] == "diffad":
        return dict(det, system=dict(system, sampler=sampler if 1000 % steps == 0 else dict(sampler, steps=4)))
    band = dict({"first": 400, "last": 600}, **system.get("band", {}))
    return dict(det, system=dict(system, sampler=sampler, band=dict(band, steps=3)))


def run_diffad(folder, x, det, seed, keep, listen_to):
    """The settings, the reconstruction and the map of x (1, c, h, w)."""
    s = DIFFAD | det["system"]
    denoiser = exact(guided.load(folder))
    autoencoder = compvis.load(os.path.join(folder, "autoencoder")).double()
    comparer = draem.load(os.path.join(folder, "comparer")).double()
    abar = latent.alpha_bars(*diffad.BETAS)
    turned = (lambda v: v.flip(1)) if s["colours"] == "bgr" and x.shape[1] == 3 else (lambda v: v)
    own = condition = autoencoder.encode(turned(x))[0]
    if s.get("condition", "noised" if s["variant"] == "paper" else "clean") == "noised":
        condition = latent.add_noise(own, noise(seed, 1, own), abar[s["condition_step"]])
        keep("condition/noising", condition)
    begin, order = noise(seed, 0, own), diffad.steps(s["sampler"]["steps"])
    keep("start/noise", begin)
    keep("start/noising", begin)
    handles = selftest_guided.listen(denoiser, listen_to, lambda name, value: keep("denoise/" + name, value))
    eps = latent.call(denoiser, torch.cat([begin, condition], 1), order[0])
    while handles:
        handles.pop().remove()
    keep("denoise/time", torch.tensor([order[0]]))
    keep("denoise/step", latent.ddim(begin, eps, float(abar[order[0]]), float(abar[order[1]])))
    z = diffad.draw(denoiser, condition, begin, s["sampler"]["steps"], abar)
    given = [autoencoder.decode(z), turned(x)]
    rebuilt = turned(given[0])
    if s["interpolated"]:
        between = s["mix"] * z + (1 - s["mix"]) * own
        keep("interpolate/between", between)
        given.insert(1, autoencoder.decode(between))
        keep("keep/keep", turned(given[1]))
    keep("drawn/drawn", z)
    heat = comparer(torch.cat(given, 1)).softmax(1)[:, 1:]
    keep("compare/softmax", heat)
    heat = blurred(heat, s["blur"])
    keep("compare/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return det, rebuilt, heat


def gap(values, share):
    """A threshold in the middle of the widest gap of sorted values about a quantile."""
    v = values.flatten().sort().values
    at = min(max(int(share * len(v)), 5), len(v) - 6)
    some = v[at - 5:at + 6]
    i = int((some[1:] / some[:-1]).argmax())
    return float(f"{float((some[i] + some[i + 1]) / 2):.6g}")


def run_pinaya(folder, x, det, seed, keep, _listen):
    """The settings, the reconstruction and the map of x (1, c, h, w). The mask's threshold is written into the settings, at this
    image's own quantile: the test needs no measurement of healthy images."""
    s = PINAYA | det["system"]
    if s["map"] != "residual" or s["latent_scale"] != 1 or not s["quantised"]:
        raise SystemExit("this recipe knows residuals of quantised latents that are not rescaled")
    denoiser = exact(monai.load(folder))
    autoencoder = vqvae.load(os.path.join(folder, "autoencoder")).double()
    call = lambda z, t: latent.call(denoiser, z, t)
    abar = pinaya.bars()
    indices, z = autoencoder.quantize(autoencoder.encode(x))
    keep("encode/clean", z)
    band, painting = pinaya.band(*[s["band"][k] for k in ("first", "last", "steps")]), pinaya.band(s["start"], 0, s["sampler"]["steps"])
    kl_noise = [noise(seed, i, z) for i in range(len(band))]
    keep("noised/noise", kl_noise[0])
    keep("noised/noising", latent.add_noise(z, kl_noise[0], abar[band[0]]))
    keep("noised/time", torch.tensor([band[0]]))
    kl = pinaya.kl_map(call, z, band, kl_noise, abar)
    threshold = gap(kl, s["quantile"])
    mask = pinaya.masked(kl, threshold, s["grow"])
    keep("mask/mask", mask)
    hear = lambda i, value: keep("put back/put back", value) if i == 0 else None
    out = pinaya.inpaint(call, z, mask, painting, [noise(seed, len(band) + i, z) for i in range(len(painting))], abar, hear)
    rebuilt = autoencoder.decode(autoencoder.quantize(out)[1])
    heat = pinaya.residual(autoencoder.decode(z) if s["reference"] == "decoded" else x, rebuilt, s["residual"])
    low, high = det["input"]["range"]
    heat = heat / (high - low) ** (2 if s["residual"] == "squared" else 1)
    if s["filter"]:
        heat = heat * pinaya.enlarged(mask, x.shape[2:], (s["smooth"] or {"sigma": 0})["sigma"])
    heat = blurred(heat, s["blur"])
    keep("finish/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return dict(det, system=dict(det["system"], threshold=threshold)), rebuilt, heat


RUNS = {"diffad": run_diffad, "pinaya": run_pinaya}
