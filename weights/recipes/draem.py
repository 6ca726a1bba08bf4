"""DRAEM's discriminative network in PyTorch alone: the network, the keys and the config. DiffAD's comparer is the same.

    logits = comparer(concatenated images)     (n, 2, h, w); softmax's channel 1 is the map; h and w are multiples of 32
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

import unet

WEIGHTS = "comparer.safetensors"


def make_config(channels, base):
    """The constructor's arguments under their names there."""
    return {"_class_name": "draem.DiscriminativeSubNetwork", "in_channels": channels, "out_channels": 2, "base_channels": base}


def double(inside, outside, after=None):
    """Twice: conv, BatchNorm, ReLU."""
    after = after or outside
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True),
                         nn.Conv2d(outside, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def rising(inside, outside):
    """Twice the size by bilinear interpolation with aligned corners, conv, BatchNorm, ReLU."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                         nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class Encoder(nn.Module):
    """Six levels, with a maximum over 2x2 pixels between."""

    def __init__(self, channels, b):
        super().__init__()
        widths = [b, 2 * b, 4 * b, 8 * b, 8 * b, 8 * b]
        for i, (before, width) in enumerate(zip([channels] + widths, widths)):
            setattr(self, f"block{i + 1}", double(before, width))

    def forward(self, x):
        kept = []
        for i in range(6):
            x = getattr(self, f"block{i + 1}")(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        return kept


class Decoder(nn.Module):
    """Five times twice the size, each joined with the level of that size."""

    LEVELS = ("_b", "1", "2", "3", "4")

    def __init__(self, b, out):
        super().__init__()
        # In, out and the joined level's width.
        for name, before, width, kept in zip(self.LEVELS, [8 * b, 8 * b, 4 * b, 2 * b, b], [8 * b, 4 * b, 2 * b, b, b],
                                             [8 * b, 8 * b, 4 * b, 2 * b, b]):
            setattr(self, "up" + name, rising(before, width))
            setattr(self, "db" + name, double(width + kept, width))
        self.fin_out = nn.Sequential(nn.Conv2d(b, out, 3, padding=1))

    def forward(self, kept):
        x = kept[5]
        for i, name in enumerate(self.LEVELS):
            x = getattr(self, "db" + name)(torch.cat([getattr(self, "up" + name)(x), kept[4 - i]], 1))
        return self.fin_out(x)


class Comparer(nn.Module):
    """forward(x): logits."""

    def __init__(self, cfg):
        super().__init__()
        self.config = cfg
        self.encoder_segment = Encoder(cfg["in_channels"], cfg["base_channels"])
        self.decoder_segment = Decoder(cfg["base_channels"], cfg["out_channels"])

    def forward(self, x):
        return self.decoder_segment(self.encoder_segment(x))


def focal(logits, truth, gamma=2.0, smooth=1e-5):
    """The focal loss of logits (n, 2, h, w) for a truth (n, 1, h, w) of zeros and ones."""
    p = logits.softmax(1)
    p = torch.where(truth > 0, p[:, 1:], p[:, :1]).clamp(smooth, 1 - smooth)
    return -((1 - p) ** gamma * p.log()).mean()


def save(folder, cfg, state):
    """Writes config.json and the weights, F16; the counters of the norms stay whole numbers."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, WEIGHTS)
    save_file({k: (v.detach().half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}, path + ".part",
              metadata={"format": "pt"})
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)
    unet.write_json(os.path.join(folder, "config.json"), cfg)


def load(folder, weights=WEIGHTS):
    """The network of a folder, in f32, for inference."""
    with open(os.path.join(folder, "config.json")) as f:
        model = Comparer(json.load(f))
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(os.path.join(folder, weights)).items()})
    return model.eval()


def beside(folder):
    """The comparer in the folder `comparer` of a model folder; None where there is none yet."""
    path = os.path.join(folder, "comparer")
    return load(path) if os.path.exists(os.path.join(path, "config.json")) else None


@torch.no_grad()
def maps(comparer, given, batch=16):
    """The maps (n, 1, h, w) of concatenated images (n, c, h, w)."""
    return torch.cat([comparer(part).softmax(1)[:, 1:] for part in given.split(batch)])
