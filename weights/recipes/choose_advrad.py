"""Chooses AdvRAD's step and filter without anomalous images: by made-up faults on good images that were not trained on.

    python choose_advrad.py MODEL IMAGES --hold-out 7 --steps 50 100 150 --filters 1 3 5 9

The best mean AUROC over the kinds of fault is written to MODEL/detector.json with an image threshold: the `--quantile` of the
held-out good images' scores. The mean map is that of the training images, one draw of the noise each.
"""
import argparse
import json
import os

import numpy as np
import torch

import advrad
import choose
import dataset
import faults
import guided
import train
import unet


def inputs(images):
    """Network inputs (n, c, h, w) of images (h, w, c)."""
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2)) * 2 - 1


@torch.no_grad()
def rebuild(model, x, k, seed, bars, batch=16):
    """One-shot reconstructions, each image with its own noise."""
    noise = torch.from_numpy(np.random.default_rng([seed, k]).standard_normal(x.shape, np.float32))
    return torch.cat([advrad.one_shot(model, p, k, n, bars) for p, n in zip(x.split(batch), noise.split(batch))])


def main():
    """Chooses."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("images", help="folder of good images that the model was trained on, less those held out")
    p.add_argument("--hold-out", type=int, default=7, help="as in training")
    p.add_argument("--every", type=int, default=1, help="take every so many of the held-out images")
    p.add_argument("--steps", type=int, nargs="+", default=[50, 100, 150, 200])
    p.add_argument("--filters", type=int, nargs="+", default=[1, 3, 5, 9])
    p.add_argument("--mean-of", type=int, default=200, help="training images that the mean map is made of")
    p.add_argument("--quantile", type=float, default=0.95)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    path = os.path.join(a.model, "detector.json")
    with open(path) as f:
        det = json.load(f)
    side, system = det["input"]["width"], det["system"]
    paths = dataset.find([a.images])
    trained = [q for i, q in enumerate(paths) if i % a.hold_out]
    trained = trained[::max(1, len(trained) // a.mean_of)]
    rng = np.random.default_rng(a.seed)
    good = dataset.load(paths[::a.hold_out][::a.every], 1, side)
    sets = {"good": inputs(good)} | {kind: inputs([faults.make(g, kind, rng) for g in good]) for kind in faults.KINDS}
    sets["trained"] = inputs(dataset.load(trained, 1, side))
    model, bars, best = guided.load(a.model), train.alpha_bars(), None
    for k in a.steps:
        rebuilt = {name: rebuild(model, x, k, [a.seed, i], bars) for i, (name, x) in enumerate(sets.items())}
        for size in a.filters:
            maps = {name: advrad.error_map(x, rebuilt[name], system["scales"], size) for name, x in sets.items()}
            mean = maps["trained"].mean(0, keepdim=True)
            s = {name: advrad.score(m, mean).numpy() for name, m in maps.items()}
            areas = [choose.auroc(s["good"], s[kind]) for kind in faults.KINDS]
            said = ", ".join(f"{kind} {v:.3f}" for kind, v in zip(faults.KINDS, areas))
            said = f"k {k} filter {size}: mean AUROC {np.mean(areas):.4f} ({said}); mean score {s['good'].mean():.4f}"
            print(said, flush=True)
            if best is None or np.mean(areas) > best[0]:
                limit = float(np.quantile(s["good"], a.quantile))
                made = dict(system, k=k, blur={"kind": "box", "size": size} if size > 1 else None)
                best = np.mean(areas), dict(det, system=made, threshold={"image": limit}), said
    print("chosen:", best[2])
    if not a.dry:
        unet.write_json(path, best[1])


if __name__ == "__main__":
    main()
