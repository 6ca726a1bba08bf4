"""Trains a denoiser on a folder of normal images and writes a model folder.

    python train.py IMAGES MODEL --size 64 --gray --noise simplex --limit 300 --flip x --minutes 60
    python train.py IMAGES MODEL --method pddpm --patch 32 --size 64 --gray --from 250 --limit 900 --flip x --minutes 60
    python train.py IMAGES MODEL --layout guided --noise gaussian --range 0 1 --second DIR --masks DIR --gray --minutes 60

The state is saved beside the model every few minutes; the same command goes on after an interruption.
"""
import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

import dataset
import guided
import pddpm
import simplex
import unet


def arguments():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    dataset.add_arguments(p)
    p.add_argument("model", help="model folder to write")
    p.add_argument("--name", help="name in detector.json; the folder's name when not given")
    p.add_argument("--state", help="checkpoint file; MODEL.state.pt when not given")
    p.add_argument("--init", help="model folder of a network of this shape (classes aside) to go on from")
    p.add_argument("--method", choices=["anoddpm", "pddpm"], default="anoddpm")
    p.add_argument("--layout", choices=["diffusers", "guided"], default="diffusers", help="key layout of the stored network")
    p.add_argument("--patch", type=int, nargs="+", default=[32], help="pddpm: sides of the noised patch, one drawn a slice")
    p.add_argument("--noise", choices=["simplex", "gaussian"], default="simplex")
    p.add_argument("--limit", type=int, default=300, help="train steps t below this (at most 1000)")
    p.add_argument("--from", type=int, default=0, dest="first", help="train steps t from this on")
    p.add_argument("--base", type=int, default=32, help="width of the first level")
    p.add_argument("--mults", type=int, nargs="+", default=[1, 2, 4, 6], help="widths of the levels over the first")
    p.add_argument("--layers", type=int, default=1, help="resnets a level on the way down")
    p.add_argument("--attention", type=int, nargs="*", default=[], help="levels with attention, from 0; the middle has it anyway")
    p.add_argument("--groups", type=int, default=8, help="groups of the norms")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=5e-4, help="highest learning rate; it falls to nothing along a half cosine")
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--minutes", type=float, default=60, help="training time, over all interruptions")
    p.add_argument("--steps", type=int, default=0, help="train this many steps instead of --minutes")
    p.add_argument("--pool", type=int, default=4096, help="simplex fields made ahead")
    p.add_argument("--save", type=float, default=4, help="minutes between checkpoints")
    p.add_argument("--no-bf16", action="store_true", help="train in f32")
    p.add_argument("--threads", type=int, default=0, help="CPU threads of one worker; all when not given")
    p.add_argument("--workers", type=int, default=1, help="parts that a batch is split into and that are computed side by side;"
                   " on a busy machine two workers of one thread each wait less than one worker of two threads")
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    if args.second and args.layout == "diffusers":
        p.error("--second (a network with classes) goes with --layout guided")
    if args.batch % args.workers:
        p.error("--batch must be a multiple of --workers")
    return args


