"""Trains the classifier of noised images that guides Wolleb et al.'s decoding, and writes its folder.

    python train_classifier.py NORMAL FOLDER --second DIR --masks DIR --range 0 1 --gray --limit 600 --minutes 20

The loss is the cross-entropy of q(x_t) for uniform t. With --cells and masks a second head, which is not kept, tells in which cells of
the last feature map the lesion lies: what is learned in minutes so takes hours from the classes alone. The state is saved beside the folder, and the same command goes on.
"""
import argparse
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import classifier
import dataset
import guided
import train
import unet


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("folder", help="folder to write")
    p.add_argument("--check-normal", nargs="+", help="folder or files of class 0, to measure the accuracy on")
    p.add_argument("--check-second", nargs="+", help="the same of class 1")
    p.add_argument("--init", help="model folder of recipes/train.py whose encoder the trunk begins as; widths are then that one's")
    p.add_argument("--limit", type=int, default=1000, help="train steps t below this")
    p.add_argument("--base", type=int, default=16, help="width of the first level")
    p.add_argument("--mults", type=int, nargs="+", default=[1, 2, 4, 4], help="widths of the levels over the first")
    p.add_argument("--attention", type=int, nargs="*", default=[8], help="down-sampling factors with attention")
    p.add_argument("--groups", type=int, default=8, help="groups of the norms")
    p.add_argument("--cells", type=float, default=0.0, help="weight of the loss of the cells; needs --masks")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--decay", type=float, default=0.05, help="weight decay")
    p.add_argument("--ema", type=float, default=0.995)
    p.add_argument("--minutes", type=float, default=20, help="training time, over all interruptions")
    p.add_argument("--save", type=float, default=3, help="minutes between checkpoints")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    if args.cells and not args.masks:
        p.error("--cells needs --masks")
    return args


def noised(x, t, rng, bars):
    """x_t of images (n, c, h, w) at steps (n,)."""
    a = bars[t].float()[:, None, None, None]
    return a.sqrt() * x + (1 - a).sqrt() * torch.from_numpy(rng.standard_normal(x.shape, np.float32))


def loader(args, places):
    """Images (n, c, size, size) in the network's range."""
    made = dataset.load(dataset.find(places), 1 if args.gray else 3, args.size)
    low, high = args.range
    return torch.from_numpy(np.stack(made).transpose(0, 3, 1, 2)) * (high - low) + low


@torch.no_grad()
def accuracy(model, sets, bars, steps):
    """Balanced accuracy on (images of class 0, images of class 1) at each of some steps, as text."""
    said = []
    for t in steps:
        rng, shares = np.random.default_rng(0), []
        for y, x in enumerate(sets):
            given = noised(x, torch.full((len(x),), t), rng, bars)
            found = torch.cat([model(p, torch.full((len(p),), t)) for p in given.split(32)]).argmax(1)
            shares.append((found == y).float().mean().item())
        said.append(f"t {t}: {shares[0]:.2f} {shares[1]:.2f}")
    return ", ".join(said)


def main():
    """Trains until the time is used up."""
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    data = dataset.Samples(args)
    cfg = classifier.make_config(args.size, 1 if args.gray else 3, args.base, args.mults, args.attention, groups=args.groups)
    if args.init:
        start = train.to_range(unet.load(args.init), args.range)
        mults = [w // start.config["block_out_channels"][0] for w in start.config["block_out_channels"]]
        args.base, args.mults = start.config["block_out_channels"][0], mults
        cfg = classifier.make_config(args.size, 1 if args.gray else 3, args.base, mults, [], start.config["layers_per_block"],
                                     start.config["attention_head_dim"], start.config["norm_num_groups"], published=False)
    model = classifier.Classifier(cfg).to(memory_format=torch.channels_last)
    if args.init:
        trunk = guided.to_guided(start.config, start.state_dict())
        found = {k: v for k, v in trunk.items() if k in model.state_dict() and not k.startswith("out.")}
        missing = model.load_state_dict(found, strict=False).missing_keys
        if any(not k.startswith("out.") for k in missing):
            raise SystemExit(f"{args.init}: its encoder is not the classifier's trunk")
    average = classifier.Classifier(cfg).to(memory_format=torch.channels_last)
    average.load_state_dict(model.state_dict())
    cells = torch.nn.Conv2d(args.base * args.mults[-1], 1, 1)
    trained = [*model.parameters(), *cells.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=args.lr, weight_decay=args.decay)
    step, elapsed, path = 0, 0.0, os.path.normpath(args.folder) + ".state.pt"
    if os.path.exists(path):
        saved = torch.load(path)
        model.load_state_dict(saved["model"])
        cells.load_state_dict(saved["cells"])
        average.load_state_dict(saved["ema"])
        optimizer.load_state_dict(saved["optimizer"])
        step, elapsed = saved["step"], saved["elapsed"]
    rng, bars = np.random.default_rng([args.seed, step, 7]), train.alpha_bars()
    sets = [loader(args, places) for places in (args.check_normal, args.check_second)] if args.check_normal else None
    print(f"{len(data)} images, {len(data.lesions)} lesions, {sum(p.numel() for p in model.parameters()):,} parameters", flush=True)

    def checkpoint():
        torch.save({"model": model.state_dict(), "ema": average.state_dict(), "cells": cells.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                    "elapsed": elapsed}, path + ".part")
        os.replace(path + ".part", path)
        classifier.save(args.folder, cfg, average.state_dict())
        if sets:
            steps = [t for t in (0, 50, 100, 200, 300, 400, 600) if t < args.limit]
            print("right of class 0 and 1 at", accuracy(average, sets, bars, steps), flush=True)

    last, saved_at, shown_at, losses = time.time(), elapsed, elapsed, []
    while (progress := elapsed / (60 * args.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = float(args.lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress))))
        x, y, where = data.draw(args.batch, rng)
        t = torch.from_numpy(rng.integers(args.limit, size=len(x)))
        given = noised(x, t, rng, bars).contiguous(memory_format=torch.channels_last)
        features = model.features(given, t)
        loss = F.cross_entropy(model.out(features), y)
        losses.append(loss.item())
        if args.cells:
            said = cells(F.silu(features))
            truth = (F.adaptive_avg_pool2d(where, said.shape[2:]) > 0.2).float()
            weight = torch.tensor(8.0)  # a lesion takes about one cell in ten
            loss = loss + args.cells * F.binary_cross_entropy_with_logits(said, truth, pos_weight=weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        step += 1
        decay = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        now = time.time()
        elapsed, last = elapsed + now - last, now
        if elapsed - shown_at > 20:
            print(f"step {step} loss {np.mean(losses):.4f} {elapsed / step:.3f} s/step, {args.minutes - elapsed / 60:.1f} min left",
                  flush=True)
            shown_at, losses = elapsed, []
        if elapsed - saved_at > 60 * args.save:
            checkpoint()
            saved_at, last = elapsed, time.time()
    checkpoint()
    print(f"done: step {step}, {elapsed / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
