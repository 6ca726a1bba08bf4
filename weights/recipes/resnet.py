"""ResNets in torchvision's key layout, in PyTorch alone, for the maps that images are compared by.

    model = resnet.load(FOLDER)
    model.maps(x, (2, 3))       the outputs of the layers 2 and 3 for images (n, c, h, w) in 0..1
    model.features(x)           the means over the pixels of the last layer, (n, d)

The shape of the network is read from the weights' keys and sizes: basic blocks or bottlenecks, any widths, with or without the
last layers and the classifier, with or without biases, with or without the prefix `module.`. The rest is said by config.json, if
there is one:

    downsample_in_bottleneck    whether a layer is made smaller by the first 1x1 of its bottlenecks, false: by their 3x3
    batch_norm_eps              1e-5 if not given
    image_mean, image_std       what is taken from the channels in 0..1 and what they are divided by; if not given ImageNet's for
                                three channels, 0 and 1 for others
"""
import glob
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

WEIGHTS = "features.safetensors"
IMAGE_MEAN, IMAGE_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def bare(state):
    """A state dict without the prefix `module.`."""
    return {k.removeprefix("module."): v for k, v in state.items()}


def convolution(state, key, stride=1):
    """The convolution that the stored weight is of; its padding keeps the size."""
    out, inside, side, _ = state[key + ".weight"].shape
    return nn.Conv2d(inside, out, side, stride, side // 2, bias=key + ".bias" in state)


class Block(nn.Module):
    """A basic block or a bottleneck under `key`, with its residual."""

    def __init__(self, state, key, stride, first, eps):
        super().__init__()
        self.count = sum(f"{key}.conv{i}.weight" in state for i in (1, 2, 3))
        strided = 1 if self.count == 2 or first else 2
        for i in range(1, self.count + 1):
            conv = convolution(state, f"{key}.conv{i}", stride if i == strided else 1)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(conv.out_channels, eps))
        self.downsample = None
        if f"{key}.downsample.0.weight" in state:
            conv = convolution(state, f"{key}.downsample.0", stride)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels, eps))

    def forward(self, x):
        h = x
        for i in range(1, self.count + 1):
            h = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(h))
            h = F.relu(h) if i < self.count else h
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A network of the shape that a state dict has; its weights are those of the state dict."""

    def __init__(self, state, config=None):
        super().__init__()
        self.config = config or {}
        state, eps = bare(state), self.config.get("batch_norm_eps", 1e-5)
        first = self.config.get("downsample_in_bottleneck", False)
        self.conv1 = convolution(state, "conv1", 2)
        self.bn1 = nn.BatchNorm2d(self.conv1.out_channels, eps)
        self.depth = 0
        while f"layer{self.depth + 1}.0.conv1.weight" in state:
            self.depth += 1
            name, blocks = f"layer{self.depth}", []
            while f"{name}.{len(blocks)}.conv1.weight" in state:
                stride = 1 if self.depth == 1 or blocks else 2
                blocks.append(Block(state, f"{name}.{len(blocks)}", stride, first, eps))
            setattr(self, name, nn.Sequential(*blocks))
        self.fc = nn.Linear(*state["fc.weight"].shape[::-1]) if "fc.weight" in state else None
        of_colour, channels = self.conv1.in_channels == 3, self.conv1.in_channels
        for name, default, plain in (("image_mean", IMAGE_MEAN, 0.0), ("image_std", IMAGE_STD, 1.0)):
            values = self.config.get(name, default if of_colour else [plain] * channels)
            if len(values) != channels:
                raise SystemExit(f"`{name}` has {len(values)} values and the network {channels} channels")
            values = torch.tensor(values, dtype=torch.float64)
            self.register_buffer(name, values[:, None, None], persistent=False)
        # The count of batches that torchvision stores is of no use here, and other formats lack it.
        own = self.state_dict()
        counts = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}
        self.load_state_dict({k: v.to(own[k].dtype) if k in own else v for k, v in (counts | state).items()})
        self.eval()

    def normalised(self, x):
        """Images (n, c, h, w) in 0..1 as the network is given them; gray ones are given to each of its channels."""
        x = x.expand(-1, self.conv1.in_channels, -1, -1) if x.shape[1] == 1 else x
        return (x - self.image_mean.to(x.dtype)) / self.image_std.to(x.dtype)

    def maps(self, x, layers=(2, 3)):
        """The outputs of layers, in the order of their numbers, for images in 0..1."""
        if not layers or max(layers) > self.depth or min(layers) < 1:
            raise SystemExit(f"layers {list(layers)}: the network has 1 to {self.depth}")
        x, out = F.max_pool2d(F.relu(self.bn1(self.conv1(self.normalised(x)))), 3, 2, 1), []
        for i in range(1, max(layers) + 1):
            x = getattr(self, f"layer{i}")(x)
            out += [x] if i in layers else []
        return out

    def features(self, x):
        """The means (n, d) over the pixels of the last layer, for images in 0..1."""
        return self.maps(x, (self.depth,))[0].mean((2, 3))

    def forward(self, x):
        """The logits of the classes, of images in 0..1."""
        return self.fc(self.features(x))


def load(folder, weights=WEIGHTS):
    """The network of a folder, in f32, for inference. Where there is no file `weights`, the folder's only one is taken."""
    path = os.path.join(folder, weights)
    if not os.path.exists(path):
        found = glob.glob(os.path.join(folder, "*.safetensors"))
        if len(found) != 1:
            raise SystemExit(f"{folder}: neither {weights} nor one single .safetensors file")
        path = found[0]
    config = os.path.join(folder, "config.json")
    said = {}
    if os.path.exists(config):
        with open(config) as f:
            said = json.load(f)
    return ResNet({k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}, said)
