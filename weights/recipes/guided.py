"""The key layout and the config of guided-diffusion's `UNetModel` for the network of unet.py.

The two layouts name the same network: a diffusers UNet2DModel with strided convolutions on the way down, nearest neighbour and a
convolution on the way up and additive time is guided-diffusion's with `resblock_updown` and `use_scale_shift_norm` off. So
training goes on in the one layout and `save` and `load` rename: resnets to `in_layers`, `emb_layers`, `out_layers`; the three
matrices of an attention to one `qkv` in the legacy order (head after head, each with its q, k and v).
"""
import json
import os

import torch
from safetensors.torch import load_file

import unet

WEIGHTS = "denoiser.safetensors"
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def modules(cfg):
    """Pairs (name in unet.py, name in guided-diffusion) of all layers that have no layers of their own kind inside."""
    levels, layers = len(cfg["block_out_channels"]), cfg["layers_per_block"]
    pairs = [("conv_in", "input_blocks.0.0")]
    n = 1
    for i, kind in enumerate(cfg["down_block_types"]):
        for j in range(layers):
            pairs.append((f"down_blocks.{i}.resnets.{j}", f"input_blocks.{n}.0"))
            if kind.startswith("Attn"):
                pairs.append((f"down_blocks.{i}.attentions.{j}", f"input_blocks.{n}.1"))
            n += 1
        if i < levels - 1:
            pairs.append((f"down_blocks.{i}.downsamplers.0.conv", f"input_blocks.{n}.0.op"))
            n += 1
    pairs += [("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"),
              ("mid_block.resnets.1", "middle_block.2")]
    n = 0
    for i, kind in enumerate(cfg["up_block_types"]):
        attention = kind.startswith("Attn")
        for j in range(layers + 1):
            pairs.append((f"up_blocks.{i}.resnets.{j}", f"output_blocks.{n}.0"))
            if attention:
                pairs.append((f"up_blocks.{i}.attentions.{j}", f"output_blocks.{n}.1"))
            if j == layers and i < levels - 1:
                pairs.append((f"up_blocks.{i}.upsamplers.0.conv", f"output_blocks.{n}.{2 if attention else 1}.conv"))
            n += 1
    pairs += [("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
              ("conv_norm_out", "out.0"), ("conv_out", "out.2")]
    return pairs + ([("class_embedding", "label_emb")] if cfg["num_class_embeds"] else [])


def heads(cfg, width):
    """The number of attention heads at a width."""
    return width // (cfg["attention_head_dim"] or width)


def to_guided(cfg, state):
    """A state dict of unet.py under guided-diffusion's keys."""
    out = {}
    for ours, theirs in modules(cfg):
        parts = {k[len(ours) + 1:]: v for k, v in state.items() if k.startswith(ours + ".")}
        if "to_q.weight" in parts:
            for end in ("weight", "bias"):
                three = [parts.pop(f"to_{p}.{end}") for p in "qkv"]
                count = heads(cfg, len(three[0]))
                rows = torch.stack([m.unflatten(0, (count, -1)) for m in three], 1).flatten(0, 2)
                out[f"{theirs}.qkv.{end}"] = rows[..., None] if end == "weight" else rows
                last = parts.pop(f"to_out.0.{end}")
                out[f"{theirs}.proj_out.{end}"] = last[..., None] if end == "weight" else last
                out[f"{theirs}.norm.{end}"] = parts.pop(f"group_norm.{end}")
        for key, value in parts.items():
            layer, _, end = key.rpartition(".")
            out[".".join(filter(None, (theirs, RESNET.get(layer, layer), end)))] = value
    return out


def from_guided(cfg, state):
    """The reverse of `to_guided`."""
    back, out = {v: k for k, v in RESNET.items()}, {}
    for ours, theirs in modules(cfg):
        parts = {k[len(theirs) + 1:]: v for k, v in state.items() if k.startswith(theirs + ".")}
        if "qkv.weight" in parts:
            for end in ("weight", "bias"):
                rows = parts.pop(f"qkv.{end}")
                rows = rows[..., 0] if end == "weight" else rows
                three = rows.unflatten(0, (heads(cfg, len(rows) // 3), 3, -1))
                out |= {f"{ours}.to_{p}.{end}": three[:, i].flatten(0, 1) for i, p in enumerate("qkv")}
                last = parts.pop(f"proj_out.{end}")
                out[f"{ours}.to_out.0.{end}"] = last[..., 0] if end == "weight" else last
                out[f"{ours}.group_norm.{end}"] = parts.pop(f"norm.{end}")
        for key, value in parts.items():
            layer, _, end = key.rpartition(".")
            out[".".join(filter(None, (ours, back.get(layer, layer), end)))] = value
    return out


def to_config(cfg):
    """The arguments of `UNetModel`, under their names there; `norm_num_groups`, which that class fixes at 32, besides."""
    widths = cfg["block_out_channels"]
    return {
        "_class_name": "guided_diffusion.UNetModel", "image_size": cfg["sample_size"], "in_channels": cfg["in_channels"],
        "model_channels": widths[0], "out_channels": cfg["out_channels"], "num_res_blocks": cfg["layers_per_block"],
        "attention_resolutions": [2 ** i for i, k in enumerate(cfg["down_block_types"]) if k.startswith("Attn")],
        "channel_mult": [w // widths[0] for w in widths], "num_classes": cfg["num_class_embeds"],
        "num_head_channels": cfg["attention_head_dim"], "use_scale_shift_norm": False, "resblock_updown": False,
        "norm_num_groups": cfg["norm_num_groups"]}


def from_config(there):
    """The config of unet.py that `to_config` came from."""
    widths = [m * there["model_channels"] for m in there["channel_mult"]]
    attention = [i for i in range(len(widths)) if 2 ** i in there["attention_resolutions"]]
    return unet.make_config(there["image_size"], there["in_channels"], widths, attention, there["num_res_blocks"],
                            there["num_head_channels"], there.get("norm_num_groups", 32), there.get("num_classes"),
                            there["out_channels"])


def save(folder, cfg, state):
    """Writes config.json and the weights, F16, in guided-diffusion's layout."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, WEIGHTS), to_guided(cfg, state))
    unet.write_json(os.path.join(folder, "config.json"), to_config(cfg))


def load(folder):
    """The network of a model folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        cfg = from_config(json.load(f))
    model = unet.UNet(cfg)
    stored = load_file(os.path.join(folder, WEIGHTS))
    model.load_state_dict(from_guided(cfg, {k: v.float() for k, v in stored.items()}))
    return model.eval().to(memory_format=torch.channels_last)


def rename(cfg, name):
    """The name in guided-diffusion's layout of a layer of unet.py, or of what is computed in one (`.stats`, `.skip`)."""
    for ours, theirs in sorted(modules(cfg), key=lambda pair: -len(pair[0])):
        if name == ours or name.startswith(ours + "."):
            layer, dot, what = name[len(ours) + 1:].partition(".")
            ending = {"group_norm": "norm", "to_out": "proj_out"}.get(layer, RESNET.get(layer, layer))
            rest = "" if layer == "to_out" else what
            return ".".join(filter(None, (theirs, ending, rest)))
    return name
