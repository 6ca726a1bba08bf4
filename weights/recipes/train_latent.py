"""Trains the denoiser of a latent system on latents of normal images, which are encoded once, ahead of the training.

    python train_latent.py IMAGES FOLDER AUTOENCODER --kind pinaya --gray --size 128 --range 0 1 --flip x --minutes 30
    python train_latent.py IMAGES FOLDER AUTOENCODER --kind diffad --gray --size 128 --range 0 1 --flip xy --minutes 20

`pinaya`: latents of a VQVAE, quantised, and MONAI's DiffusionModelUNet. `diffad`: the mode of an AutoencoderKL's latents, and
latent-diffusion's UNet, which is given the latents of the same image with a made-up defect behind them, noised to a step of
their own that it is not told.
"""
import argparse

import numpy as np
import torch

import compvis
import dataset
import guided
import latent
import monai
import perlin
import resume
import unet
import vqvae

# The ends of the schedule: those of MONAI's tutorials, those of DiffAD.
BETAS = {"pinaya": (0.0015, 0.0195), "diffad": (0.0015, 0.02)}


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("folder", help="folder to write the network to")
    p.add_argument("autoencoder", help="folder of the trained autoencoder")
    p.add_argument("--kind", choices=["pinaya", "diffad"], required=True)
    p.add_argument("--count", type=int, default=8000, help="augmented images to encode")
    p.add_argument("--cache", help=".npz file to keep their latents in")
    p.add_argument("--limit", type=int, default=1000, help="train steps t below this")
    p.add_argument("--widths", type=int, nargs="+", default=[32, 64, 96])
    p.add_argument("--layers", type=int, default=1, help="resnets a level on the way down")
    p.add_argument("--attention", type=int, nargs="*", default=[2], help="levels with attention, from 0")
    p.add_argument("--groups", type=int, default=8)
    p.add_argument("--ema", type=float, default=0.998)
    resume.add_arguments(p, batch=16, lr=5e-4)
    return p.parse_args()


@torch.no_grad()
def encode(args):
    """Latents (count, c, h, w) in float16 of augmented images: `clean`, and for DiffAD those with a defect, `given`."""
    images, rng = dataset.Samples(args), np.random.default_rng(args.seed)
    kind = vqvae if args.kind == "pinaya" else compvis
    network, out = kind.load(args.autoencoder), {"clean": [], "given": []}
    defects = perlin.Defects(args.size) if args.kind == "diffad" else None
    for start in range(0, args.count, 32):
        x = images.draw(min(32, args.count - start), rng)[0]
        if args.kind == "pinaya":
            out["clean"].append(network.quantize(network.encode(x))[1])
        else:
            made = torch.from_numpy(np.stack([defects.add(v, rng)[0] for v in x.numpy()]))
            out["clean"].append(network.encode(x)[0])
            out["given"].append(network.encode(made)[0])
        if start % 1600 == 0:
            print(f"{start} of {args.count} images encoded", flush=True)
    return {k: torch.cat(v).half().numpy() for k, v in out.items() if v}


def build(args, dim):
    """The network for latents of so many channels."""
    if args.kind == "pinaya":
        return unet.UNet(monai.make_config(None, dim, args.widths, args.attention, args.layers, groups=args.groups))
    return unet.UNet(unet.make_config(None, 2 * dim, args.widths, args.attention, args.layers, groups=args.groups, out=dim))


def main():
    """Trains until the time or the steps are used up."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    data = latent.cached(args.cache, lambda: encode(args))
    clean, given = data["clean"], data.get("given")
    model, bars = build(args, clean.shape[1]), latent.alpha_bars(*BETAS[args.kind])
    model.config["sample_size"] = clean.shape[2]
    average, layout = resume.Average(model, args.ema), monai if args.kind == "pinaya" else guided
    run = resume.Run(args, args.folder, model, {"average": average},
                     lambda: layout.save(args.folder, model.config, average.values))
    print(f"{len(clean)} latents of mean {clean.mean(dtype=np.float64):.3f} and deviation {clean.std(dtype=np.float64):.3f}, "
          f"{unet.macs(model.config) / 1e9:.3f} GMAC a call", flush=True)
    for _, rng in run:
        pick = rng.integers(len(clean), size=args.batch)
        z, t = torch.from_numpy(clean[pick]).float(), torch.from_numpy(rng.integers(args.limit, size=args.batch))
        noise = torch.randn_like(z)
        noisy = latent.add_noise(z, noise, bars[t])
        if given is not None:
            c = torch.from_numpy(given[pick]).float()
            at = torch.from_numpy(rng.integers(len(bars), size=args.batch))
            noisy = torch.cat([noisy, latent.add_noise(c, torch.randn_like(c), bars[at])], 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            predicted = model(noisy, t)
        run.learn((predicted.float() - noise).square().mean())
        average.update()


if __name__ == "__main__":
    main()
