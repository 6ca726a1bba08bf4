"""Writes tests/goldens/chains/xu and xu-noised: the system of Xu et al. (2023) whole, in PyTorch in float64, from small networks
with random weights.

    python xu.py CHAINS [--size 32x64] [--batch 2] [--seed 6]

CHAINS/xu gets `config.json`, `io.safetensors` and the networks in their original layouts: `network` (BeatGANsAutoencModel of
DiffAE, the encoder in it) and `comparer` (DRAEM's discriminative network). CHAINS/xu-noised gets another image and other settings
on the same networks. The networks and the method are those of weights/recipes; nothing is computed by Residua.

The variant `published` is what the stand-alone evaluation script does: the comparer is given the drawn image in -1..1 beside the
image in 0..1. `paper` gives it both in 0..1, as in training.
"""
import argparse
import os
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import diffad
import diffae
import draem
import train
import unet
import xu
from small import rounded, store

# The settings of both chains; the first is as published but for the number of steps.
CHAINS = {
    "xu": {"steps": 5, "variant": "published", "start": "noise", "window": 21},
    "xu-noised": {"steps": 4, "variant": "paper", "start": "input", "lambda": 250, "window": 7},
}


def vary(model, name_ends, mean, deviation):
    """Gives the tensors whose names end so normal values."""
    for name, tensor in model.state_dict().items():
        if name.endswith(name_ends):
            tensor.normal_(mean, deviation)


def see_noise(network):
    """Lets much of a network's input through to its output, as in a trained one, whose input is mostly the noise it predicts: by
    a pair of features of opposite signs for each channel, through the outermost skip and SiLU. Otherwise nearly all of a picture
    is clipped."""
    for i in range(6):
        sign = 1 - i % 2 * 2
        network.input_blocks[0][0].weight[i, i // 2, 1, 1] += 1.5 * sign
        network.output_blocks[-1][0].skip_connection.weight[i, 16 + i] += 1.5
        network.out[2].weight[i // 2, i, 1, 1] += 0.7 * sign


def images(count, height, width):
    """Images (n, 3, h, w) in -1..1 with levels and contrasts of their own, so that their embeddings differ."""
    level, contrast = torch.rand(count, 3, 1, 1) - 0.5, torch.rand(count, 3, 1, 1) * 0.4 + 0.1
    return level + contrast * (torch.rand(count, 3, height, width) * 2 - 1)


def networks(folder):
    """The networks in float64."""
    network = diffae.Model(diffae.make_config(32, 3, 16, [1, 2], [1, 2, 2], 24, attention=[16], groups=8))
    # What begins with zeros, so that the network gives none, and with ones.
    vary(network, ("out_layers.3.weight", "out_layers.3.bias"), 0, 0.05)
    vary(network, ("in_layers.0.weight", "out_layers.0.weight", "norm.weight", "out.0.weight"), 1, 0.2)
    vary(network, ("in_layers.0.bias", "out_layers.0.bias", "norm.bias", "out.0.bias"), 0, 0.2)
    vary(network, ("emb_layers.1.weight",), 0, 0.3)
    vary(network, ("encoder.out.3.weight",), 0, 1.5)
    network.out[2].weight.normal_(0, 0.04)
    see_noise(network)
    comparer = draem.Comparer(draem.make_config(6, 4))
    vary(comparer, ("running_mean",), 0, 0.3)
    for name, tensor in comparer.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.2, 0.6)
    # A random network is hardly sure of anything; this one is.
    comparer.decoder_segment.fin_out[0].weight.mul_(8)
    store(os.path.join(folder, "network"), network.config, rounded(network).state_dict())
    draem.save(os.path.join(folder, "comparer"), comparer.config, rounded(comparer).state_dict())
    return network.double().eval(), comparer.double().eval()


def results(x, noise, nets, s, abar):
    """The chain's tensors by name."""
    network, comparer = nets
    begin, order = noise.repeat(len(x), 1, 1, 1), xu.steps(s["steps"], len(abar))
    if s["start"] == "input":
        order = xu.steps_from(s["lambda"], s["steps"])
        begin = abar[order[0]].to(x.dtype).sqrt() * x + (1 - abar[order[0]]).to(x.dtype).sqrt() * noise
    stages, z = [], network.encode(x)
    out = xu.draw(network, z, begin, order, abar, lambda i, stage: stages.append(stage))
    drawn = out if s["variant"] == "published" else (out + 1) / 2
    heat = comparer(torch.cat([drawn, (x + 1) / 2], 1)).softmax(1)[:, 1:]
    return {"x": x, "x_T": noise, "embedding": z, "latent_first": stages[0], "out": out, "map": heat,
            "score": diffad.score(heat, s["window"])}, order


def chain(folder, x, nets, s, abar):
    """Runs one chain and writes it."""
    noise = torch.randn(1, *x.shape[1:]).half().double()
    tensors, order = results(x, noise, nets, s, abar)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "io.safetensors")
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, path)
    os.chmod(path, 0o644)
    unet.write_json(os.path.join(folder, "config.json"), {
        "method": "xu", "model": "xu/network", "comparer": "xu/comparer", "schedule": "linear 1e-4..0.02 T=1000",
        "prediction": "epsilon", **s, "timesteps": order,
        "sampler": "ddim eta 0, the clean image clipped to -1..1, the noise derived from it again; the last step ends at abar 1",
        "given": "out and x, in this order; x in 0..1, out in " + ("-1..1" if s["variant"] == "published" else "0..1")})
    heat, out, z = tensors["map"], tensors["out"], tensors["embedding"]
    print(os.path.basename(folder), f"map {float(heat.min()):.3f} to {float(heat.max()):.3f}, scores", tensors["score"].tolist(),
          f"embedding's deviation {float(z.std()):.2f}, {float((out.abs() == 1).double().mean()):.2f} of the picture clipped,",
          f"it differs from the image by {float((x - out).abs().mean()):.2f}, from another by",
          f"{float((out[0] - out[-1]).abs().mean()):.2f}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains")
    parser.add_argument("--size", default="32x64")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    abar = train.alpha_bars()
    nets = networks(os.path.join(args.chains, "xu"))
    for name, s in CHAINS.items():
        x = images(args.batch, *map(int, args.size.split("x")))
        chain(os.path.join(args.chains, name), x.double(), nets, s, abar)


if __name__ == "__main__":
    main()
