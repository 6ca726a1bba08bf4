"""Writes tests/goldens/chains/diffad and diffad-noised: DiffAD (Zhang et al., 2023) whole, in PyTorch in float64, from small networks
with random weights.

    python diffad.py CHAINS [--size 32x64] [--batch 2] [--seed 5]

CHAINS/diffad gets `config.json`, `io.safetensors` and the networks in their original layouts: `autoencoder` (AutoencoderKL of CompVis),
`network` (UNetModel of latent-diffusion) and `comparer` (DRAEM's discriminative network). CHAINS/diffad-noised gets another image and other
settings on the same networks. The networks and the method are those of weights/recipes, whose check_layouts.py holds the networks to the
original code; nothing is computed by Residua.
"""
import argparse
import os
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import compvis
import diffad
import draem
import guided
import latent
import unet
from small import rounded, store, widened

# The settings of both chains; the first is as published but for the number of steps.
CHAINS = {
    "diffad": {"steps": 5, "condition": "clean", "mix": 0.5, "colours": "bgr", "window": 21},
    "diffad-noised": {"steps": 7, "condition": "noised", "condition_step": 430, "mix": 0.3, "colours": "rgb", "window": 7},
}


def networks(folder, x):
    """The networks in float64; latents of x have about a deviation of one."""
    autoencoder = compvis.AutoencoderKL(compvis.make_config(x.shape[3], 3, [8, 16, 16], 1, 3, 4))
    autoencoder.rescale(1 / autoencoder.encode(x)[0].std())
    cfg = unet.make_config(x.shape[3] // 4, 6, [16, 32], [0, 1], 1, 16, 8, None, 3)
    network = unet.UNet(cfg)
    comparer = draem.Comparer(draem.make_config(9, 4))
    for name, tensor in comparer.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.3)
        if name.endswith("running_var"):
            tensor.uniform_(0.2, 0.6)
    # A random network is hardly sure of anything; this one is.
    comparer.decoder_segment.fin_out[0].weight.mul_(8)
    store(os.path.join(folder, "autoencoder"), autoencoder.config, rounded(autoencoder).state_dict())
    store(os.path.join(folder, "network"), guided.to_config(cfg), guided.to_guided(cfg, rounded(network).state_dict()))
    draem.save(os.path.join(folder, "comparer"), comparer.config, rounded(comparer).state_dict())
    return autoencoder.double().eval(), widened(network), comparer.double().eval()


def chain(folder, x, nets, s, prefix):
    """Runs one chain and writes it."""
    autoencoder, network, comparer = nets
    bgr = s["colours"] == "bgr"
    given = x.flip(1) if bgr else x
    own = autoencoder.encode(given)[0]
    noise, extra = torch.randn(own.shape).double(), torch.randn(own.shape).double()
    abar = latent.alpha_bars(*diffad.BETAS)
    noised = s["condition"] == "noised"
    condition = latent.add_noise(own, extra, abar[s["condition_step"]]) if noised else own
    z = diffad.draw(network, condition, noise, s["steps"], abar)
    order = diffad.steps(s["steps"])
    first = latent.ddim(noise, network(torch.cat([noise, condition], 1), torch.full((len(x),), order[0])),
                        float(abar[order[0]]), float(abar[order[1]]))
    between = autoencoder.decode(s["mix"] * z + (1 - s["mix"]) * own)
    out = autoencoder.decode(z)
    heat = comparer(torch.cat([out, between, given], 1)).softmax(1)[:, 1:]
    seen = (lambda picture: picture.flip(1)) if bgr else (lambda picture: picture)
    tensors = {
        "x": x, "z_T": noise, "own": own, "latent_first": first, "latent": z, "interpolated": seen(between), "out": seen(out),
        "map": heat, "score": diffad.score(heat, s["window"])}
    if noised:
        tensors |= {"noise_condition": extra, "condition": condition}
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "io.safetensors")
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, path)
    os.chmod(path, 0o644)
    unet.write_json(os.path.join(folder, "config.json"), {
        "model": prefix + "network", "autoencoder": prefix + "autoencoder", "comparer": prefix + "comparer", "method": "diffad",
        "schedule": "sqrt-linear 0.0015..0.02 T=1000, float64", "prediction": "epsilon", **s, "timesteps": order,
        "sampler": "ddim eta 0; the last step ends at the first abar", "given": "out, interpolated and x, in this order"})
    print(os.path.basename(folder), f"map {float(heat.min()):.3f} to {float(heat.max()):.3f}, scores", tensors["score"].tolist(),
          f"latents' deviation {float(z.std()):.2f}, image and picture differ by {float((x - tensors['out']).abs().mean()):.2f}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains")
    parser.add_argument("--size", default="32x64")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    nets = None
    for name, s in CHAINS.items():
        x = torch.rand(args.batch, 3, *map(int, args.size.split("x")))
        nets = nets or networks(os.path.join(args.chains, name), x)
        chain(os.path.join(args.chains, name), x.double(), nets, s, "" if name == "diffad" else "diffad/")


if __name__ == "__main__":
    main()
