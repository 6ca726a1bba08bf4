"""Writes scaling.json: percentiles and scaled values by NumPy, volumes and their affines by nibabel.

Run from the repository's root: python tests/reference/scaling.py
"""
import base64
import json
from pathlib import Path

import nibabel as nib
import numpy as np

rng = np.random.default_rng(10)


def rescale(values, low, high):
    """torchio's RescaleIntensity to 0..1: clip to the ends, then stretch."""
    return (np.clip(values, low, high) - low) / (high - low)


def percentile_cases():
    cases = []
    for n in [2, 3, 7, 100, 101]:
        values = np.round(rng.normal(3, 40, n), 2).astype(np.float32)
        values[0] = values[-1] + 1
        for low, high in [(0, 100), (1, 99), (0.5, 99.5), (10, 33.3)]:
            ends = np.percentile(values.astype(np.float64), [low, high])
            cases.append({
                "values": values.tolist(), "low": low, "high": high, "ends": ends.tolist(),
                "scaled": rescale(values.astype(np.float64), *ends).tolist(),
            })
    return cases


def volume_case():
    """Four channels of a volume with a background of zero, its mask, and each channel as a file of its own."""
    affine = np.array([[1.2, 0.1, 0, -30], [-0.1, 1.1, 0.2, 12], [0, -0.2, 2.5, 7], [0, 0, 0, 1]])
    values = rng.integers(0, 900, (5, 4, 3, 4)).astype(np.int16)
    values[rng.random((5, 4, 3)) < 0.3] = 0
    mask = (rng.random((5, 4, 3)) < 0.5).astype(np.uint8)

    def nifti(array, affine=affine, codes=(1, 1)):
        image = nib.Nifti1Image(array, affine)
        image.set_qform(affine, codes[0])
        image.set_sform(affine, codes[1])
        return base64.b64encode(image.to_bytes()).decode()

    scaled = {}
    for name, ends in {"min_max": [0, 100], "percentiles": [2, 97]}.items():
        for over in ["volume", "mask", "above"]:
            channels = []
            for c in range(4):
                v = values[..., c].astype(np.float64)
                inside = {"volume": v.ravel(), "mask": v[mask > 0], "above": v[v > v.min()]}[over]
                channels.append(rescale(v, *np.percentile(inside, ends)).ravel(order="F").tolist())
            scaled[f"{name} {over}"] = channels
    rigid = nib.eulerangles.euler2mat(0.3, -0.2, 0.5) @ np.diag([1, 2, 3])
    rigid = nib.affines.from_matvec(rigid, [1, 2, 3])
    flipped = rigid @ np.diag([1, 1, -1, 1])
    affines = []
    for a, codes in [(affine, (1, 1)), (rigid, (1, 0)), (flipped, (2, 0)), (rigid, (0, 0))]:
        image = nib.Nifti1Image(mask, a)
        image.set_qform(a, codes[0])
        image.set_sform(a, codes[1])
        read = nib.Nifti1Image.from_bytes(image.to_bytes()).header
        # Without either, nibabel puts the origin at the middle; the standard's first method has none.
        want = read.get_best_affine() if any(codes) else np.diag([*read.get_zooms(), 1])
        affines.append({"file": base64.b64encode(image.to_bytes()).decode(), "affine": want[:3].tolist()})
    return {
        "dims": [5, 4, 3],
        "all": nifti(values),
        "channels": [nifti(values[..., c]) for c in range(4)],
        "moved": nifti(values[..., 0], affine + np.eye(4) * [[0], [0.3], [0], [0]]),
        "mask": nifti(mask),
        "scaled": scaled,
        "affines": affines,
    }


if __name__ == "__main__":
    found = {"percentiles": percentile_cases(), "volume": volume_case()}
    rounded = json.loads(json.dumps(found), parse_float=lambda v: round(float(v), 7))
    Path("tests/reference/scaling.json").write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
