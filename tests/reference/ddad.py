"""Writes tests/goldens/chains/ddad and ddad-fixed: DDAD (Mousakhan, Brox, Tayyub, 2023) whole, in PyTorch in float64, from small
networks with random weights.

    python ddad.py CHAINS [--size 32x64] [--batch 2] [--seed 9]

CHAINS/ddad gets `config.json`, `io.safetensors`, and the networks in their original layouts: `network` (DDAD's UNet) and
`features` (torchvision's ResNet), both with the prefix `module.`. CHAINS/ddad-fixed gets another image and other settings on the
same UNet, and a ResNet of the kind that weights/recipes/resnet50.py converts. The networks and the method are those of
weights/recipes; nothing is computed by Residua.
"""
import argparse
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import ddad
import ddad_unet
import latent
import resnet
import resnet50
import train
import unet
from small import rounded, store

# The settings of both chains; the first is as published but for the crop, whose images are larger.
CHAINS = {
    "ddad": {"w": 3.0, "v": 1.0, "eta": 1.0, "t_start": 250, "skip": 25, "variant": "published", "layers": [2, 3],
             "normalisation": "batch", "ratio": None, "sigma": 4.0, "crop": 28},
    "ddad-fixed": {"w": 1.5, "v": 2.0, "eta": 0.5, "t_start": 250, "skip": 50, "variant": "paper", "layers": [3],
                   "normalisation": "fixed", "ratio": 0.7, "sigma": 1.5, "crop": None},
}
RESNETS = {
    "ddad": {"_class_name": "ResNet"},
    "ddad-fixed": {"_class_name": "ResNet", "downsample_in_bottleneck": True, "batch_norm_eps": 1e-3,
                   "image_mean": resnet50.IMAGE_MEAN, "image_std": resnet.IMAGE_STD},
}


def random_resnet(widths, counts, biases):
    """A ResNet's state dict of bottlenecks."""
    state = {}

    def conv(key, norm, inside, out, side):
        state[key + ".weight"] = torch.randn(out, inside, side, side) * (2 / (inside * side * side)) ** 0.5
        if biases:
            state[key + ".bias"] = torch.randn(out) * 0.3
        state[norm + ".weight"] = torch.empty(out).uniform_(0.5, 1.5) * torch.where(torch.rand(out) < 0.2, -1.0, 1.0)
        state[norm + ".bias"] = torch.randn(out) * 0.3 - 0.2
        state[norm + ".running_mean"], state[norm + ".running_var"] = torch.zeros(out), torch.ones(out)

    conv("conv1", "bn1", 3, widths[0], 7)
    inside = widths[0]
    for layer, (width, count) in enumerate(zip(widths, counts), 1):
        for block in range(count):
            name = f"layer{layer}.{block}."
            for i, (a, b, side) in enumerate(((inside, width, 1), (width, width, 3), (width, 4 * width, 1)), 1):
                conv(f"{name}conv{i}", f"{name}bn{i}", a, b, side)
            if block == 0:
                conv(name + "downsample.0", name + "downsample.1", inside, 4 * width, 1)
            inside = 4 * width
    return state


def denoiser(folder, size):
    """DDAD's UNet in float64, whose predicted noise has about a deviation of one."""
    model = ddad_unet.Network(ddad_unet.make_config(size, 3, 16, [1, 2], str(size // 2), 2, 1, 8))
    given = torch.randn(2, 3, size // 2, size)
    model.out[2].weight.mul_(1 / model(given, torch.tensor([100, 200])).std())
    store(folder, model.config, ddad_unet.stored(rounded(model).state_dict()))
    return model.double().eval()


def features(folder, config, biases):
    """A ResNet in float64."""
    model, counts = resnet.ResNet(random_resnet([8, 12, 16, 18], [1, 2, 1, 1], biases), config), "num_batches_tracked"
    # Statistics of the layers' own outputs, so that maps of unlike images are unlike.
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        m.momentum = 1.0
        m.train()
    model.maps(torch.rand(4, 3, 32, 64), (4,))
    for m in norms:
        m.running_mean += torch.randn(m.num_features) * 0.3 * m.running_var.sqrt()
        m.running_var *= torch.empty(m.num_features).uniform_(0.6, 1.6)
        m.eval()
    rounded(model)
    store(folder, config, ddad_unet.stored({k: v for k, v in model.state_dict().items() if not k.endswith(counts)}))
    return model.double().eval()


def chain(folder, name, x, nets, s):
    """Runs one chain and writes it."""
    network, compared = nets
    abar, order, seen = train.alpha_bars(), ddad.steps(s["t_start"], s["skip"]), []
    noises = torch.randn(1 + len(order), *x.shape).double()
    hear = lambda stage, value: seen.append(value)
    out = ddad.reconstruct(lambda z, t: latent.call(network, z, t), x, lambda i: noises[i], s, abar, hear)
    pixel, feature = ddad.pixel_map(x, out), ddad.feature_map(compared, x, out, s["layers"])
    heat = ddad.blurred(ddad.combine(pixel, feature, s), s["sigma"])
    heat = ddad.cropped(heat, s["crop"])
    tensors = {"x": x, "noise_0": noises[0], "noise": noises[1:], "latent_first": seen[1], "out": out, "pixel_map": pixel,
               "feature_map": feature, "map": heat, "score": ddad.score(heat)}
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "io.safetensors")
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, path)
    os.chmod(path, 0o644)
    unet.write_json(os.path.join(folder, "config.json"), {
        "method": "ddad", "model": "ddad/network", "features": name + "/features",
        "schedule": "linear 1e-4..0.02 T=1000, float64", "prediction": "epsilon",
        **s, "timesteps": order})
    print(name, f"pixels' {float(pixel.min()):.3f} to {float(pixel.max()):.3f}, features' {float(feature.min()):.3f} to "
          f"{float(feature.max()):.3f}, map to {float(heat.max()):.3f}, scores {tensors['score'].tolist()}, "
          f"picture {float(out.min()):.2f} to {float(out.max()):.2f}, first step's deviation {float(seen[1].std()):.2f}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains")
    parser.add_argument("--size", default="32x64")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    height, width = map(int, args.size.split("x"))
    torch.manual_seed(args.seed)
    network = denoiser(os.path.join(args.chains, "ddad", "network"), width)
    for i, (name, s) in enumerate(CHAINS.items()):
        torch.manual_seed(args.seed + 1 + i)
        folder = os.path.join(args.chains, name)
        compared = features(os.path.join(folder, "features"), RESNETS[name], name == "ddad-fixed")
        coarse = F.interpolate(torch.rand(args.batch, 3, height // 8, width // 8), size=(height, width), mode="bilinear")
        x = 2 * (0.7 * coarse + 0.3 * torch.rand(args.batch, 3, height, width)) - 1
        chain(folder, name, x.double(), (network, compared), s)


if __name__ == "__main__":
    main()
