"""DTE-NP's distances beside scikit-learn's brute-force neighbours, on the same rows, in one run.

    python neighbours.py RESIDUA TABLE.npz [TRAINING_ROWS]

RESIDUA is the release binary, TABLE an .npz with X and y. Both are given the same standardised rows and all cores that the
process may use. Needs NumPy and scikit-learn.
"""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

residua, table = sys.argv[1], np.load(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 50_000
x = table["X"].astype(np.float64)
normal = np.flatnonzero(table["y"] == 0)
train = x[np.random.RandomState(0).choice(normal, min(count, len(normal)), replace=False)]
mean, std = train.mean(0), train.std(0)
std[std == 0] = 1
train, x = ((v - mean).astype(np.float32) / std.astype(np.float32) for v in (train, x))

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    np.save(folder / "train.npy", train)
    np.save(folder / "all.npy", x)
    subprocess.run([residua, "dte", "fit", folder / "train.npy", "--out", folder / "model"], check=True)
    begin = time.perf_counter()
    command = [residua, "dte", "score", folder / "all.npy", "--model", folder / "model", "--device", "cpu"]
    subprocess.run(command + ["--out", folder / "scores.csv"], check=True)
    ours = time.perf_counter() - begin
    scores = np.loadtxt(folder / "scores.csv", delimiter=",", skiprows=1)[:, 1]
print(f"residua, reading and writing included: {ours:.1f} s", flush=True)

begin = time.perf_counter()
distances, _ = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(train).kneighbors(x)
theirs = time.perf_counter() - begin
want = (distances.astype(np.float64) ** 2).mean(1)
worst = float(np.abs(scores - want).max())
nmse = float(((scores - want) ** 2).sum() / (want**2).sum())
print(json.dumps({"rows": len(x), "training_rows": len(train), "columns": x.shape[1], "residua_s": round(ours, 1),
                  "scikit_learn_s": round(theirs, 1), "nmse": nmse, "largest_difference": worst}))
