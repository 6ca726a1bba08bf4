"""Writes MODEL/selftest.safetensors: what `residua selftest` holds a device to, computed by PyTorch and NumPy in float64.

    python selftest.py MODEL [--image PICTURE] [--steps 2] [--runs 2] [--seed 1]

It runs the model's own detection on one picture (or on a made one), AnoDDPM's shortened to a few steps and runs, and keeps

    x               the input (1, C, H, W), float32, in the network's range
    SECTION/LAYER   a fingerprint of a layer's output as it was when the section ran first; in `finish` the only time
    reconstruction  (1, C, H, W), float32: the mean over the runs, or over the patches
    map             (1, 1, H, W), float32: residual and blur

AnoDDPM's sections are start, body and finish; pDDPM's are noising, patches (one call is one patch) and finish; those of Wolleb et
al. and of AdvRAD stand in selftest_guided.py, those of DiffAD and of Pinaya et al. in selftest_latent.py, those of Xu et al. in
selftest_xu.py.

and, as metadata, the settings (`detector`, the text of a detector.json) and `seed`. Nothing here is computed by Residua:
the network is unet.py's on the stored weights, the noise that of the package `opensimplex` (0.4.5), which is the published one to
the last digit, and the chain, the residual and the blur are below.

A fingerprint is 67 float64 numbers: how many values the layer has, their mean, their root mean square, and the values at the
64 places (i * 2654435761) mod count of the (N, C, H, W) order. Normalisations are kept as the factor and the summand of each
channel, in the order (C, 2). A convolution's output counts with what the next addition puts on it.
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

import pddpm
import selftest_guided
import selftest_latent
import selftest_ddad
import selftest_xu
import simplex
import train
import unet

FORMAT = "residua-selftest-1"


def fingerprint(value):
    """67 numbers of a tensor in (N, C, H, W) order."""
    flat = value.detach().double().reshape(-1)
    picks = [i * 2654435761 % len(flat) for i in range(64)]
    head = torch.tensor([len(flat), 0, 0], dtype=torch.float64)
    head[1], head[2] = flat.mean(), flat.square().mean().sqrt()
    return torch.cat([head, flat[picks]])


def listen(model, keep):
    """Hooks that give every layer's output to keep(name, value), under the names of Residua's launches."""
    handles = []

    def after(module, name, what=lambda inputs, out: out):
        handles.append(module.register_forward_hook(lambda _, inputs, out: keep(name, what(inputs, out))))

    def before(module, name, what=lambda inputs: inputs[0]):
        handles.append(module.register_forward_pre_hook(lambda _, inputs: keep(name, what(inputs))))

    before(model.time_embedding.linear_1, "time_embedding")
    for name, m in model.named_modules():
        if isinstance(m, torch.nn.GroupNorm):
            before(m, name + ".stats", lambda inputs, m=m: selftest_latent.affine(m, inputs[0]))
        elif isinstance(m, unet.Resnet):
            if name.startswith("up_blocks"):
                before(m, name + ".skip")
            before(m.norm2, name + ".conv1")
            after(m, name + ".conv2")
            after(m.time_emb_proj, name + ".time_emb_proj")
            if m.conv_shortcut is not None:
                after(m.conv_shortcut, name + ".conv_shortcut")
        elif isinstance(m, unet.Attention):
            parts = []
            for f in (m.to_q, m.to_k, m.to_v):
                handles.append(f.register_forward_hook(lambda _, inputs, out, parts=parts: parts.append(out)))
            plane = lambda tokens: tokens.transpose(1, 2)
            before(m.to_out[0], name + ".qkv", lambda _, parts=parts: plane(torch.cat(parts, 2)))
            before(m.to_out[0], name, lambda inputs: plane(inputs[0]))
            after(m, name + ".to_out.0")
        elif isinstance(m, unet.Resample) or name in ("conv_in", "conv_out") or name.startswith("time_embedding.linear"):
            after(m, name + (".conv" if isinstance(m, unet.Resample) else ""))
    return handles


def sheet_seeds(seed, count):
    """Residua's seeds of simplex sheets: splitmix64, reduced to AnoDDPM's range."""
    wide, out = (1 << 64) - 1, []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & wide
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & wide
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & wide
        out.append((z ^ (z >> 31)) % 20_000_000_000 - 10_000_000_000)
    return out


def field(seed, height, width, t, octaves, persistence, frequency):
    """One sheet (height, width) of AnoDDPM's noise at step t."""
    from opensimplex import internals  # only the systems with this noise need the package
    perm = simplex.permutations([seed])[0]
    gradients, out = perm % 24 * 3, np.zeros((height, width))
    for octave in range(octaves):
        k = 2.0 ** octave / frequency
        out += persistence ** octave * np.array([[internals._noise3(c * k, r * k, t * k, perm, gradients)
                                                  for c in range(width)] for r in range(height)])
    return out


