"""The key layout and the config of `DiffusionModelUNet` of MONAI GenerativeModels for the network of unet.py.

It is the diffusers network under other names, with an epsilon of 1e-6 in the norms and an attention without output projection:
there `proj_attn` is in the checkpoint but is never applied. `save` writes identities for it, so that a reader who does apply it
gets the same network.
"""
import json
import os
import re

import torch
from safetensors.torch import load_file

import unet

WEIGHTS = "denoiser.safetensors"
# Whole parts of a key, ours and theirs; the longer ones first.
NAMES = [("mid_block.resnets.0", "middle_block.resnet_1"), ("mid_block.resnets.1", "middle_block.resnet_2"),
         ("mid_block.attentions.0", "middle_block.attention"), ("downsamplers.0.conv", "downsampler.op.conv"),
         ("upsamplers.0.conv", "upsampler.conv.conv"), ("time_embedding.linear_1", "time_embed.0"),
         ("time_embedding.linear_2", "time_embed.2"), ("conv_norm_out", "out.0"), ("conv_out", "out.2.conv"),
         ("conv_in", "conv_in.conv"), ("conv1", "conv1.conv"), ("conv2", "conv2.conv"),
         ("conv_shortcut", "skip_connection.conv"), ("group_norm", "norm")]


def swap(key, pairs):
    """The key with the first of the pairs (a part of a key, another) that occurs in it replaced, then the next."""
    for before, after in pairs:
        key = re.sub(rf"(^|\.){re.escape(before)}(?=\.|$)", lambda m: m.group(1) + after, key)
    return key


def to_monai(state):
    """A state dict of unet.py under MONAI's keys, with an identity as the projection that is never applied."""
    out = {swap(k, NAMES): v for k, v in state.items()}
    for key in [k for k in out if k.endswith("to_q.weight")]:
        at = key.removesuffix("to_q.weight") + "proj_attn."
        out[at + "weight"], out[at + "bias"] = torch.eye(len(out[key])), torch.zeros(len(out[key]))
    return out


def from_monai(state):
    """The reverse of `to_monai`."""
    back = [(theirs, ours) for ours, theirs in NAMES]
    return {swap(k, back): v for k, v in state.items() if "proj_attn" not in k}


def make_config(size, channels, widths, attention, layers=1, head_dim=32, groups=8):
    """A config of unet.py with what MONAI's network does differently."""
    return unet.make_config(size, channels, widths, attention, layers, head_dim, groups, eps=1e-6) | {
        "attention_projection": False}


def to_config(cfg):
    """The arguments of `DiffusionModelUNet`, under their names there."""
    attention = [k.startswith("Attn") for k in cfg["down_block_types"]]
    return {
        "_class_name": "monai_generative.DiffusionModelUNet", "spatial_dims": 2, "in_channels": cfg["in_channels"],
        "out_channels": cfg["out_channels"], "num_res_blocks": cfg["layers_per_block"],
        "num_channels": cfg["block_out_channels"], "attention_levels": attention,
        "norm_num_groups": cfg["norm_num_groups"],
        "num_head_channels": [cfg["attention_head_dim"] if a else 0 for a in attention]}


def from_config(there, size=None):
    """The config of unet.py that `to_config` came from; the last level must have attention, as the middle's heads are its."""
    attention = [i for i, a in enumerate(there["attention_levels"]) if a]
    widths = {there["num_head_channels"][i] for i in attention}
    if len(widths) != 1 or not there["attention_levels"][-1]:
        raise SystemExit("heads of several widths, or no attention in the last level")
    return make_config(size, there["in_channels"], there["num_channels"], attention, there["num_res_blocks"], widths.pop(),
                       there["norm_num_groups"])


def save(folder, cfg, state):
    """Writes config.json and the weights, F16, in MONAI's layout."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, WEIGHTS), to_monai(state))
    unet.write_json(os.path.join(folder, "config.json"), to_config(cfg))


def load(folder, weights=WEIGHTS):
    """The network of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = unet.UNet(from_config(json.load(f)))
    stored = load_file(os.path.join(folder, weights))
    model.load_state_dict(from_monai({k: v.float() for k, v in stored.items()}))
    return model.eval()
