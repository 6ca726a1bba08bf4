#!/usr/bin/env python3
"""Prints dte.json: the scores of DTE's networks and of its DDPM baseline, in float64, by PyTorch.

usage: dte.py > dte.json      needs torch

Weights, rows and standardisation come from a hash that tests/dte_scores.rs has too, so that only the scores are stored. The
networks are written after the paper's public code (Livernoche et al., ICLR 2024).
"""
import json
import math

import torch
from torch import nn
from torch.nn.functional import silu

COLUMNS, ROWS, MEMBERS = 6, 9, 2
torch.set_default_dtype(torch.float64)


def numbers(tag, count):
    """`count` float32 in [-1, 1)."""
    out = []
    for i in range(count):
        h = (i * 0x9E3779B9 + tag * 0x85EBCA6B + 1) & 0xFFFFFFFF
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            h = (h ^ (h >> shift)) * factor & 0xFFFFFFFF
        out.append((h >> 8) / 2**23 - 1)
    return torch.tensor(out)


def fill(net, first):
    """Gives a network's tensors, in order, the numbers of the tags from `first` on."""
    state = net.state_dict()
    names = [n for n in state if not n.endswith("num_batches_tracked")]
    for tag, name in enumerate(names, first):
        old = state[name]
        new = numbers(tag, old.numel()).reshape(old.shape)
        if old.dim() == 2:
            new = new * torch.tensor(2 / math.sqrt(old.shape[1]), dtype=torch.float32).double()
        elif name.endswith("running_var") or (name.endswith("weight") and old.dim() == 1):
            new = new * 0.5 + 1
        state[name] = new.float().double()
    net.load_state_dict(state)
    return net.eval()


class Trunk(nn.Module):
    """DTE-C's and DTE-IG's network."""

    def __init__(self, outputs):
        super().__init__()
        widths = [COLUMNS, 256, 512, 256, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class Block(nn.Module):
    """A residual block of the baseline."""

    def __init__(self):
        super().__init__()
        self.normalization = nn.BatchNorm1d(128)
        self.linear_first = nn.Linear(128, 256)
        self.linear_second = nn.Linear(256, 128)

    def forward(self, x):
        return x + self.linear_second(torch.relu(self.linear_first(self.normalization(x))))


class Baseline(nn.Module):
    """The noise predictor of the DDPM baseline."""

    def __init__(self):
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, 256))
        self.resnet = nn.Module()
        self.resnet.mlp = nn.Sequential(nn.SiLU(), nn.Linear(256, 128))
        self.resnet.first_layer = nn.Linear(COLUMNS, 128)
        self.resnet.blocks = nn.ModuleList(Block() for _ in range(3))
        self.resnet.head = nn.Module()
        self.resnet.head.normalization = nn.BatchNorm1d(128)
        self.resnet.head.linear = nn.Linear(128, COLUMNS)

    def forward(self, x, t):
        angle = t * torch.exp(-math.log(1e4) * torch.arange(128) / 128)
        e = self.time_embed(torch.cat([angle.cos(), angle.sin()])[None])
        h = self.resnet.first_layer(x) + self.resnet.mlp(e)
        for block in self.resnet.blocks:
            h = block(h)
        head = self.resnet.head
        return head.linear(torch.relu(head.normalization(h)))


def baseline(net, x):
    """Mean squared change by the means of 250 ancestral steps."""
    betas = torch.linspace(1e-4, 1e-2, 1000)
    alphas = torch.cumprod(1 - betas, 0)
    y = x
    for t in reversed(range(250)):
        y = (y - betas[t] / (1 - alphas[t]).sqrt() * net(y, t)) / (1 - betas[t]).sqrt()
    return ((y - x) ** 2).mean(1)


@torch.no_grad()
def main():
    """Prints the scores."""
    rows = 3 * numbers(1, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    c = torch.arange(COLUMNS)
    x = ((rows - 0.125 * c) / (1 + 0.25 * c)).float().double()
    spans = torch.softmax(fill(Trunk(7), 100)(x), 1) @ torch.arange(7.0)
    scales = sum((fill(Trunk(64), 100 + 8 * i)(x) ** 2).sum(1) for i in range(MEMBERS)) / MEMBERS
    scores = {"c": spans, "ig": scales, "ddpm": baseline(fill(Baseline(), 100), x)}
    print(json.dumps({k: v.tolist() for k, v in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
