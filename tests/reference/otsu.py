"""Writes otsu.json: Otsu's thresholds of made-up maps by scikit-image, and how many values lie above them.

    python otsu.py > otsu.json
"""
import json

import numpy as np
from skimage.filters import threshold_otsu


def cases():
    rng = np.random.default_rng(5)
    noise = np.abs(rng.normal(0, 0.05, 400))
    yield "two heaps", np.concatenate([noise, rng.normal(0.7, 0.1, 40)])
    yield "one heap", noise
    yield "mostly zeros", np.concatenate([np.zeros(300), rng.uniform(0, 2, 57)])
    yield "few values", np.array([0.0, 0.1, 0.1, 0.9])
    yield "even steps", np.arange(257) / 256
    yield "below zero too", rng.normal(-3, 2, 150)
    yield "tiny", 1e-6 * rng.gamma(2, 1, 200)


def main():
    out = []
    for name, values in cases():
        values = values.astype(np.float32)
        threshold = threshold_otsu(values)
        out.append({"name": name, "threshold": float(threshold), "above": int((values > threshold).sum()),
                    "values": [float(v) for v in values]})
    print(json.dumps({"cases": out}, indent=None))


if __name__ == "__main__":
    main()
