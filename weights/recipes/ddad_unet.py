"""The UNet of DDAD (Mousakhan et al., 2023) under its own keys, in PyTorch alone: guided-diffusion's, with residual blocks that
change the size, time that is added, and other names.

    model = ddad_unet.load(FOLDER)
    eps = model(x, t)           the predicted noise of images (n, c, h, w) at steps (n,)

The embedding of the step has its sines before its cosines. Stored keys have the prefix `module.`; reading does without it too.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import diffae

WEIGHTS = "denoiser.safetensors"


def make_config(size, channels, base, mults, attention="32,16,8", heads=4, layers=2, groups=32):
    """A config.json; `attention` names the sides of the maps with attention, for an image of the side `size`, as the original's
    argument does. The number of groups is 32 there."""
    return {"_class_name": "ddad.UNetModel", "image_size": size, "in_channels": channels, "model_channels": base,
            "out_channels": channels, "num_res_blocks": layers, "attention_resolutions": attention, "channel_mult": list(mults),
            "num_heads": heads, "num_head_channels": -1, "norm_num_groups": groups}


class Block(nn.Module):
    """A residual block, which may halve the size by the mean of 2x2 pixels or double it by repetition, after its first SiLU."""

    def __init__(self, inside, outside, cfg, resample=None):
        super().__init__()
        groups, self.resample = cfg["norm_num_groups"], resample
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1))
        self.embed_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * cfg["model_channels"], outside))
        self.out_layers = nn.Sequential(nn.GroupNorm(groups, outside), nn.SiLU(), nn.Dropout(0.0),
                                        nn.Conv2d(outside, outside, 3, padding=1))
        self.skip_connection = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def sized(self, x):
        """The input at the block's own size."""
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if self.resample else x

    def forward(self, x, time):
        h = self.in_layers[2](self.sized(self.in_layers[1](self.in_layers[0](x))))
        return self.skip_connection(self.sized(x)) + self.out_layers(h + self.embed_layers(time)[:, :, None, None])


class Attention(nn.Module):
    """Self-attention over the pixels; each head has its q, k and v together."""

    def __init__(self, width, cfg):
        super().__init__()
        head = cfg["num_head_channels"]
        self.heads = cfg["num_heads"] if head == -1 else width // head
        self.norm = nn.GroupNorm(cfg["norm_num_groups"], width)
        self.to_qkv, self.proj_out = nn.Conv1d(width, 3 * width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x, _time):
        q, k, v = self.to_qkv(self.norm(x).flatten(2)).unflatten(1, (self.heads, 3, -1)).transpose(3, 4).unbind(2)
        out = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(1, 2)
        return x + self.proj_out(out).view_as(x)


class Angles(nn.Module):
    """Sines and cosines (n, width) of steps (n,), computed in float64."""

    def __init__(self, width):
        super().__init__()
        self.half = width // 2

    def forward(self, t):
        rate = torch.exp(-math.log(10000.0) * torch.arange(self.half, dtype=torch.float64) / self.half)
        angle = t.double()[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], 1)


class Network(nn.Module):
    """forward(x, t): the predicted noise."""

    def __init__(self, cfg):
        super().__init__()
        self.config, base, levels = cfg, cfg["model_channels"], list(enumerate(cfg["channel_mult"]))
        size, count, last = cfg["image_size"], cfg["num_res_blocks"], len(levels) - 1
        sides = str(cfg["attention_resolutions"]).strip("[]").split(",")
        rates = [size // int(side) for side in sides if side.strip()]
        self.time_embedding = nn.Sequential(Angles(base), nn.Linear(base, 4 * base), nn.SiLU(), nn.Linear(4 * base, 4 * base))
        self.down, width = nn.ModuleList([diffae.Layers([nn.Conv2d(cfg["in_channels"], base, 3, padding=1)])]), base
        kept = [base]
        for level, m in levels:
            for _ in range(count):
                made, width = [Block(width, m * base, cfg)], m * base
                self.down.append(diffae.Layers(made + ([Attention(width, cfg)] if 2 ** level in rates else [])))
                kept.append(width)
            if level < last:
                self.down.append(diffae.Layers([Block(width, width, cfg, "down")]))
                kept.append(width)
        self.middle = diffae.Layers([Block(width, width, cfg), Attention(width, cfg), Block(width, width, cfg)])
        self.up = nn.ModuleList()
        for level, m in levels[::-1]:
            for j in range(count + 1):
                made, width = [Block(width + kept.pop(), m * base, cfg)], m * base
                made += [Attention(width, cfg)] if 2 ** level in rates else []
                made += [Block(width, width, cfg, "up")] if level and j == count else []
                self.up.append(diffae.Layers(made))
        self.out = nn.Sequential(nn.GroupNorm(cfg["norm_num_groups"], width), nn.SiLU(),
                                 nn.Conv2d(width, cfg["out_channels"], 3, padding=1))

    def forward(self, x, t):
        angles, *layers = self.time_embedding
        time = angles(t).to(x.dtype)
        for layer in layers:
            time = layer(time)
        kept = []
        for block in self.down:
            x = block(x, time)
            kept.append(x)
        x = self.middle(x, time)
        for block in self.up:
            x = block(torch.cat([x, kept.pop()], 1), time)
        return self.out(x)


def stored(state):
    """A state dict under the keys of a checkpoint of the original."""
    return {"module." + k: v for k, v in state.items()}


def load(folder, weights=WEIGHTS):
    """The network of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = Network({"norm_num_groups": 32, "num_head_channels": -1} | json.load(f))
    model.load_state_dict({k.removeprefix("module."): v.float() for k, v in load_file(os.path.join(folder, weights)).items()})
    return model.eval()
