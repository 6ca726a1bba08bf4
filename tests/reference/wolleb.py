#!/usr/bin/env python3
"""Writes chains of Wolleb et al. that no public run covers: the paper's variant, respacing, one channel, maps by minimum and maximum.

usage: wolleb.py GOLDENS [NAME ...]     needs torch, safetensors; GOLDENS is tests/goldens

Both networks and both loops are written out below from their descriptions (guided-diffusion's UNetModel and EncoderUNetModel by
their checkpoints' keys; the method as src/detect/wolleb.rs and its levels.rs tell it); the gradient is PyTorch's autograd.
Everything runs in float64 on the stored weights. The first thing done is to replay the chain `wolleb` of the public code, and to
stop unless it is met.
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)


class Net:
    """A network by its folder: `model.safetensors` and `config.json`."""

    def __init__(self, folder):
        self.c = json.loads((folder / "config.json").read_text())
        self.w = {k: v.double() for k, v in load_file(folder / "model.safetensors").items()}

    def at(self, key):
        return self.w[key + ".weight"], self.w[key + ".bias"]

    def conv(self, key, x, stride=1):
        weight, bias = self.at(key)
        if weight.dim() == 3:
            weight = weight[..., None]
        return F.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2)

    def norm(self, key, x):
        return F.group_norm(x, 32, *self.at(key), eps=1e-5)

    def linear(self, key, x):
        return F.linear(x, *self.at(key))

    def embedding(self, t, y):
        half = self.c["model_channels"] // 2
        rate = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
        a = t.double()[:, None] * rate
        e = self.linear("time_embed.2", F.silu(self.linear("time_embed.0", torch.cat([a.cos(), a.sin()], 1))))
        return e + self.w["label_emb.weight"][y] if "label_emb.weight" in self.w else e

    def res(self, key, x, e, resample=None):
        h = F.silu(self.norm(key + ".in_layers.0", x))
        if resample:
            h, x = resample(h), resample(x)
        h = self.conv(key + ".in_layers.2", h)
        e = self.linear(key + ".emb_layers.1", F.silu(e))[:, :, None, None]
        if self.c.get("use_scale_shift_norm"):
            scale, shift = e.chunk(2, 1)
            h = self.norm(key + ".out_layers.0", h) * (1 + scale) + shift
        else:
            h = self.norm(key + ".out_layers.0", h + e)
        h = self.conv(key + ".out_layers.3", F.silu(h))
        return h + (self.conv(key + ".skip_connection", x) if key + ".skip_connection.weight" in self.w else x)

    def heads(self, channels):
        width = self.c.get("num_head_channels", -1)
        return channels // width if width > 0 else self.c.get("num_heads", 1)

    def attention(self, key, x):
        n, c, h, w = x.shape
        # Head after head, each with its q, k and v.
        q, k, v = self.conv(key + ".qkv", self.norm(key + ".norm", x)).reshape(n * self.heads(c), -1, h * w).chunk(3, 1)
        a = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(q.shape[1]), 2)
        return x + self.conv(key + ".proj_out", (v @ a.transpose(1, 2)).reshape(n, c, h, w))

    def stage(self, key, x, e, resample=None):
        """All layers of one numbered block."""
        i = 0
        while any(k.startswith(f"{key}.{i}.") for k in self.w):
            name = f"{key}.{i}"
            if name + ".in_layers.0.weight" in self.w:
                x = self.res(name, x, e, resample if i == 0 else None)
            elif name + ".qkv.weight" in self.w:
                x = self.attention(name, x)
            elif name + ".op.weight" in self.w:
                x = self.conv(name + ".op", x, stride=2)
            elif name + ".conv.weight" in self.w:
                x = self.conv(name + ".conv", F.interpolate(x, scale_factor=2))
            else:
                x = self.conv(name, x)
            i += 1
        return x

    def count(self, part):
        return 1 + max(int(k.split(".")[1]) for k in self.w if k.startswith(part + "."))

    def encoder(self, x, e):
        blocks, levels = self.c["num_res_blocks"], len(self.c["channel_mult"])
        # After the residual blocks of every level but the last one comes one that halves.
        halving = {(blocks + 1) * (i + 1) for i in range(levels - 1)} if self.c.get("resblock_updown") else set()
        kept = []
        for i in range(self.count("input_blocks")):
            x = self.stage(f"input_blocks.{i}", x, e, (lambda v: F.avg_pool2d(v, 2)) if i in halving else None)
            kept.append(x)
        return self.stage("middle_block", x, e), kept

    def unet(self, x, t, y):
        e = self.embedding(t, y)
        x, kept = self.encoder(x, e)
        for i in range(self.count("output_blocks")):
            x = self.stage(f"output_blocks.{i}", torch.cat([x, kept.pop()], 1), e)
        return self.conv("out.2", F.silu(self.norm("out.0", x)))

    def classifier(self, x, t):
        x, _ = self.encoder(x, self.embedding(t, None))
        x = F.silu(self.norm("out.0", x)).flatten(2)
        n, c, _ = x.shape
        x = torch.cat([x.mean(2, keepdim=True), x], 2) + self.w["out.2.positional_embedding"]
        one = lambda key, v: F.conv1d(v, *self.at(key))
        # All q, then all k, then all v.
        q, k, v = one("out.2.qkv_proj", x).reshape(n, 3, self.heads(c), -1, x.shape[2]).unbind(1)
        a = torch.softmax(q.transpose(2, 3) @ k / math.sqrt(q.shape[2]), 3)
        return one("out.2.c_proj", (v @ a.transpose(2, 3)).reshape(n, c, -1))[:, :, 0]


def alpha_bars(total=1000):
    scale = 1000 / total
    return torch.cumprod(1 - torch.linspace(scale * 1e-4, scale * 0.02, total, dtype=torch.float64), 0)


def spaced(total, spacing):
    """The timesteps of guided-diffusion's respacing, rising."""
    if spacing is None:
        return list(range(total))
    if spacing.startswith("ddim"):
        stride = next(i for i in range(1, total) if len(range(0, total, i)) == int(spacing[4:]))
        return list(range(0, total, stride))
    counts, out, start = [int(s) for s in spacing.split(",")], [], 0
    for i, count in enumerate(counts):
        size = total // len(counts) + (i < total % len(counts))
        stride = (size - 1) / (count - 1) if count > 1 else 1
        out += [start + round(stride * k) for k in range(count)]
        start += size
    return sorted(set(out))


