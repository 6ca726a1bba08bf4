"""Writes tests/goldens/chains/advrad-multiscale: AdvRAD (Cao et al. 2024) whole, in PyTorch in float64.

    python advrad.py FOLDER [--k 60] [--size 20x28] [--channels 3] [--batch 2] [--scales 4] [--filter 3] [--score max]
                            [--attention] [--seed 1]

FOLDER gets `config.json`, `io.safetensors` and, as `network`, a small UNet with random weights in diffusers' layout: weights/recipes/unet.py
is its network. Nothing here is computed by Residua. The gradient is PyTorch's, of the sum of all scores.
"""
import argparse
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import unet


def alpha_bar(k):
    """Of the linear schedule, 1e-4 to 0.02 in 1000 steps."""
    return float(np.cumprod(1 - np.linspace(1e-4, 2e-2, 1000))[k])


def mean_filter(x, side):
    """The mean of side x side pixels, borders mirrored about the edge."""
    for axis in (2, 3):
        index = torch.from_numpy(np.pad(np.arange(x.shape[axis]), side // 2, mode="symmetric"))
        x = x.index_select(axis, index).unfold(axis, side, 1).mean(-1)
    return x


def error(x, rebuilt, scales, side):
    """The multi-scale error (n, 1, h, w)."""
    resize = lambda v, size: F.interpolate(v, size=size, mode="bilinear", antialias=True, align_corners=False)
    h, w = x.shape[2:]
    total = 0
    for scale in range(scales):
        small = (h >> scale, w >> scale)
        each = (resize(x, small) - resize(rebuilt, small)).square().mean(1, keepdim=True)
        total = total + resize(each, (h, w))
    return mean_filter(total / scales, side)


def without_attention(model):
    """The middle without its attention."""
    model.mid_block.attentions = None
    forward = lambda x, temb: model.mid_block.resnets[1](model.mid_block.resnets[0](x, temb), temb)
    model.mid_block.forward = forward


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--k", type=int, default=60)
    parser.add_argument("--size", default="20x28")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--scales", type=int, default=4)
    parser.add_argument("--filter", type=int, default=3)
    parser.add_argument("--score", choices=["max", "mean"], default="max")
    parser.add_argument("--attention", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    h, w = map(int, args.size.split("x"))

    cfg = unet.make_config(min(h, w), args.channels, [16, 24], [], head_dim=8, groups=8)
    model = unet.UNet(cfg)
    if not args.attention:
        without_attention(model)
        cfg["add_attention"] = False
    for p in model.parameters():
        # Stored as F16, and taken as stored.
        p.data = p.data.half().float()
    unet.save(os.path.join(args.folder, "network"), cfg, model.state_dict())
    model = model.double()
    half = len(model.time_embedding.rate)
    model.time_embedding.rate = torch.exp(-np.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)

    x = torch.randn(args.batch, args.channels, h, w).tanh()
    noise = torch.randn_like(x)
    a = alpha_bar(args.k)
    given = x.double().requires_grad_()
    noised = a ** 0.5 * given + (1 - a) ** 0.5 * noise.double()
    predicted = model(noised, torch.full((args.batch,), args.k))
    rebuilt = (noised - (1 - a) ** 0.5 * predicted) / a ** 0.5
    heat = error(given, rebuilt, args.scales, args.filter)
    score = heat.amax((1, 2, 3)) if args.score == "max" else heat.mean((1, 2, 3))
    (grad,) = torch.autograd.grad(score.sum(), given)
    out = {"x": x, "noise": noise, "x_tilde": rebuilt, "map": heat, "score": score, "grad": grad}
    save_file({k: v.detach().float().contiguous() for k, v in out.items()}, os.path.join(args.folder, "io.safetensors"))
    os.chmod(os.path.join(args.folder, "io.safetensors"), 0o644)
    unet.write_json(os.path.join(args.folder, "config.json"), {
        "model": "network", "method": "advrad", "k": args.k, "schedule": "linear 1e-4..2e-2 T=1000",
        "scales": args.scales, "filter": args.filter, "score": args.score + " of the map, per image",
        "gradient": "d(sum of scores)/dx with the noise fixed; flows through both arguments",
    })


if __name__ == "__main__":
    main()
