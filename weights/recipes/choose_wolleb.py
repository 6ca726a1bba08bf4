"""Chooses Wolleb et al.'s free settings on validation slices, or evaluates what detector.json holds.

    python choose_wolleb.py MODEL --normal FILES --defect FILES --masks DIR --counts 50 --levels 8 12 --scales 10 30 100
    python choose_wolleb.py MODEL --normal FILES --defect FILES --masks DIR --evaluate

Every combination is tried, and the best pixel AUPRC over the anomalous slices is written to MODEL/detector.json with
thresholds and the kind of score that ranks the slices best. Nothing smooths the map: the publication has no such step.
"""
import argparse
import itertools
import json
import os
import time

import numpy as np
import torch

import choose
import classifier
import dataset
import guided
import train
import unet
import wolleb

SCORES = [{"kind": "mean"}, {"kind": "max"}, {"kind": "top", "fraction": 0.01}, {"kind": "top", "fraction": 0.05}]


def read(places, every, det):
    """Paths, network inputs (n, c, h, w) and sizes of image files."""
    paths = dataset.find(places)[::every]
    images = dataset.load(paths, det["input"]["channels"], 0)
    return paths, choose.prepare(images, det), [i.shape[:2] for i in images]


def main():
    """Chooses or evaluates."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--normal", nargs="+", required=True, help="folder or files")
    p.add_argument("--defect", nargs="+", required=True, help="folder or files")
    p.add_argument("--masks", required=True, help="folder of masks with the anomalous slices' names")
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--every-normal", type=int, default=1)
    p.add_argument("--counts", type=int, nargs="+", default=[50], help="steps of the respaced schedule")
    p.add_argument("--levels", type=int, nargs="+", default=[10], help="noise_level L, in steps of the respaced schedule")
    p.add_argument("--scales", type=float, nargs="+", default=[100], help="s; 0 decodes without a classifier")
    p.add_argument("--variants", nargs="+", default=["published"], choices=["published", "paper"])
    p.add_argument("--maps", nargs="+", default=["sum"], choices=["sum", "min_max"])
    p.add_argument("--evaluate", action="store_true")
    p.add_argument("--dry", action="store_true", help="print, do not write")
    p.add_argument("--save", help="write the first anomalous slices' images, results, maps and masks of the best to this PNG")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    path = os.path.join(a.model, "detector.json")
    with open(path) as f:
        det = json.load(f)
    system = det["system"]
    denoiser, guide = guided.load(a.model), classifier.load(os.path.join(a.model, "classifier"))
    names, bad, bad_sizes = read(a.defect, a.every, det)
    _, good, good_sizes = read(a.normal, a.every_normal, det)
    truth = choose.read_masks(a.masks, [os.path.basename(n) for n in names])
    x, sizes, n = torch.cat([good, bad]), good_sizes + bad_sizes, len(good)
    noise = torch.from_numpy(np.random.default_rng(a.seed).standard_normal(x.shape, np.float32))
    if a.evaluate:
        a.counts, a.levels, a.scales = [int(system["respacing"][4:])], [system["noise_level"]], [system["scale"]]
        a.variants, a.maps, a.dry = [system["variant"]], [system["difference"]], True

    def judge(heat, kinds):
        made = choose.resize_maps(heat, sizes)
        ranked = []
        for kind in kinds:
            s = [choose.score(m, kind) for m in made]
            ranked.append((choose.auroc(s[:n], s[n:]), kind, s))
        return *choose.curve(made[n:], truth), *max(ranked, key=lambda r: r[0])

    best = None
    for count, level, variant in itertools.product(a.counts, a.levels, a.variants):
        start = time.time()
        chain = wolleb.Chain(denoiser, guide, train.alpha_bars(), count, system["classes"].index(system["target"]))
        latent = chain.encode(x, level, variant, noise)
        for scale in a.scales:
            rebuilt = chain.decode(latent, level, variant, scale)
            for kind in a.maps:
                heat = wolleb.difference(x, rebuilt, kind)
                precision, dice, cut, area, scored, s = judge(heat, [det["score"]] if a.evaluate else SCORES)
                said = (f"N {count} L {level} {variant} s {scale:g} {kind}: AUPRC {precision:.4f} Dice {dice:.4f} AUROC {area:.4f} "
                        f"{scored}; {time.time() - start:.0f} s")
                print(said, flush=True)
                if best is None or precision > best[0]:
                    chosen = dict(system, respacing=f"ddim{count}", noise_level=level, variant=variant, scale=scale, difference=kind)
                    limits = {"pixel": cut, "image": choose.image_threshold(s[:n], s[n:])}
                    best = precision, dict(det, system=chosen, score=scored, threshold=limits), said, rebuilt, heat
    print("chosen:", best[2])
    if a.save:
        rows = [x[n:], best[3][n:].clamp(0, 1), best[4][n:] / best[4][n:].max()]
        rows = [np.concatenate(list(r[:16, 0].numpy()), 1) for r in rows]
        masks = [dataset.resize(t.astype(np.float32), x.shape[3])[:, :, 0] for t in truth[:16]]
        sheet = np.concatenate([*rows, np.concatenate(masks, 1)], 0)
        dataset.Image.fromarray((255 * sheet.clip(0, 1)).astype(np.uint8)).save(a.save)
    if not a.dry:
        unet.write_json(path, best[1])


if __name__ == "__main__":
    main()