def chain(unet, classifier, x, noise, c):
    """(latent, out, map) of images (N,C,H,W) in 0..1."""
    channels, n = x.shape[1], len(x)
    t = spaced(1000, c.get("respacing"))
    bars = alpha_bars()[t]
    level, y = c["L"], torch.full((n,), c["target"])
    times = lambda k: torch.full((n,), t[k])

    def estimate(x, k):
        a = bars[k]
        with torch.no_grad():
            e = unet.unet(x, times(k), y)[:, :channels]
        x0 = (x - (1 - a).sqrt() * e) / a.sqrt()
        x0 = x0.clamp(-1, 1) if c.get("clip_denoised", True) else x0
        return x0, (x - a.sqrt() * x0) / (1 - a).sqrt()

    def up(x, k):
        x0, e = estimate(x, k)
        a = bars[k + 1] if k + 1 < len(t) else torch.zeros(())
        return a.sqrt() * x0 + (1 - a).sqrt() * e

    def down(x, k):
        _, e = estimate(x, k)
        at = x.detach().requires_grad_()
        picked = torch.log_softmax(classifier.classifier(at, times(k)), 1)[torch.arange(n), y]
        g, = torch.autograd.grad(picked.sum(), at)
        e = e - (1 - bars[k]).sqrt() * c["s"] * g
        x0 = (x - (1 - bars[k]).sqrt() * e) / bars[k].sqrt()
        a = bars[k - 1] if k > 0 else torch.ones(())
        return a.sqrt() * x0 + (1 - a).sqrt() * e

    now, paper = x, "paper" in c["variant"]
    if not paper:
        now = bars[0].sqrt() * x + (1 - bars[0]).sqrt() * noise
    for k in range(0 if paper else 1, level):
        now = up(now, k)
    latent = now
    for k in range(level if paper else level - 2, 0 if paper else -1, -1):
        now = down(now, k)
    before, after = x, now
    if c.get("difference") == "min_max":
        scaled = lambda v: (v - v.amin((2, 3), True)) / (v.amax((2, 3), True) - v.amin((2, 3), True))
        before, after = scaled(x), scaled(now)
    return latent, now, (before - after).abs().sum(1)


COMMON = {"unet": "guided-wolleb-style", "classifier": "guided-classifier", "method": "wolleb", "target": 0,
          "schedule": "linear 1e-4..2e-2 T=1000"}
# Name: what differs.
CHAINS = {
    "wolleb-paper": {"L": 24, "s": 3000.0, "variant": "paper", "target": 1, "difference": "min_max"},
    "wolleb-respaced": {"L": 11, "s": 100.0, "variant": "published", "respacing": "ddim25"},
}

if __name__ == "__main__":
    goldens, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    nets = [Net(goldens / name) for name in ("guided-wolleb-style", "guided-classifier")]
    io = load_file(goldens / "chains/wolleb/io.safetensors")
    known = json.loads((goldens / "chains/wolleb/config.json").read_text())
    for name, found in zip(("latent", "out", "map"), chain(*nets, io["x"].double(), io["noise"].double(), known)):
        nmse = float((found - io[name]).square().sum() / io[name].double().square().sum())
        print("wolleb", name, f"NMSE {nmse:.1e}")
        if not nmse < 1e-8:
            raise SystemExit("this is not the public code's chain")
    for i, (name, more) in enumerate(CHAINS.items()):
        if names and name not in names:
            continue
        config = COMMON | more
        torch.manual_seed(31 + i)
        x, noise = torch.rand(2, 4, 32, 32), torch.randn(2, 4, 32, 32)
        latent, out, heat = chain(*nets, x.double(), noise.double(), config)
        tensors = {"x": x, "latent": latent.float(), "out": out.float(), "map": heat.float()}
        if "paper" not in config["variant"]:
            tensors["noise"] = noise
        folder = goldens / "chains" / name
        folder.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "io.safetensors")
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        print(name, {k: (round(float(v.min()), 3), round(float(v.max()), 3)) for k, v in tensors.items()})
