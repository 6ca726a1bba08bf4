#!/usr/bin/env python3
"""Writes the goldens of classifiers of noised images: tiny ones with random weights, one for each pool, and their gradients.

usage: classifier.py FOLDER [--published]      needs torch, safetensors; FOLDER is tests/goldens

The network is guided-diffusion's EncoderUNetModel (Dhariwal and Nichol 2021), written anew from the paper and from the names and
shapes of its checkpoints, with the number of groups and the width of the spatial head as arguments, so that it can be tiny.
Weights are stored as F16, the reference runs in float32 on the stored values. With --published, networks with 32 groups and heads
of 2048, as published, are written instead: too large to be kept, for a check by hand with `residua compare`.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn


def time_embedding(t, width):
    half = width // 2
    angles = t[:, None].float() * torch.exp(-math.log(10000) * torch.arange(half).float() / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Residual(nn.Module):
    def __init__(self, cin, cout, emb, groups, modulated, down=False):
        super().__init__()
        self.down, self.modulated = down, modulated
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, cin), nn.SiLU(), nn.Conv2d(cin, cout, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, cout * (2 if modulated else 1)))
        last = nn.Conv2d(cout, cout, 3, padding=1)
        self.out_layers = nn.Sequential(nn.GroupNorm(groups, cout), nn.SiLU(), nn.Dropout(0), last)
        self.skip_connection = nn.Identity() if cin == cout else nn.Conv2d(cin, cout, 1)

    def forward(self, x, emb):
        h = self.in_layers[1](self.in_layers[0](x))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        h = self.in_layers[2](h)
        time = self.emb_layers(emb)[:, :, None, None]
        if self.modulated:
            scale, shift = time.chunk(2, dim=1)
            h = self.out_layers[0](h) * (1 + scale) + shift
            h = self.out_layers[3](self.out_layers[1](h))
        else:
            h = self.out_layers(h + time)
        return self.skip_connection(x) + h


def attend(qkv, heads, new_order):
    """(N, 3C, L) to (N, C, L); in the new order all q come first, in the legacy one a head's q, k and v stand together."""
    n, rows, length = qkv.shape
    d = rows // 3 // heads
    if new_order:
        q, k, v = qkv.reshape(n, 3, heads, d, length).unbind(1)
    else:
        q, k, v = qkv.reshape(n, heads, 3, d, length).unbind(2)
    weights = torch.einsum("nhdl,nhdm->nhlm", q * d**-0.25, k * d**-0.25).softmax(dim=-1)
    return torch.einsum("nhlm,nhdm->nhdl", weights, v).reshape(n, -1, length)


class Attention(nn.Module):
    def __init__(self, channels, heads, groups, new_order):
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        h = self.qkv(self.norm(x.flatten(2)))
        return x + self.proj_out(attend(h, self.heads, self.new_order)).reshape(x.shape)


class Down(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.op(x)


class AttentionPool(nn.Module):
    def __init__(self, side, channels, head, classes):
        super().__init__()
        self.heads = channels // head
        self.positional_embedding = nn.Parameter(torch.randn(channels, side**2 + 1) / channels**0.5)
        self.qkv_proj = nn.Conv1d(channels, 3 * channels, 1)
        self.c_proj = nn.Conv1d(channels, classes, 1)

    def forward(self, x):
        x = x.flatten(2)
        x = torch.cat([x.mean(dim=2, keepdim=True), x], dim=2) + self.positional_embedding
        return self.c_proj(attend(self.qkv_proj(x), self.heads, True))[:, :, 0]


class Classifier(nn.Module):
    def __init__(self, image_size, in_channels, model_channels, out_channels, num_res_blocks, attention_resolutions,
                 channel_mult, num_heads=1, num_head_channels=-1, use_scale_shift_norm=False, resblock_updown=False,
                 conv_resample=True, use_new_attention_order=False, pool="adaptive", norm_num_groups=32, hidden=2048):
        super().__init__()
        emb, groups, self.base, self.pool = 4 * model_channels, norm_num_groups, model_channels, pool
        self.time_embed = nn.Sequential(nn.Linear(model_channels, emb), nn.SiLU(), nn.Linear(emb, emb))

        def res(cin, cout, down=False):
            return Residual(cin, cout, emb, groups, use_scale_shift_norm, down)

        def attention(c):
            heads = num_heads if num_head_channels == -1 else c // num_head_channels
            return Attention(c, heads, groups, use_new_attention_order)

        c = int(channel_mult[0] * model_channels)
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(in_channels, c, 3, padding=1)])])
        features, factor = c, 1
        for level, mult in enumerate(channel_mult):
            for _ in range(num_res_blocks):
                block = [res(c, int(mult * model_channels))]
                c = int(mult * model_channels)
                if factor in attention_resolutions:
                    block.append(attention(c))
                self.input_blocks.append(nn.ModuleList(block))
                features += c
            if level + 1 < len(channel_mult):
                pooled = Down(c) if conv_resample else nn.AvgPool2d(2)
                self.input_blocks.append(nn.ModuleList([res(c, c, True) if resblock_updown else pooled]))
                factor *= 2
                features += c
        self.middle_block = nn.ModuleList([res(c, c), attention(c), res(c, c)])
        features += c
        norm = [nn.GroupNorm(groups, c), nn.SiLU()]
        self.out = nn.Sequential(*{
            "adaptive": lambda: [*norm, nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, out_channels, 1), nn.Flatten()],
            "attention": lambda: [*norm, AttentionPool(image_size // factor, c, num_head_channels, out_channels)],
            "spatial": lambda: [nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, out_channels)],
            "spatial_v2": lambda: [nn.Linear(features, hidden), nn.GroupNorm(groups, hidden), nn.SiLU(),
                                   nn.Linear(hidden, out_channels)],
        }[pool]())

    def forward(self, x, t):
        emb, means = self.time_embed(time_embedding(t, self.base)), []
        for block in [*self.input_blocks, self.middle_block]:
            for layer in block:
                x = layer(x, emb) if isinstance(layer, Residual) else layer(x)
            means.append(x.mean(dim=(2, 3)))
        return self.out(torch.cat(means, dim=1) if self.pool.startswith("spatial") else x)


