#!/usr/bin/env python3
"""Writes metrics.json: small rankings and maps with the metrics that scikit-learn and scikit-image give for them.

usage: metrics.py > metrics.json      needs numpy, scikit-learn, scikit-image

PRO is computed as in the MVTec evaluation code: for every distinct score as a threshold, the mean over connected regions
(8-connectivity) of the share of the region that is found, against the false-positive rate over all normal pixels;
trapezoids from (0, 0) to the limit of 0.3, interpolated linearly there, divided by 0.3.
"""
import json
import numpy as np
from skimage.measure import label
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

rng = np.random.default_rng(20261124)


def ranking(y, s):
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(y, s)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    iou = max(((s >= t) & y).sum() / ((s >= t) | y).sum() for t in np.unique(s))
    return {"auroc": roc_auc_score(y, s), "auprc": average_precision_score(y, s), "f1": f1.max(), "iou": iou,
            "fpr_at_95_tpr": fpr[np.argmax(tpr >= 0.95)]}


def pro(maps, masks, limit=0.3):
    scores = np.concatenate([m.ravel() for m in maps])
    normal = np.concatenate([m[~y] for m, y in zip(maps, masks)])
    regions = []
    for m, y in zip(maps, masks):
        labels = label(y)
        regions += [m[labels == k] for k in range(1, labels.max() + 1)]
    x, y = [0.0], [0.0]
    for t in np.unique(scores)[::-1]:
        x.append((normal >= t).mean())
        y.append(np.mean([(r >= t).mean() for r in regions]))
    x, y = np.array(x), np.array(y)
    inside = x <= limit
    area = np.trapezoid(y[inside], x[inside])
    if not inside.all():
        k = inside.sum()
        at = y[k - 1] + (y[k] - y[k - 1]) * (limit - x[k - 1]) / (x[k] - x[k - 1])
        area += (y[k - 1] + at) / 2 * (limit - x[k - 1])
    return area / limit


def images():
    yield "by hand", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    yield "all tied", [0, 1, 1, 0, 0], [0.5] * 5
    yield "perfect", [0, 0, 0, 1, 1], [-3.0, -2.0, 0.0, 1e-9, 7.0]
    yield "reversed", [1, 1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5]
    y = rng.random(60) < 0.4
    yield "random", y, rng.normal(size=60) + y
    y = rng.random(200) < 0.1
    yield "rare, with ties", y, np.round(rng.normal(size=200) + 1.5 * y, 1)
    y = np.arange(40) < 20
    yield "95 percent exactly", y, np.concatenate([np.linspace(1, 2, 19), [0.0], rng.random(20) * 1.5])


def pixels():
    def scene(shapes, sharpness, decimals):
        maps, masks = [], []
        for k, (h, w) in enumerate(shapes):
            y = np.zeros((h, w), bool)
            for _ in range(k % 3):
                a, b = rng.integers(0, h - 2), rng.integers(0, w - 2)
                y[a:a + rng.integers(1, 4), b:b + rng.integers(1, 5)] = True
                y[a, b] = False
            maps.append(np.round(rng.random((h, w)) + sharpness * y * rng.random(), decimals).astype(np.float32))
            masks.append(y)
        return maps, masks
    yield "ties", *scene([(6, 7), (8, 5), (9, 9), (4, 4), (10, 6)], 0.8, 1)
    yield "distinct", *scene([(8, 8)] * 5, 1.0, 9)
    m = np.array([[4, 3, 0, 2], [1, 4, 0, 0], [0, 0, 0, 3], [-1, 0, 3, -2]], np.float32)
    yield "diagonal neighbours are one region", [m], [np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], bool)]


out = {"images": [], "pixels": []}
for name, y, s in images():
    y, s = np.asarray(y, bool), np.asarray(s, float)
    out["images"].append({"name": name, "labels": y.tolist(), "scores": s.tolist(), **ranking(y, s)})
for name, maps, masks in pixels():
    y, s = np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps]).astype(float)
    out["pixels"].append({
        "name": name, "regions": int(sum(label(m).max() for m in masks)),
        "maps": [m.astype(float).tolist() for m in maps], "masks": [m.astype(int).tolist() for m in masks],
        **ranking(y, s), "pro": pro(maps, masks)})
print(json.dumps(out, default=float))
