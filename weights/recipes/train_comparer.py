"""Trains the comparer of DiffAD or of Xu et al. on good images with made-up defects, once the networks that rebuild images are
trained.

    python train_comparer.py IMAGES MODEL --gray --size 128 --range 0 1 --flip xy --minutes 25 --cache rebuilt.npz
    python train_comparer.py IMAGES MODEL --kind xu --gray --size 128 --range 0 1 --flip xy --minutes 22 --cache rebuilt.npz

DiffAD's paper draws a reconstruction anew for each batch; the code of Xu et al. keeps them. Here `--count` images are made, given
defects and rebuilt once, defects and all; the training flips them and changes their brightness.
"""
import argparse
import os

import numpy as np
import torch

import dataset
import diffad
import draem
import latent
import perlin
import resume
import xu

# What rebuilds images, by --kind; each is given images in 0..1.
KINDS = {"diffad": diffad.Model, "xu": xu.Model}


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("model", help="model folder; the comparer is written to its folder `comparer`")
    p.add_argument("--kind", choices=sorted(KINDS), default="diffad", help="what system the model is of")
    p.add_argument("--count", type=int, default=1500, help="images to rebuild")
    p.add_argument("--clean", type=float, default=0.5, help="share of images without a defect")
    p.add_argument("--ddim", type=int, default=10, help="steps of a reconstruction")
    p.add_argument("--cache", help=".npz file to keep the rebuilt images in")
    p.add_argument("--base", type=int, default=16, help="width of the first level")
    p.add_argument("--patch", type=int, default=0, help="train on random crops of this side; 0: whole images")
    p.add_argument("--ema", type=float, default=0.99)
    resume.add_arguments(p, batch=8, lr=1e-3)
    args = p.parse_args()
    if args.kind == "xu" and args.range != [0, 1]:
        p.error("the images of --kind xu are given as --range 0 1: the generator's own range is put to them here")
    return args


def make(args):
    """What the comparer is given, (count, 2 c or 3 c, h, w) in float16, and where the defects are, (count, 1, h, w) of bool."""
    images, rng = dataset.Samples(args), np.random.default_rng([args.seed, 1])
    defects, model, given, truth = perlin.Defects(args.size, args.clean), KINDS[args.kind](args.model), [], []
    for start in range(0, args.count, 20):
        x = images.draw(min(20, args.count - start), rng)[0].numpy()
        x, where = (np.stack(v) for v in zip(*(defects.add(v, rng) for v in x)))
        given.append(model.rebuild(torch.from_numpy(x), args.ddim, [args.seed, start]).half().numpy())
        truth.append(where > 0)
        if start % 100 == 0:
            print(f"{start} of {args.count} images rebuilt", flush=True)
    return {"given": np.concatenate(given), "truth": np.concatenate(truth)}


def main():
    """Trains until the time or the steps are used up."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    data = latent.cached(args.cache, lambda: make(args))
    given, truth = data["given"], data["truth"]
    folder = os.path.join(args.model, "comparer")
    model = draem.Comparer(draem.make_config(given.shape[1], args.base))
    average = resume.Average(model, args.ema)
    run = resume.Run(args, folder, model, {"average": average}, lambda: draem.save(folder, model.config, average.values),
                     betas=(0.9, 0.999))
    for _, rng in run:
        pick = np.sort(rng.choice(len(given), args.batch, replace=False))
        x, y = torch.from_numpy(given[pick]).float(), torch.from_numpy(truth[pick]).float()
        if args.patch:
            top, left = rng.integers(args.size - args.patch + 1, size=2)
            x, y = (v[:, :, top:top + args.patch, left:left + args.patch] for v in (x, y))
        axes = [axis for axis, name in ((3, "x"), (2, "y")) if name in args.flip and rng.random() < 0.5]
        x, y = x.flip(axes) * float(1 + args.brightness * rng.uniform(-1, 1)), y.flip(axes)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            logits = model(x)
        loss = draem.focal(logits.float(), y)
        run.learn(loss, missed=((logits.argmax(1, keepdim=True) != y) * 1.0).mean())
        average.update()


if __name__ == "__main__":
    main()
