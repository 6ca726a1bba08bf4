"""Writes tests/goldens/chains/pinaya: Pinaya et al. (2022) whole, in PyTorch in float64, from small networks with random weights.

    python pinaya.py FOLDER [--size 24x32] [--batch 2] [--seed 4]

FOLDER gets `config.json`, `io.safetensors` and the networks in their original layouts: `autoencoder` (MONAI's VQVAE) and `network`
(DiffusionModelUNet of MONAI GenerativeModels). The networks and the method are those of weights/recipes, whose check_layouts.py
holds the networks to the original code; nothing is computed by Residua. The threshold lies in a wide gap between the values of the
divergence, and no latent is about as near to a second code, so that float32 takes the same decisions.
"""
import argparse
import os
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import monai
import pinaya
import unet
import vqvae
from small import rounded, store, widened

BAND, START, PAINTING, SMOOTH = (300, 500, 3), 500, 5, 1.0


def networks(folder, x):
    """Both networks in float64; the codes lie among latents of x, scaled to a deviation of one."""
    autoencoder = vqvae.VQVAE(vqvae.make_config(1, [8, 16], 1, 32, 3))
    codes = autoencoder.quantizer.quantizer
    autoencoder.rescale(1 / autoencoder.encode(x).std())
    flat = autoencoder.encode(x).movedim(1, -1).flatten(0, 2)
    codes.embedding.weight.copy_(flat[torch.randperm(len(flat))[:32]] + 0.1 * torch.randn(32, 3))
    codes.ema_w.copy_(codes.embedding.weight)
    codes.ema_cluster_size.fill_(1)
    cfg = monai.make_config(None, 3, [16, 32], [1], head_dim=16)
    network = unet.UNet(cfg)
    store(os.path.join(folder, "autoencoder"), autoencoder.config, rounded(autoencoder).state_dict())
    store(os.path.join(folder, "network"), monai.to_config(cfg), monai.to_monai(rounded(network).state_dict()))
    return autoencoder.double().eval(), widened(network)


def margin(autoencoder, z):
    """The least difference between the squared distances to the nearest and the next code."""
    flat, e = z.movedim(1, -1).flatten(0, 2), autoencoder.quantizer.quantizer.embedding.weight
    two = torch.cdist(flat, e).square().topk(2, 1, largest=False).values
    return float((two[:, 1] - two[:, 0]).min())


def gap(values, share):
    """A threshold in the widest gap of sorted values about a quantile."""
    v = values.flatten().sort().values
    at = int(share * len(v))
    some = v[at - 5:at + 5]
    i = int((some[1:] / some[:-1]).argmax())
    return float(f"{float((some[i] + some[i + 1]) / 2):.4g}"), float(some[i + 1] / some[i])


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--size", default="24x32")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    x = torch.rand(args.batch, 1, *map(int, args.size.split("x")))
    autoencoder, network = networks(args.folder, x)
    x = x.double()
    z = autoencoder.encode(x)
    indices, codes = autoencoder.quantize(z)
    band, painting = pinaya.band(*BAND), pinaya.band(START, 0, PAINTING)
    kl_noise = torch.randn(len(band), *z.shape).double()
    paint_noise = torch.randn(len(painting), *z.shape).double()
    call = lambda latents, t: network(latents, torch.full((len(latents),), t))
    abar = pinaya.bars()
    kl = pinaya.kl_map(call, codes, band, kl_noise, abar)
    threshold, width = gap(kl, 0.7)
    mask = pinaya.masked(kl, threshold)
    steps = []
    latent = pinaya.inpaint(call, codes, mask, painting, paint_noise, abar, lambda i, v: steps.append(v))
    out_indices, out_codes = autoencoder.quantize(latent)
    out = autoencoder.decode(out_codes)
    residual = pinaya.residual(x, out, "positive")
    soft = pinaya.enlarged(mask, x.shape[2:], SMOOTH)
    print(f"gap of the threshold {width:.4f}, margins of the codes {margin(autoencoder, z):.2g}, {margin(autoencoder, latent):.2g}, "
          f"masked {float(mask.mean()):.2f}, indices {len(indices.unique())}, painted elsewhere "
          f"{float((indices != out_indices)[mask[:, 0] > 0].float().mean()):.2f}")
    tensors = {
        "x": x, "z": z, "indices": indices, "codes": codes, "noise_kl": kl_noise, "kl": kl, "mask": mask,
        "noise_paint": paint_noise, "latent_first": steps[0], "latent": latent, "out_indices": out_indices, "out": out,
        "residual": residual, "soft_mask": soft, "map": residual * soft}
    save_file({k: (v if v.dtype == torch.int64 else v.float()).contiguous() for k, v in tensors.items()},
              os.path.join(args.folder, "io.safetensors"))
    os.chmod(os.path.join(args.folder, "io.safetensors"), 0o644)
    unet.write_json(os.path.join(args.folder, "config.json"), {
        "model": "network", "autoencoder": "autoencoder", "method": "pinaya",
        "schedule": "scaled_linear 0.0015..0.0195 T=1000, float64", "prediction": "epsilon", "quantised": True,
        "band": band, "kl": "mean over the channels and over the band; noise_kl[i] is the band's step i's",
        "threshold": threshold, "grow": 0, "painting": painting, "sampler": "ddim eta 0; after the last step abar = 1",
        "noise": "noise_paint[0] noises to the start, noise_paint[i+1] noises what is put back after step i; after the last, codes",
        "requantised": True, "residual": "positive part of x - out, mean over the channels",
        "soft_mask": "mask enlarged by repetition, then Gaussian sigma 1, truncated at 4 sigma, borders reflected (d c b a | a b c d)"})


if __name__ == "__main__":
    main()