def timesteps(det):
    """From lambda - 1 down to 0, evenly, halves rounded up."""
    top, gaps = det["lambda"] - 1, det["sampler"]["steps"] - 1
    return [(2 * top * k + gaps) // (2 * gaps) for k in range(gaps, -1, -1)]


def chain(model, x, det, seed, keep):
    """The mean reconstruction of x; keep(name, value) hears of the first run's stages."""
    bars, list_, c = train.alpha_bars(), timesteps(det), x.shape[1]
    options = {k: det["noise"][k] for k in ("octaves", "persistence", "frequency")}
    seeds, mean = sheet_seeds(seed, det["runs"] * c), torch.zeros_like(x)
    for run in range(det["runs"]):
        hear = keep if run == 0 else lambda *_: None
        z = torch.from_numpy(np.stack([field(s, *x.shape[2:], list_[0], **options) for s in seeds[run * c:][:c]]))[None]
        hear("start/noise", z)
        now = bars[list_[0]].sqrt() * x + (1 - bars[list_[0]]).sqrt() * z
        hear("start/noising", now)
        for i, t in enumerate(list_):
            handles = listen(model, lambda n, v: hear("body/" + n, v)) if i == 0 else []
            eps = model(now, torch.tensor([t]))
            [h.remove() for h in handles]
            a, after = bars[t], bars[list_[i + 1]] if i + 1 < len(list_) else torch.ones(())
            # DDIM as guided-diffusion does it: the noise is derived again from the clamped image.
            clean = (now - (1 - a).sqrt() * eps) / a.sqrt()
            clean = clean.clamp(-1, 1) if det["clip"] else clean
            now = after.sqrt() * clean + (1 - after).sqrt() * (now - a.sqrt() * clean) / (1 - a).sqrt()
            if i == 0:
                hear("body/time", torch.tensor([t]))
                hear("body/step", now)
        mean += now / det["runs"]
    return mean


def rounds_alike(z, error=1e-6):
    """Whether the values that a fingerprint keeps round to the same float16 number after an error of float32 arithmetic."""
    kept = z.reshape(-1)[[i * 2654435761 % z.size for i in range(64)]]
    return np.array_equal((kept - error).astype(np.float16), (kept + error).astype(np.float16))


def patches(model, x, det, seed, keep):
    """pDDPM's reconstruction of x; keep(name, value) hears of the noising, of the first patch's call, and of the mean."""
    s = det["system"]
    bars, t = pddpm.alpha_bars(), torch.tensor([s["lambda"] - 1])
    options = {k: s["noise"][k] for k in ("octaves", "persistence", "frequency")}
    z = np.stack([field(n, *x.shape[2:], int(t), **options) for n in sheet_seeds(seed, x.shape[1])])[None]
    keep("noising/noise", torch.from_numpy(z))
    if s["variant"] == "published":
        if not rounds_alike(z):
            raise SystemExit("float32 and float64 may round this noise to different float16 numbers: take another --seed")
        keep("noising/round", torch.from_numpy(z).half())
    noised = pddpm.add_noise(x, torch.from_numpy(z), det, bars)
    keep("noising/noising", noised)
    keep("patches/time", t)
    hear = lambda call, stage, value: keep("patches/" + stage, value) if call == 0 else None
    handles = listen(model, lambda name, value: keep("patches/" + name, value))

    def network(given, _box):
        out = model(given, t)
        while handles:
            handles.pop().remove()
        return out

    rebuilt = pddpm.reconstruct(network, x, noised, pddpm.boxes(det), hear)
    keep("finish/mean", rebuilt)
    return rebuilt


def finish(x, rebuilt, settings, keep, unit=1.0):
    """The map: residual, mean over the channels, differences in units of 1 / `unit` of the range, Gaussian blur cut at four
    sigma, borders reflected about the edge."""
    d = x - rebuilt
    kinds = {"squared": d.square(), "absolute": d.abs(), "positive": d.clamp(min=0), "negative": (-d).clamp(min=0)}
    result = kinds[settings["residual"]].mean(1, keepdim=True)
    keep("finish/residual", result)
    if unit != 1.0:
        result = result * (unit ** 2 if settings["residual"] == "squared" else unit)
        keep("finish/unit", result)
    if settings.get("blur"):
        radius = int(4 * settings["blur"]["sigma"] + 0.5)
        kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / settings["blur"]["sigma"]) ** 2)
        kernel /= kernel.sum()
        rows, cols = (torch.from_numpy(np.pad(np.arange(n), radius, mode="symmetric")) for n in x.shape[2:])
        result = F.conv2d(result[:, :, :, cols], kernel[None, None, None, :])
        keep("finish/blur x", result)
        result = F.conv2d(result[:, :, rows], kernel[None, None, :, None])
        keep("finish/blur y", result)
    keep("finish/reduce", torch.stack([result.mean(), result.max(), result.min()]))
    return result


