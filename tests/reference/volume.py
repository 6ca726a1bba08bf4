#!/usr/bin/env python3
"""Writes volume.json: small volumes with what SciPy and scikit-image make of them.

usage: volume.py > volume.json      needs numpy, scipy, scikit-image

Maps are integers, to be divided by 8; masks are strings of 0 and 1; both are stored slice by slice, width fastest. The
bracketing of the threshold is written out here from its description, as no library has it.
"""
import json
import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops

rng = np.random.default_rng(20270117)
ONES = np.ones((3, 3, 3))


def bits(mask):
    return "".join("01"[int(v)] for v in mask.ravel())


def median_case(shape, side, spread):
    volume = rng.integers(-spread, spread + 1, shape)
    out = ndimage.median_filter((volume / 8).astype(np.float32), size=side)
    return {"dims": shape, "side": side, "map": volume.ravel().tolist(), "median": (out * 8).astype(int).ravel().tolist()}


def erosion_case(mask):
    cross = ndimage.generate_binary_structure(2, 1)
    eroded = [bits(mask)]
    for n in (1, 2, 3):
        eroded.append(bits(np.stack([ndimage.binary_erosion(s, structure=cross, iterations=n) for s in mask])))
    return {"dims": mask.shape, "eroded": eroded}


def component_case(name, mask):
    labels, count = ndimage.label(mask, ONES)
    # Numbered by first voxel, and the same partition as scikit-image's.
    firsts = [np.flatnonzero(labels.ravel() == k)[0] for k in range(1, count + 1)]
    rank = np.zeros(count + 1, int)
    rank[1 + np.argsort(firsts)] = np.arange(1, count + 1)
    labels = rank[labels]
    other = label(mask, connectivity=3)
    pairs = set(zip(labels.ravel().tolist(), other.ravel().tolist()))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    regions = regionprops(labels)
    cases = []
    for largest in (0, 7, 26, 27) if name == "designed" else (1, 3, 11):
        kept, filled = mask.copy(), np.zeros_like(mask)
        for region in regions:
            if region.area_filled <= largest:
                kept[labels == region.label] = False
            else:
                filled[region.slice] |= region.image_filled
        cases.append({"largest": largest, "kept": bits(kept), "filled": bits(kept | filled)})
    return {"name": name, "dims": mask.shape, "mask": bits(mask), "labels": labels.ravel().tolist(),
            "filled_sizes": [int(r.area_filled) for r in regions], "dropped": cases}


def noise(shape, share):
    return rng.random(shape) < share


def designed():
    """Components with holes, open and closed, with others in them, at the border and touching by corners."""
    volume = np.zeros((7, 9, 16), bool)
    volume[0:3, 0:3, 0:3] = True                        # closed around one voxel, at the volume's corner
    volume[1, 1, 1] = False
    volume[0:3, 0:3, 4:7] = True                        # open at a corner
    volume[1, 1, 5] = volume[0, 0, 4] = False
    volume[4:7, 0:3, 0:3] = True                        # open at an edge, touching the volume's border
    volume[5, 1, 1] = volume[6, 2, 1] = False
    for z, y, x in ((4, 1, 5), (6, 1, 5), (5, 0, 5), (5, 2, 5), (5, 1, 4), (5, 1, 6)):
        volume[z, y, x] = True                          # six around one voxel: closed for six neighbours only
    volume[1:6, 4:9, 0:5] = True                        # a shell with one voxel inside
    volume[2:5, 5:8, 1:4] = False
    volume[3, 6, 2] = True
    volume[0, 5, 7] = volume[1, 6, 8] = volume[2, 7, 9] = True  # a diagonal line
    volume[3, 5:8, 7:10] = True                         # a ring in one slice, which encloses nothing
    volume[3, 6, 8] = False
    volume[6, 8, 15] = volume[0, 0, 15] = volume[6, 0, 9] = True  # single voxels at corners
    volume[4:7, 3:6, 12:15] = True                      # full, at the border
    return volume


def dice(maps, masks, threshold):
    found, truth = np.concatenate(maps) > threshold, np.concatenate(masks)
    return 2 * float((found & truth).sum()) / max(int(found.sum() + truth.sum()), 1)


def bracket_case(maps, masks, shapes):
    bottom, top = 0.0, max(float(m.max()) for m in maps) / 8 or 1.0
    flat = [m.ravel() / 8 for m in maps], [m.ravel() for m in masks]
    best, tried = (0.0, 0.0), []
    for _ in range(10):
        quarter = (top - bottom) / 4
        low, high = bottom + quarter, bottom + 3 * quarter
        scores = dice(*flat, low), dice(*flat, high)
        tried += [low, high]
        goes_low = scores[0] >= scores[1]
        if max(scores) >= best[0]:
            best = max(scores), low if goes_low else high
        bottom, top = (bottom, bottom + 2 * quarter) if goes_low else (bottom + 2 * quarter, top)
    return {"volumes": [{"dims": s, "map": m.ravel().tolist(), "mask": bits(k)} for s, m, k in zip(shapes, maps, masks)],
            "tried": tried, "dice": best[0], "threshold": best[1],
            "means": [float((m / 8)[k].mean()) if k.any() else None for m, k in zip(maps, masks)]}


def brackets():
    cases = []
    for shapes, shift in (([(2, 5, 6), (1, 6, 7)], 30), ([(3, 4, 4)], 0), ([(1, 4, 5), (2, 3, 3)], 400)):
        masks = [noise(s, 0.2) for s in shapes]
        maps = [rng.integers(0, 60, s) + shift * k for s, k in zip(shapes, masks)]
        cases.append(bracket_case(maps, masks, shapes))
    # Nothing to find, and a map of zeros, whose interval is [0, 1].
    cases.append(bracket_case([rng.integers(0, 9, (1, 3, 3))], [np.zeros((1, 3, 3), bool)], [(1, 3, 3)]))
    cases.append(bracket_case([np.zeros((1, 3, 3), int)], [noise((1, 3, 3), 0.5)], [(1, 3, 3)]))
    return cases


def main():
    medians = [median_case(*a) for a in [((1, 7, 9), 3, 40), ((1, 11, 13), 5, 40), ((2, 6, 5), 5, 4), ((1, 1, 1), 5, 9),
                                         ((5, 1, 12), 7, 40), ((3, 4, 5), 9, 40), ((7, 8, 9), 3, 2), ((9, 6, 8), 5, 99)]]
    solid = np.ones((1, 9, 10), bool)
    solid[0, 4, 0] = False
    blobs = ndimage.binary_dilation(noise((3, 14, 11), 0.05), iterations=2)
    erosions = [erosion_case(m) for m in (solid, blobs, noise((2, 6, 9), 0.9), np.ones((2, 5, 1), bool))]
    components = [component_case(*a) for a in [
        ("designed", designed()), ("sparse", noise((5, 7, 8), 0.12)), ("denser", noise((6, 6, 9), 0.2)),
        ("one slice", noise((1, 9, 12), 0.3)), ("two slices", noise((2, 8, 7), 0.25)),
        ("full", np.ones((3, 3, 4), bool)), ("empty", np.zeros((2, 3, 4), bool)), ("spongy", noise((6, 7, 8), 0.75))]]
    print(json.dumps({"median": medians, "erosion": erosions, "components": components, "bracket": brackets()},
                     separators=(",", ":")))


main()