def draw_noise(pool, args, channels, rng):
    """Noise (n, c, size, size) and steps (n,)."""
    if pool:
        noise, t = pool.draw(args.batch // args.workers, channels)
        return torch.from_numpy(noise), torch.from_numpy(t)
    t = torch.from_numpy(rng.integers(args.first, args.limit, size=args.batch // args.workers))
    return torch.from_numpy(rng.standard_normal((len(t), channels, args.size, args.size), np.float32)), t


def alpha_bars():
    """The products of 1 - beta, linear from 1e-4 to 0.02 over 1000 steps."""
    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)


def corrupt(x, y, noise, t, args, bars, rng):
    """The network's input, steps and classes, and the loss of what the network makes of them: the noise, or the clean patch."""
    a = bars[t].float()[:, None, None, None]
    noisy = a.sqrt() * x + (1 - a).sqrt() * noise
    if args.method == "anoddpm":
        return noisy, t, y, lambda predicted: ((predicted - noise.to(predicted.device)) ** 2).mean()
    mask = pddpm.draw_boxes(len(x), args.size, args.patch, rng)
    return pddpm.compose(x, noisy, mask), t, y, lambda predicted: pddpm.loss(
        predicted, x.to(predicted.device), mask.to(predicted.device))


def to_range(model, limits):
    """A network of images in [-1, 1] made one of images in `limits`, but for what zero padding means at the border."""
    low, high = limits
    scale, shift = 2 / (high - low), -1 - 2 * low / (high - low)
    with torch.no_grad():
        model.conv_in.bias += shift * model.conv_in.weight.sum((1, 2, 3))
        model.conv_in.weight *= scale
    return model


def gradients(model, part, args, device):
    """The gradients of the parameters for a part of a batch, and its loss."""
    given, t, y, loss_of = part
    with torch.autocast(device.type, torch.bfloat16, enabled=not args.no_bf16):
        predicted = model(given.to(device).contiguous(memory_format=torch.channels_last), t.to(device), y.to(device))
    loss = loss_of(predicted.float())
    return torch.autograd.grad(loss, list(model.parameters())), loss.item()


SCHEDULER = {
    "_class_name": "DDPMScheduler", "_diffusers_version": "0.27.2", "num_train_timesteps": 1000, "beta_start": 0.0001,
    "beta_end": 0.02, "beta_schedule": "linear", "trained_betas": None, "variance_type": "fixed_large",
    "clip_sample": True, "clip_sample_range": 1.0, "prediction_type": "epsilon", "thresholding": False,
    "timestep_spacing": "leading", "steps_offset": 0, "rescale_betas_zero_snr": False}


def detector(args, name, channels):
    """A detector.json of AnoDDPM before anything was chosen."""
    noise = {"kind": "gaussian"} if args.noise == "gaussian" else {
        "kind": "simplex", "octaves": 6, "persistence": 0.8, "frequency": 64}
    return {
        "format": 1, "method": "anoddpm", "name": name, "network": unet.WEIGHTS,
        "input": {"width": args.size, "height": args.size, "channels": channels, "range": [-1, 1]},
        "schedule": {"kind": "linear", "train_steps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
                     "prediction": "epsilon", "variance": "fixed_large"},
        "noise": noise, "lambda": args.limit * 2 // 3, "sampler": {"kind": "ddim", "steps": 25, "eta": 0.0},
        "clip": True, "runs": 1, "residual": "squared", "blur": {"kind": "gaussian", "sigma": 2.0},
        "score": {"kind": "mean"}, "threshold": {"pixel": 0.1, "image": 0.05}}


def write_model(args, cfg, state):
    """The model folder; an existing detector.json stays, for its choices were made with care. In guided-diffusion's layout the
    network alone: what detects with it is said by the recipe that chooses the settings."""
    if args.layout == "guided":
        return guided.save(args.model, cfg, state)
    unet.save(args.model, cfg, state)
    by_patches = args.method == "pddpm"
    unet.write_json(os.path.join(args.model, "scheduler_config.json"), pddpm.SCHEDULER if by_patches else SCHEDULER)
    path, name = os.path.join(args.model, "detector.json"), args.name or os.path.basename(os.path.normpath(args.model))
    if not os.path.exists(path):
        unet.write_json(path, pddpm.detector(name, unet.WEIGHTS, args.size, cfg["in_channels"], args.patch[0])
                        if by_patches else detector(args, name, cfg["in_channels"]))


def main():
    """Trains until the time or the steps are used up."""
    args = arguments()
    torch.manual_seed(args.seed)
    set_threads = lambda: torch.set_num_threads(args.threads or torch.get_num_threads())
    set_threads()
    workers = ThreadPoolExecutor(args.workers, initializer=set_threads)
    channels = 1 if args.gray else 3
    images = dataset.Samples(args)
    # Crops at the images' own scale train a network for the whole images.
    side = args.side if args.side and args.crop == args.size else args.size
    cfg = unet.make_config(side, channels, [args.base * m for m in args.mults], args.attention, args.layers,
                           groups=args.groups, classes=2 if args.second else None)
    device = torch.device(args.device)
    model = unet.UNet(cfg).to(device, memory_format=torch.channels_last)
    if args.init:
        start = to_range(unet.load(args.init), args.range).state_dict()
        missing, unknown = model.load_state_dict(start, strict=False)
        if unknown or set(missing) - {"class_embedding.weight"}:
            raise SystemExit(f"{args.init}: its network has another shape")
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=1e-4, betas=(0.9, 0.99))
    step, elapsed = 0, 0.0
    state_path = args.state or os.path.normpath(args.model) + ".state.pt"
    if os.path.exists(state_path):
        saved = torch.load(state_path, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        ema, step, elapsed = saved["ema"], saved["step"], saved["elapsed"]
    rng = np.random.default_rng([args.seed, step])
    print(f"{len(images)} images, {unet.parameter_count(model):,} parameters, "
          f"{unet.macs(cfg) / 1e9:.3f} GMAC an image, from step {step}", flush=True)
    pool = simplex.Pool(args.pool, args.size, args.limit, rng, first=args.first) if args.noise == "simplex" else None
    bars = pddpm.alpha_bars() if args.method == "pddpm" else alpha_bars()

    def checkpoint():
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ema": ema, "step": step,
                    "elapsed": elapsed}, state_path + ".part")
        os.replace(state_path + ".part", state_path)
        write_model(args, cfg, ema)

    last, saved_at, shown_at, losses = time.time(), elapsed, elapsed, []
    while (progress := step / args.steps if args.steps else elapsed / (60 * args.minutes)) < 1:
        rate = float(args.lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        parts = [corrupt(*images.draw(args.batch // args.workers, rng)[:2], *draw_noise(pool, args, channels, rng), args, bars, rng)
                 for _ in range(args.workers)]
        results = list(workers.map(lambda part: gradients(model, part, args, device), parts))
        for p, *all_gradients in zip(model.parameters(), *(g for g, _ in results)):
            p.grad = sum(all_gradients) / args.workers
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(args.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            names = list(ema)
            current = model.state_dict()
            torch._foreach_lerp_([ema[k] for k in names], [current[k] for k in names], 1 - decay)
        if pool and step % 8 == 0:
            pool.refresh()
        losses.append(np.mean([loss for _, loss in results]))
        now = time.time()
        elapsed, last = elapsed + now - last, now
        if elapsed - shown_at > 20:
            left = (args.steps - step) * elapsed / step if args.steps else 60 * args.minutes - elapsed
            print(f"step {step} loss {np.mean(losses):.5f} {elapsed / step:.3f} s/step, {left / 60:.1f} min left", flush=True)
            shown_at, losses = elapsed, []
        if elapsed - saved_at > 60 * args.save:
            checkpoint()
            saved_at, last = elapsed, time.time()
    checkpoint()
    print(f"done: step {step}, {elapsed / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