def picture(det, path):
    """The input (1, C, H, W): a picture at the network's size, or stripes, a disc and a gradient."""
    i = det["input"]
    if path:
        image = Image.open(path).convert("L" if i["channels"] == 1 else "RGB").resize((i["width"], i["height"]), Image.BILINEAR)
        x = np.asarray(image, np.float32).reshape(i["height"], i["width"], i["channels"]).transpose(2, 0, 1) / 255
    else:
        r, c = np.mgrid[0:i["height"], 0:i["width"]] / i["height"]
        disc = (r - 0.5) ** 2 + (c - 0.45) ** 2 < 0.13
        x = np.stack([disc * (0.4 + 0.3 * r + 0.1 * np.sin(40 * c + k)) for k in range(i["channels"])])
    low, high = i["range"]
    return torch.from_numpy(x.astype(np.float32) * np.float32(high - low) + np.float32(low))[None]


def by_noise(args, det, x, keep):
    """The settings, reconstruction and map of AnoDDPM's or pDDPM's short detection of x."""
    system = det.get("system", det)
    by_patches = system["method"] == "pddpm"
    if by_patches:
        # A patch a call, so that the stages of the first call are those of the first patch.
        system["patches_per_call"] = 1
    else:
        det["sampler"] = {"kind": "ddim", "steps": args.steps, "eta": 0.0}
        det["runs"] = args.runs
    if system["noise"]["kind"] != "simplex" or (system.get("blur") or {}).get("kind", "gaussian") != "gaussian" or args.steps < 2:
        raise SystemExit("this recipe knows simplex noise, Gaussian blur and two steps or more")
    model = unet.load(args.model).double()
    # The network's own table of rates is float32.
    half = len(model.time_embedding.rate)
    model.time_embedding.rate = torch.exp(-np.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)
    rebuilt = (patches if by_patches else chain)(model, x.double(), det, args.seed, keep)
    low, high = det["input"]["range"]
    return det, rebuilt, finish(x.double(), rebuilt, system, keep, 1 / (high - low) if by_patches else 1.0)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--image")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with open(os.path.join(args.model, "detector.json")) as f:
        det = json.load(f)
    method = det.get("system", det)["method"]
    keep = lambda name, value: out.__setitem__(name, fingerprint(value))
    out, x = {}, picture(det, args.image)
    if method in selftest_guided.RUNS:
        det = selftest_guided.shortened(det, max(args.steps, 3))
        rebuilt, heat = selftest_guided.RUNS[method](args.model, x.double(), det, args.seed, keep, listen)
    elif method in selftest_latent.RUNS:
        det = selftest_latent.shortened(det, max(args.steps, 2))
        det, rebuilt, heat = selftest_latent.RUNS[method](args.model, x.double(), det, args.seed, keep, listen)
    elif method in selftest_ddad.RUNS:
        det = selftest_ddad.shortened(det, max(args.steps, 2))
        det, rebuilt, heat = selftest_ddad.RUNS[method](args.model, x.double(), det, args.seed, keep, listen)
    elif method in selftest_xu.RUNS:
        det = selftest_xu.shortened(det, max(args.steps, 2))
        det, rebuilt, heat = selftest_xu.RUNS[method](args.model, x.double(), det, args.seed, keep, listen)
    else:
        det, rebuilt, heat = by_noise(args, det, x, keep)
    out |= {"x": x, "reconstruction": rebuilt.float(), "map": heat.float()}
    path = os.path.join(args.model, "selftest.safetensors")
    metadata = {"format": FORMAT, "seed": str(args.seed), "detector": json.dumps(det)}
    save_file({k: v.contiguous() for k, v in out.items()}, path + ".part", metadata=metadata)
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)
    print(len(out), "tensors,", os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
