"""Trains the generator of Xu et al., a diffusion autoencoder, on normal images.

    python train_diffae.py IMAGES MODEL --gray --size 128 --flip xy --minutes 45

Each step noises images to steps of their own and learns the noise, given the embedding of the same images; both parts train together.
With `--prediction v` it learns v = sqrt(abar) noise - sqrt(1 - abar) image (Salimans and Ho 2022) instead: where almost nothing of the
image is left, that is almost the image itself, so that a short training brings the embedding to use there. A network of the noise needs to
be right to a fraction of a percent there before it draws anything from noise alone.
"""
import argparse

import torch

import dataset
import diffae
import resume
import train


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("model", help="model folder; the network is written to it")
    p.add_argument("--base", type=int, default=16, help="width of the first level")
    p.add_argument("--mults", type=int, nargs="+", default=[1, 2, 3, 4], help="widths of the UNet's levels over the first")
    p.add_argument("--encoder-mults", type=int, nargs="+", default=[1, 2, 3, 4, 4], help="widths of the encoder's levels")
    p.add_argument("--embedding", type=int, default=128)
    p.add_argument("--layers", type=int, default=1, help="blocks a level on the way down")
    p.add_argument("--groups", type=int, default=8)
    p.add_argument("--prediction", choices=["epsilon", "v"], default="epsilon", help="what the network puts out")
    p.add_argument("--init", help="folder of a network of this shape to go on from")
    p.add_argument("--ema", type=float, default=0.998)
    resume.add_arguments(p, batch=8, lr=5e-4)
    return p.parse_args()


def main():
    """Trains until the time or the steps are used up."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    images, bars = dataset.Samples(args), train.alpha_bars()
    channels = 1 if args.gray else 3
    model = diffae.Model(diffae.make_config(args.size, channels, args.base, args.mults, args.encoder_mults, args.embedding,
                                            layers=args.layers, groups=args.groups))
    if args.prediction != "epsilon":
        model.config["prediction"] = args.prediction
    if args.init:
        model.load_state_dict(diffae.load(args.init).state_dict())
    model = model.to(memory_format=torch.channels_last)
    average = resume.Average(model, args.ema)
    run = resume.Run(args, args.model, model, {"average": average},
                     lambda: diffae.save(args.model, model.config, average.values))
    for _, rng in run:
        x = images.draw(args.batch, rng)[0].contiguous(memory_format=torch.channels_last)
        t, noise = torch.from_numpy(rng.integers(len(bars), size=args.batch)), torch.randn_like(x)
        a = bars[t].float()[:, None, None, None]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            predicted = model(a.sqrt() * x + (1 - a).sqrt() * noise, t, model.encode(x))
        wanted = noise if args.prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * x
        run.learn((predicted.float() - wanted).square().mean())
        average.update()


if __name__ == "__main__":
    main()
