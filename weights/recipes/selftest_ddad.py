"""DDAD's detection in float64 for selftest.py.

Its sections are noise, denoise and finish; kept is what lies between the networks, and the denoiser in its first call. The ResNet
shows in the map. The noise is Residua's own (gaussian.py): draw 0 noises the image, draw 1 + i is step i's.
"""
import os

import torch

import ddad
import latent
import resnet
import selftest_guided
import selftest_latent
import train
import unet


def shortened(det, steps):
    """The settings of a short detection: about so many steps from the same one."""
    system = det["system"]
    return dict(det, system=dict(system, skip=-(-system["t_start"] // steps)))


def denoiser(folder):
    """The denoiser in float64."""
    model = ddad.denoiser(folder)
    return selftest_latent.exact(model) if isinstance(model, unet.UNet) else model.double()


def run_ddad(folder, x, det, seed, keep, listen_to):
    """The settings, the reconstruction and the map of x (1, c, h, w) in -1..1."""
    s = {"ratio": None, "crop": None, "blur": None} | det["system"]
    if list(det["input"]["range"]) != [-1, 1] or (s["blur"] or {"kind": "gaussian"})["kind"] != "gaussian":
        raise SystemExit("this recipe knows images in -1..1 and Gaussian blur")
    network, heard = denoiser(folder), []
    draw = lambda i: selftest_latent.noise(seed, i, x)
    handles = []
    if isinstance(network, unet.UNet):
        handles = selftest_guided.listen(network, listen_to, lambda name, value: keep("denoise/" + name, value))

    def call(now, t):
        eps = latent.call(network, now, t)
        while handles:
            handles.pop().remove()
        return eps

    keep("noise/noise", draw(0))
    rebuilt = ddad.reconstruct(call, x, draw, s, train.alpha_bars(), lambda stage, value: heard.append(value))
    keep("noise/noising", heard[0])
    keep("denoise/time", torch.tensor([ddad.steps(s["t_start"], s["skip"])[0]]))
    keep("denoise/step", heard[1])
    pixel, feature = ddad.pixel_map(x, rebuilt), None
    if s["layers"]:
        place, weights = os.path.split(os.path.join(folder, det["networks"]["features"]["file"]))
        feature = ddad.feature_map(resnet.load(place, weights).double(), x, rebuilt, s["layers"])
    heat = ddad.blurred(ddad.combine(pixel, feature, s), (s["blur"] or {"sigma": 0})["sigma"])
    heat = ddad.cropped(heat, s["crop"])
    keep("finish/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return det, rebuilt, heat


RUNS = {"ddad": run_ddad}
