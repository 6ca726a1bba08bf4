#!/usr/bin/env python3
"""Writes the ResNet goldens: narrow networks with random weights and random BatchNorm statistics, and their features.

usage: resnet.py FOLDER      needs torch, torchvision, safetensors; FOLDER is tests/goldens

The blocks, the layers and the forward pass are torchvision's own; only the widths of the layers are reduced, as its constructor
fixes them. Weights are stored as F16, the reference runs in float32 on the stored values, the classifier is an identity.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class Narrow(ResNet):
    """torchvision's ResNet with other widths than 64, 128, 256 and 512."""

    def __init__(self, block, layers, planes, base_width=64, channels=3):
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = planes[0], 1, 1, base_width
        self.conv1 = nn.Conv2d(channels, planes[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i in range(4):
            layer = self._make_layer(block, planes[i], layers[i], stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Identity()


def randomise(net):
    """Statistics that are far from those of a fresh BatchNorm, with scales of either sign."""
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.5).mul_(torch.where(torch.rand_like(m.weight) < 0.2, -1.0, 1.0))
            m.bias.data.normal_(0, 0.3)
            m.running_mean.normal_(0, 0.5)
            m.running_var.uniform_(0.3, 3.0)
    for v in net.state_dict().values():
        if v.is_floating_point():
            v.copy_(v.half().float())


# Name: block, blocks of each layer, planes, width of a group, channels, images (N,H,W).
GOLDENS = {
    "resnet-basic": (BasicBlock, [2, 1, 2, 1], [32, 32, 40, 48], 64, 3, (2, 64, 64)),
    "resnet-bottleneck": (Bottleneck, [2, 1, 1, 1], [8, 12, 16, 18], 64, 3, (1, 75, 53)),
    "resnet-wide": (Bottleneck, [1, 1, 2, 1], [8, 8, 12, 16], 128, 1, (3, 33, 40)),
}

if __name__ == "__main__":
    for i, (name, (block, layers, planes, base, channels, (n, h, w))) in enumerate(GOLDENS.items()):
        torch.manual_seed(20261124 + i)
        net = Narrow(block, layers, planes, base, channels).eval()
        randomise(net)
        x = torch.randn(n, channels, h, w)
        with torch.no_grad():
            out = net(x)
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        weights = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        save_file({"x": x, "out": out}, folder / "io.safetensors")
        config = {"_class_name": "ResNet", "block": block.__name__, "layers": layers, "planes": planes,
                  "width_per_group": base, "in_channels": channels}
        (folder / "config.json").write_text(json.dumps(config) + "\n")
        print(name, sum(v.numel() for v in weights.values()), tuple(out.shape), float(out.std()))
