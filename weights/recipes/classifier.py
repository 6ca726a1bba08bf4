"""guided-diffusion's `EncoderUNetModel` with attention pool, in PyTorch alone, under its own state-dict keys.

The classifier of noised images whose gradient guides Wolleb et al.'s decoding: legacy attention in the trunk, the new order in the
pool; as published time by scale and shift of the second GroupNorm and halving by average pools inside residual blocks, or, so
that the trunk is the encoder of a UNet and may begin as one, time added and halving by strided convolutions.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import unet

WEIGHTS = "classifier.safetensors"


def make_config(size, channels, base, mults, attention, layers=1, head=32, groups=8, classes=2, published=True):
    """The arguments of `EncoderUNetModel`; `attention` holds down-sampling factors. `norm_num_groups` is 32 there. `published` is
    the choice of time and halving (above)."""
    return {
        "_class_name": "guided_diffusion.EncoderUNetModel", "image_size": size, "in_channels": channels,
        "model_channels": base, "out_channels": classes, "num_res_blocks": layers, "attention_resolutions": list(attention),
        "channel_mult": list(mults), "num_head_channels": head, "use_scale_shift_norm": published, "resblock_updown": published,
        "pool": "attention", "norm_num_groups": groups}


def attend(q, k, v):
    """Softmax attention of heads (n, heads, width, tokens)."""
    q, k, v = (m.transpose(2, 3) for m in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(2, 3)


def zeroed(layer):
    """The layer with zeros for weights, so that a residual branch begins as nothing."""
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


class Strided(nn.Module):
    """Half the size by a strided convolution."""

    def __init__(self, width):
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x, _emb):
        return self.op(x)


class ResBlock(nn.Module):
    """norm, SiLU, [pool,] conv; norm, scale and shift by the time, or that added before; SiLU, conv; + [pooled] input."""

    def __init__(self, inside, outside, emb, groups, scale_shift, down=False):
        super().__init__()
        self.down, self.scale_shift = down, scale_shift
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, (2 if scale_shift else 1) * outside))
        self.out_layers = nn.Sequential(nn.GroupNorm(groups, outside), nn.SiLU(), nn.Dropout(0.0),
                                        nn.Conv2d(outside, outside, 3, padding=1))
        zeroed(self.out_layers[3])
        self.skip_connection = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x, emb):
        h = F.silu(self.in_layers[0](x))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        h = self.in_layers[2](h)
        time = self.emb_layers(emb)[:, :, None, None]
        if self.scale_shift:
            scale, shift = time.chunk(2, 1)
            h = self.out_layers[0](h) * (1 + scale) + shift
        else:
            h = self.out_layers[0](h + time)
        return self.skip_connection(x) + self.out_layers[3](F.silu(h))


class Attention(nn.Module):
    """Self-attention with its residual; the rows of `qkv` are grouped by head."""

    def __init__(self, width, heads, groups):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, width)
        self.qkv, self.proj_out = nn.Conv1d(width, 3 * width, 1), zeroed(nn.Conv1d(width, width, 1))

    def forward(self, x, _emb=None):
        rows = self.qkv(self.norm(x).flatten(2)).unflatten(1, (self.heads, 3, -1))
        out = attend(*rows.unbind(2)).flatten(1, 2)
        return x + self.proj_out(out).view_as(x)


class AttentionPool(nn.Module):
    """The mean of the positions as a token before them, positions added, one attention; what the mean's token becomes."""

    def __init__(self, positions, width, heads, classes):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(width, positions + 1) / width ** 0.5)
        self.qkv_proj, self.c_proj = nn.Conv1d(width, 3 * width, 1), nn.Conv1d(width, classes, 1)

    def forward(self, x):
        tokens = x.flatten(2)
        tokens = torch.cat([tokens.mean(2, keepdim=True), tokens], 2) + self.positional_embedding
        rows = self.qkv_proj(tokens).unflatten(1, (3, self.heads, -1))
        return self.c_proj(attend(*rows.unbind(1)).flatten(1, 2))[:, :, 0]


class Classifier(nn.Module):
    """forward(x, t): the logits (n, classes) of noised images (n, c, h, w) at steps (n,)."""

    def __init__(self, cfg):
        super().__init__()
        self.config = cfg
        base, groups, head = cfg["model_channels"], cfg["norm_num_groups"], cfg["num_head_channels"]
        emb, factor, shifts = 4 * base, 1, cfg["use_scale_shift_norm"]
        self.time_embed = nn.Sequential(nn.Linear(base, emb), nn.SiLU(), nn.Linear(emb, emb))
        width = int(cfg["channel_mult"][0] * base)
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(cfg["in_channels"], width, 3, padding=1)])])
        for level, mult in enumerate(cfg["channel_mult"]):
            for _ in range(cfg["num_res_blocks"]):
                out = int(mult * base)
                layers = [ResBlock(width, out, emb, groups, shifts)]
                width = out
                if factor in cfg["attention_resolutions"]:
                    layers.append(Attention(width, width // head, groups))
                self.input_blocks.append(nn.ModuleList(layers))
            if level + 1 < len(cfg["channel_mult"]):
                pool = ResBlock(width, width, emb, groups, shifts, down=True) if cfg["resblock_updown"] else Strided(width)
                self.input_blocks.append(nn.ModuleList([pool]))
                factor *= 2
        self.middle_block = nn.ModuleList([ResBlock(width, width, emb, groups, shifts), Attention(width, width // head, groups),
                                           ResBlock(width, width, emb, groups, shifts)])
        pool = AttentionPool((cfg["image_size"] // factor) ** 2, width, width // head, cfg["out_channels"])
        self.out = nn.Sequential(nn.GroupNorm(groups, width), nn.SiLU(), pool)
        rate = torch.exp(-math.log(10000.0) * torch.arange(base // 2) / (base // 2))
        self.register_buffer("rate", rate, persistent=False)

    def features(self, x, t):
        """What the pool is given (n, width, h, w), before its norm."""
        angle = t.to(self.rate.dtype)[:, None] * self.rate
        emb = self.time_embed(torch.cat([angle.cos(), angle.sin()], 1))
        for block in self.input_blocks:
            for layer in block:
                x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, emb)
        for layer in self.middle_block:
            x = layer(x, emb)
        return x

    def forward(self, x, t):
        return self.out(self.features(x, t))


def gradient(model, x, t, y):
    """d/dx of the sum over the images of log softmax(model(x, t))[y]; the shape of x."""
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        chosen = F.log_softmax(model(x, t), 1)[torch.arange(len(x)), y].sum()
        return torch.autograd.grad(chosen, x)[0]


def save(folder, cfg, state):
    """Writes config.json and the weights, F16."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, WEIGHTS), state)
    unet.write_json(os.path.join(folder, "config.json"), cfg)


def load(folder):
    """The network of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = Classifier(json.load(f))
    model.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, WEIGHTS)).items()})
    return model.eval().to(memory_format=torch.channels_last)
