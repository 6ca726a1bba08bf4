"""DiffAE's network (Preechakul et al., CVPR 2022) in PyTorch alone, as Xu et al. use it: guided-diffusion's UNet, whose blocks are scaled
by an embedding of the image after the time's modulation, and the encoder that makes the embedding.

    z = model.encode(image)          (n, d) of images (n, c, h, w) in -1..1
    eps = model(noisy, t, z)         the predicted noise at steps (n,)

Keys are the original's `BeatGANsAutoencModel`'s. Sizes change in residual blocks, by the mean of 2x2 pixels and by repetition.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import unet

WEIGHTS = "denoiser.safetensors"


def make_config(size, channels, base, mults, encoder_mults, embedding, attention=(), layers=1, groups=8):
    """The constructor's arguments under their names there; `norm_num_groups`, which is 32 there, besides. `attention` has sizes of feature maps
    in pixels."""
    return {"_class_name": "diffae.BeatGANsAutoencModel", "image_size": size, "in_channels": channels, "model_channels": base,
            "out_channels": channels, "num_res_blocks": layers, "embed_channels": embedding, "enc_out_channels": embedding,
            "attention_resolutions": list(attention), "enc_attn_resolutions": list(attention), "channel_mult": list(mults),
            "enc_channel_mult": list(encoder_mults), "enc_num_res_block": layers, "resnet_two_cond": True,
            "norm_num_groups": groups}


class Block(nn.Module):
    """A residual block; without modulations it ends after its first convolution, as the encoder's do."""

    def __init__(self, inside, outside, cfg, modulated=True, resample=None):
        super().__init__()
        width, groups, self.resample = cfg["embed_channels"], cfg["norm_num_groups"], resample
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1))
        self.modulated = modulated
        if modulated:
            self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * outside))
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width, outside))
            self.out_layers = nn.Sequential(nn.GroupNorm(groups, outside), nn.SiLU(), nn.Dropout(0.0),
                                            nn.Conv2d(outside, outside, 3, padding=1))
            nn.init.zeros_(self.out_layers[3].weight)
            nn.init.zeros_(self.out_layers[3].bias)
        self.skip_connection = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def sized(self, x):
        """The input at the block's own size."""
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if self.resample else x

    def forward(self, x, time=None, z=None):
        h = self.in_layers[2](self.sized(self.in_layers[1](self.in_layers[0](x))))
        if self.modulated:
            scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, 1)
            h = self.out_layers[0](h) * (1 + scale) + shift
            h = h * (1 + self.cond_emb_layers(z)[:, :, None, None])
            h = self.out_layers[3](self.out_layers[1](h))
        return self.skip_connection(self.sized(x)) + h


class Attention(nn.Module):
    """Self-attention of one head over the pixels."""

    def __init__(self, width, cfg):
        super().__init__()
        self.norm = nn.GroupNorm(cfg["norm_num_groups"], width)
        self.qkv, self.proj_out = nn.Conv1d(width, 3 * width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x, *_):
        q, k, v = (p.transpose(1, 2)[:, None] for p in self.qkv(self.norm(x).flatten(2)).chunk(3, 1))
        out = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return x + self.proj_out(out).view_as(x)


class Layers(nn.ModuleList):
    """Layers one after the other; those that take a modulation are given it."""

    def forward(self, x, *modulation):
        for layer in self:
            x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, *modulation)
        return x


def trunk(cfg, mults, layers, sizes, modulated):
    """Blocks of the way down, their middle, and the widths of what each block of the way down gives."""
    base, size = cfg["model_channels"], cfg["image_size"]
    blocks, widths = nn.ModuleList([Layers([nn.Conv2d(cfg["in_channels"], base, 3, padding=1)])]), [base]
    for level, m in enumerate(mults):
        for _ in range(layers):
            made = [Block(widths[-1], m * base, cfg, modulated)]
            blocks.append(Layers(made + ([Attention(m * base, cfg)] if size in sizes else [])))
            widths.append(m * base)
        if level < len(mults) - 1:
            blocks.append(Layers([Block(widths[-1], widths[-1], cfg, modulated, "down")]))
            widths.append(widths[-1])
            size //= 2
    last = widths[-1]
    return blocks, Layers([Block(last, last, cfg, modulated), Attention(last, cfg), Block(last, last, cfg, modulated)]), widths


class Encoder(nn.Module):
    """forward(image): the embedding (n, d)."""

    def __init__(self, cfg):
        super().__init__()
        self.input_blocks, self.middle_block, widths = trunk(
            cfg, cfg["enc_channel_mult"], cfg["enc_num_res_block"], cfg["enc_attn_resolutions"], False)
        self.out = nn.Sequential(nn.GroupNorm(cfg["norm_num_groups"], widths[-1]), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
                                 nn.Conv2d(widths[-1], cfg["enc_out_channels"], 1))

    def forward(self, x):
        for block in self.input_blocks:
            x = block(x)
        return self.out(self.middle_block(x)).flatten(1)


class TimeEmbed(nn.Module):
    """The keys of the time's two layers."""

    def __init__(self, inside, width):
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, width))


class Model(nn.Module):
    """forward(x, t, z): the predicted noise."""

    def __init__(self, cfg):
        super().__init__()
        self.config, base, size = cfg, cfg["model_channels"], cfg["image_size"]
        self.time_embed = TimeEmbed(base, cfg["embed_channels"])
        self.encoder = Encoder(cfg)
        self.input_blocks, self.middle_block, kept = trunk(
            cfg, cfg["channel_mult"], cfg["num_res_blocks"], cfg["attention_resolutions"], True)
        size, width, self.output_blocks = size >> (len(cfg["channel_mult"]) - 1), kept[-1], nn.ModuleList()
        for level, m in reversed(list(enumerate(cfg["channel_mult"]))):
            for j in range(cfg["num_res_blocks"] + 1):
                made = [Block(width + kept.pop(), m * base, cfg)]
                width = m * base
                made += [Attention(width, cfg)] if size in cfg["attention_resolutions"] else []
                if level and j == cfg["num_res_blocks"]:
                    made.append(Block(width, width, cfg, resample="up"))
                    size *= 2
                self.output_blocks.append(Layers(made))
        self.out = nn.Sequential(nn.GroupNorm(cfg["norm_num_groups"], width), nn.SiLU(),
                                 nn.Conv2d(width, cfg["out_channels"], 3, padding=1))
        nn.init.zeros_(self.out[2].weight)

    def encode(self, image):
        """The embedding (n, d) of images."""
        return self.encoder(image)

    def forward(self, x, t, z):
        base, weight = self.config["model_channels"], self.time_embed.time_embed[0].weight
        rate = torch.exp(-math.log(10000.0) * torch.arange(base // 2, dtype=torch.float64) / (base // 2))
        angle = t.double()[:, None] * rate
        time = self.time_embed.time_embed(torch.cat([angle.cos(), angle.sin()], 1).to(weight.dtype))
        kept = []
        for block in self.input_blocks:
            x = block(x, time, z)
            kept.append(x)
        x = self.middle_block(x, time, z)
        for block in self.output_blocks:
            x = block(torch.cat([x, kept.pop()], 1), time, z)
        return self.out(x)


def save(folder, cfg, state):
    """Writes config.json and the weights, F16."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, WEIGHTS), state)
    unet.write_json(os.path.join(folder, "config.json"), cfg)


def load(folder, weights=WEIGHTS):
    """The network of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = Model({"norm_num_groups": 32} | json.load(f))
    model.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, weights)).items()})
    return model.eval()