def randomise(net):
    """Biases and scales that are far from those of a fresh network, and logits that differ; all values as F16 has them."""
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            module.weight.data.uniform_(0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            module.bias.data.normal_(0, 0.3)
    for p in net.parameters():
        p.data = p.data.half().float()


def write(folder, config, n, shape=None):
    net = Classifier(**config).eval()
    randomise(net)
    side, channels, classes = config["image_size"], config["in_channels"], config["out_channels"]
    x = torch.randn(n, channels, *(shape or (side, side)), requires_grad=True)
    t, y = torch.randint(0, 1000, (n,)), torch.randint(0, classes, (n,))
    out = net(x, t)
    log_p = F.log_softmax(out, dim=-1)[range(n), y].sum()
    gradient = torch.autograd.grad(log_p, x)[0]
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half() for k, v in net.state_dict().items()}, folder / "model.safetensors")
    io = {"x": x.detach(), "t": t, "y": y, "out": out.detach(), "grad_x_log_p": gradient}
    save_file({k: v.contiguous() for k, v in io.items()}, folder / "io.safetensors")
    said = {k: v for k, v in config.items() if k != "hidden"}
    (folder / "config.json").write_text(json.dumps({"_class_name": "EncoderUNetModel", **said}) + "\n")
    size = (folder / "model.safetensors").stat().st_size
    print(folder.name, size, "bytes,", out.tolist()[0][:3], float(gradient.abs().max()))


TINY = {"model_channels": 8, "norm_num_groups": 4, "hidden": 24, "num_res_blocks": 1, "channel_mult": [1, 2, 3]}
KEPT = {
    "classifier-adaptive": ({**TINY, "image_size": 12, "in_channels": 1, "out_channels": 3, "pool": "adaptive",
                             "attention_resolutions": [4], "num_heads": 2, "channel_mult": [1, 2, 2]}, 2, (8, 20)),
    "classifier-attention": ({**TINY, "image_size": 20, "in_channels": 3, "out_channels": 5, "pool": "attention",
                              "attention_resolutions": [2, 4], "num_head_channels": 8, "resblock_updown": True,
                              "use_scale_shift_norm": True, "use_new_attention_order": True}, 3, None),
    "classifier-spatial": ({**TINY, "image_size": 8, "in_channels": 2, "out_channels": 2, "pool": "spatial",
                            "attention_resolutions": [2], "num_head_channels": 8, "resblock_updown": True,
                            "num_res_blocks": 2, "channel_mult": [1, 1, 2]}, 2, (4, 12)),
    "classifier-spatial-v2": ({**TINY, "image_size": 8, "in_channels": 4, "out_channels": 7, "pool": "spatial_v2",
                               "attention_resolutions": [4], "num_heads": 1, "conv_resample": False,
                               "use_scale_shift_norm": True}, 1, (12, 8)),
}
WIDE = {"model_channels": 32, "num_head_channels": 32, "num_res_blocks": 2, "channel_mult": [1, 2, 2],
        "attention_resolutions": [2, 4], "use_scale_shift_norm": True, "resblock_updown": True}
PUBLISHED = {
    f"classifier-published-{pool}": ({**WIDE, "image_size": 24, "in_channels": i + 1, "out_channels": 2 + 3 * i,
                                      "pool": pool}, 2, None)
    for i, pool in enumerate(["adaptive", "attention", "spatial", "spatial_v2"])
}
PUBLISHED["classifier-published-plain"] = (
    {**WIDE, "image_size": 32, "in_channels": 1, "out_channels": 10, "pool": "attention", "use_scale_shift_norm": False,
     "resblock_updown": False, "channel_mult": [1, 2], "use_new_attention_order": True}, 1, None)
PUBLISHED["classifier-published-one-level"] = (
    {**WIDE, "image_size": 8, "in_channels": 1, "out_channels": 2, "pool": "attention", "channel_mult": [2],
     "attention_resolutions": [1]}, 2, None)

if __name__ == "__main__":
    torch.set_num_threads(1)
    for i, (name, (config, n, shape)) in enumerate((PUBLISHED if "--published" in sys.argv else KEPT).items()):
        torch.manual_seed(20261130 + i)
        write(Path(sys.argv[1]) / name, config, n, shape)
