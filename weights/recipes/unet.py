"""A compact UNet2DModel: the network, the state-dict keys and the config of diffusers, in PyTorch alone.

It covers what the models here use: DownBlock2D, AttnDownBlock2D, UpBlock2D and AttnUpBlock2D, positional time embedding,
additive time, SiLU. A folder written by `save` loads in diffusers with `UNet2DModel.from_pretrained`.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

WEIGHTS = "diffusion_pytorch_model.safetensors"


def make_config(size, channels, widths, attention, layers=1, head_dim=32, groups=8, classes=None, out=None, eps=1e-05):
    """A config.json; `attention` holds the indices of the levels with attention (the middle always has it)."""
    down = ["AttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(len(widths))]
    up = ["AttnUpBlock2D" if i in attention else "UpBlock2D" for i in reversed(range(len(widths)))]
    return {
        "_class_name": "UNet2DModel", "_diffusers_version": "0.27.2",
        "act_fn": "silu", "add_attention": True, "attention_head_dim": head_dim, "attn_norm_num_groups": None,
        "block_out_channels": list(widths), "center_input_sample": False, "class_embed_type": None,
        "down_block_types": down, "downsample_padding": 1, "downsample_type": "conv", "dropout": 0.0,
        "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": channels, "layers_per_block": layers,
        "mid_block_scale_factor": 1, "norm_eps": eps, "norm_num_groups": groups, "num_class_embeds": classes,
        "num_train_timesteps": None, "out_channels": out or channels, "resnet_time_scale_shift": "default",
        "sample_size": size, "time_embedding_type": "positional", "up_block_types": up, "upsample_type": "conv",
    }


class Resnet(nn.Module):
    """norm, SiLU, conv, + time, norm, SiLU, conv, + input."""

    def __init__(self, inside, outside, cfg):
        super().__init__()
        groups, eps = cfg["norm_num_groups"], cfg["norm_eps"]
        self.norm1 = nn.GroupNorm(groups, inside, eps)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.time_emb_proj = nn.Linear(4 * cfg["block_out_channels"][0], outside)
        self.norm2 = nn.GroupNorm(groups, outside, eps)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else None

    def forward(self, x, temb):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """Self-attention over the pixels of a feature map, with its residual."""

    def __init__(self, width, cfg):
        super().__init__()
        head = cfg["attention_head_dim"] or width
        self.heads = width // head
        self.group_norm = nn.GroupNorm(cfg["norm_num_groups"], width, cfg["norm_eps"])
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        # MONAI GenerativeModels' attention has no output projection; see monai.py.
        self.to_out = nn.ModuleList([nn.Linear(width, width)] if cfg.get("attention_projection", True) else [])

    def forward(self, x, _temb=None):
        b, c, h, w = x.shape
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(tokens).view(b, h * w, self.heads, -1).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        for layer in self.to_out:
            out = layer(out)
        return x + out.transpose(1, 2).reshape(b, c, h, w)


class Resample(nn.Module):
    """Half the size by a strided convolution, or twice the size by repetition and a convolution."""

    def __init__(self, width, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(width, width, 3, stride=1 if up else 2, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class Block(nn.Module):
    """One level of the way down or up: resnets, perhaps attentions, perhaps a change of size."""

    def __init__(self, widths, out, cfg, attention, resample):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(w, out, cfg) for w in widths])
        self.attentions = nn.ModuleList([Attention(out, cfg) for _ in widths]) if attention else None
        if resample:
            setattr(self, resample, nn.ModuleList([Resample(out, resample == "upsamplers")]))
        self.resample = resample

    def layer(self, i, x, temb):
        x = self.resnets[i](x, temb)
        return x if self.attentions is None else self.attentions[i](x)


class Middle(nn.Module):
    """Resnet, attention, resnet at the smallest size."""

    def __init__(self, width, cfg):
        super().__init__()
        self.attentions = nn.ModuleList([Attention(width, cfg)])
        self.resnets = nn.ModuleList([Resnet(width, width, cfg) for _ in range(2)])

    def forward(self, x, temb):
        return self.resnets[1](self.attentions[0](self.resnets[0](x, temb)), temb)


class TimeEmbedding(nn.Module):
    """[cos, sin] of the step and two linear layers."""

    def __init__(self, width):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, 4 * width)
        rate = torch.exp(-math.log(10000.0) * torch.arange(width // 2) / (width // 2))
        self.register_buffer("rate", rate, persistent=False)

    def forward(self, t):
        angle = t.float()[:, None] * self.rate
        return self.linear_2(F.silu(self.linear_1(torch.cat([angle.cos(), angle.sin()], 1))))


class UNet(nn.Module):
    """forward(x, t[, y]): the predicted noise of images (n, c, h, w) at steps (n,), of classes (n,) where there are any."""

    def __init__(self, cfg):
        super().__init__()
        self.config = cfg
        widths, layers, last = cfg["block_out_channels"], cfg["layers_per_block"], len(cfg["block_out_channels"]) - 1
        self.conv_in = nn.Conv2d(cfg["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0])
        self.class_embedding = nn.Embedding(cfg["num_class_embeds"], 4 * widths[0]) if cfg["num_class_embeds"] else None
        if self.class_embedding is not None:
            nn.init.zeros_(self.class_embedding.weight)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        previous = widths[0]
        for i, (w, kind) in enumerate(zip(widths, cfg["down_block_types"])):
            inside = [previous] + [w] * (layers - 1)
            self.down_blocks.append(Block(inside, w, cfg, kind.startswith("Attn"), "downsamplers" if i < last else None))
            previous = w
        self.mid_block = Middle(previous, cfg)
        back = widths[::-1]
        for i, (w, kind) in enumerate(zip(back, cfg["up_block_types"])):
            skips = [w] * layers + [back[min(i + 1, last)]]
            inside = [(previous if j == 0 else w) + s for j, s in enumerate(skips)]
            self.up_blocks.append(Block(inside, w, cfg, kind.startswith("Attn"), "upsamplers" if i < last else None))
            previous = w
        self.conv_norm_out = nn.GroupNorm(cfg["norm_num_groups"], widths[0], cfg["norm_eps"])
        self.conv_out = nn.Conv2d(widths[0], cfg["out_channels"], 3, padding=1)

    def forward(self, x, t, y=None):
        temb = self.time_embedding(t)
        if self.class_embedding is not None:
            temb = temb + self.class_embedding(y)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            for i in range(len(block.resnets)):
                x = block.layer(i, x, temb)
                skips.append(x)
            if block.resample:
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block(x, temb)
        for block in self.up_blocks:
            for i in range(len(block.resnets)):
                x = block.layer(i, torch.cat([x, skips.pop()], 1), temb)
            if block.resample:
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def parameter_count(model):
    """The number of trained values."""
    return sum(p.numel() for p in model.parameters())


def macs(cfg, size=None):
    """Multiply-accumulates of one forward pass for one image, convolutions, linears and attention together."""
    model, total = UNet(cfg), [0]

    def count(module, inputs, out):
        if isinstance(module, nn.Conv2d):
            total[0] += out.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total[0] += out.numel() * module.in_features
        else:
            tokens = out.shape[2] * out.shape[3]
            total[0] += 2 * tokens * tokens * out.shape[1]

    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear, Attention)):
            m.register_forward_hook(count)
    size = size or cfg["sample_size"]
    with torch.no_grad():
        model(torch.zeros(1, cfg["in_channels"], size, size), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    return total[0]


def save(folder, cfg, state):
    """Writes config.json and the weights, F16, each under a temporary name first."""
    os.makedirs(folder, exist_ok=True)
    save_weights(os.path.join(folder, WEIGHTS), state)
    write_json(os.path.join(folder, "config.json"), cfg)


def save_weights(path, state):
    """Writes a state dict in F16 under a temporary name, then renames."""
    save_file({k: v.detach().to(torch.float16).contiguous() for k, v in state.items()}, path + ".part",
              metadata={"format": "pt"})
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)


def load(folder):
    """The network of a model folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = UNet(json.load(f))
    model.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, WEIGHTS)).items()})
    return model.eval().to(memory_format=torch.channels_last)


def write_json(path, value):
    """Writes JSON under a temporary name, then renames."""
    with open(path + ".part", "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")
    os.replace(path + ".part", path)
