"""Trains the autoencoder of a latent system on a folder of normal images.

    python train_autoencoder.py IMAGES FOLDER --kind vq --gray --size 128 --range 0 1 --flip x --minutes 20
    python train_autoencoder.py IMAGES FOLDER --kind kl --gray --side 128 --crop 64 --size 64 --range 0 1 --flip xy --minutes 20

`vq` is MONAI's VQVAE (vqvae.py), `kl` latent-diffusion's AutoencoderKL (compvis.py). The loss is the mean absolute error, the
error of its horizontal and vertical differences, and what keeps the latents in bounds: the commitment to the codes, or the
divergence from N(0, 1). At every checkpoint the latents are scaled to a standard deviation of one, in the stored weights alone.
"""
import argparse
import copy

import numpy as np
import torch

import compvis
import dataset
import latent
import resume
import vqvae


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("folder", help="folder to write the network to")
    p.add_argument("--kind", choices=["vq", "kl"], required=True)
    p.add_argument("--widths", type=int, nargs="+", default=[32, 64], help="widths of the levels; kl: multiples of the first")
    p.add_argument("--layers", type=int, default=1, help="residual units a level")
    p.add_argument("--codes", type=int, default=256, help="vq: size of the codebook")
    p.add_argument("--dim", type=int, default=4, help="channels of the latents")
    p.add_argument("--groups", type=int, default=8, help="kl: groups of the norms")
    p.add_argument("--edges", type=float, default=0.5, help="weight of the differences")
    p.add_argument("--latents", type=float, default=None, help="weight of the latents' loss; 0.25 for vq, 1e-6 a value for kl")
    p.add_argument("--ema", type=float, default=0.998)
    resume.add_arguments(p, batch=16, lr=1e-3)
    return p.parse_args()


def build(args):
    """The network."""
    channels = 1 if args.gray else 3
    if args.kind == "vq":
        return vqvae.VQVAE(vqvae.make_config(channels, args.widths, args.layers, args.codes, args.dim))
    return compvis.AutoencoderKL(compvis.make_config(args.side if args.crop else args.size, channels, args.widths, args.layers,
                                                     args.dim, args.groups))


def distance(x, rebuilt, edges):
    """The mean absolute error, and with a weight that of the differences of neighbours."""
    d = rebuilt - x
    return d.abs().mean() + edges * (d.diff(dim=2).abs().mean() + d.diff(dim=3).abs().mean())


def main():
    """Trains until the time or the steps are used up."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    images, model = dataset.Samples(args), build(args)
    weight = args.latents if args.latents is not None else 0.25 if args.kind == "vq" else 1e-6
    average = resume.Average(model, args.ema)

    def write():
        # The codebook is a moving average already and belongs to the average of the encoder.
        stored = copy.deepcopy(model)
        stored.load_state_dict(average.values)
        stored.eval()
        with torch.no_grad():
            x = images.draw(64, np.random.default_rng(1))[0]
            stored.rescale(1 / latents(stored, x).std())
        latent.save(args.folder, stored)

    def latents(network, x):
        z = network.encode(x)
        return network.quantize(z)[1] if args.kind == "vq" else z[0]

    run = resume.Run(args, args.folder, model, {"average": average}, write)
    print(f"{len(images)} images", flush=True)
    for _, rng in run:
        x = images.draw(args.batch, rng)[0]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            rebuilt, held = model(x)
        rebuilt = rebuilt.float()
        run.learn(distance(x, rebuilt, args.edges) + weight * held, error=(rebuilt - x).abs().mean(), latents=held)
        average.update()


if __name__ == "__main__":
    main()
