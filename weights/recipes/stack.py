"""Stacks PNG slices into NIfTI volumes, one for each examination, to try detection on volumes.

    python stack.py OUT --images test/good test/tumour [--masks ground_truth/tumour] [--only TCGA_CS_4943] [--spacing 1 1 1]

Slices are named EXAMINATION_SLICE.png, as in TCGA_CS_4943_20000902_12.png; an examination's slices may lie in several folders.
Written are, of shape (width, height, slices), 8-bit,

    EXAMINATION.nii.gz        the intensities
    EXAMINATION_seg.nii.gz    1 where the mask is above 127; a slice without a mask counts as free of anomalies
    EXAMINATION_mask.nii.gz   1 where the intensity is above zero

A slice number that is missing between the first and the last becomes an empty plane in all three, and is reported. A PNG says
nothing of voxel sizes: give --spacing in mm, or take 1. The orientation is the radiological one (the left of the picture is the
patient's right, its top is anterior, slices rise towards the head). Needs nibabel, besides NumPy and Pillow.
"""
import argparse
import glob
import os
import re

import nibabel
import numpy as np
from PIL import Image

NAME = re.compile(r"(.+)_(\d+)\.png")


def examinations(folders, only):
    """For each examination whose name begins with `only`: the path of each slice by its number."""
    found = {}
    for path in sorted(p for f in folders for p in glob.glob(os.path.join(f, "*.png"))):
        name = NAME.fullmatch(os.path.basename(path))
        if name and name.group(1).startswith(only):
            slices = found.setdefault(name.group(1), {})
            number = int(name.group(2))
            if number in slices:
                raise SystemExit(f"{path}: slice {number} is there a second time, {slices[number]} is the first")
            slices[number] = path
    return found


def read(path):
    """A grey picture as (width, height), 8-bit."""
    return np.asarray(Image.open(path).convert("L")).T


def stack(slices, masks):
    """The intensities and the truth (width, height, slices), and the slice numbers that are missing."""
    first, last = min(slices), max(slices)
    shape = read(slices[first]).shape
    image = np.zeros((*shape, last - first + 1), np.uint8)
    truth = np.zeros_like(image)
    for number, path in slices.items():
        plane = read(path)
        if plane.shape != shape:
            raise SystemExit(f"{path}: is {plane.shape[0]}x{plane.shape[1]}, other slices {shape[0]}x{shape[1]}")
        image[:, :, number - first] = plane
        mask = os.path.join(masks, os.path.basename(path)) if masks else ""
        if os.path.exists(mask):
            truth[:, :, number - first] = read(mask) > 127
    return image, truth, sorted(set(range(first, last)) - set(slices))


def main():
    """Writes three files for each examination and prints a line about it."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", help="folder to write to")
    p.add_argument("--images", nargs="+", required=True, help="folders of slices")
    p.add_argument("--masks", help="folder of masks under the slices' names")
    p.add_argument("--only", default="", help="what an examination's name begins with")
    p.add_argument("--spacing", type=float, nargs=3, default=[1, 1, 1], help="voxel size in mm: column, row, slice")
    a = p.parse_args()
    found = examinations(a.images, a.only)
    if not found:
        raise SystemExit(f"{', '.join(a.images)}: no slices are named {a.only or 'EXAMINATION'}..._SLICE.png")
    os.makedirs(a.out, exist_ok=True)
    x, y, z = a.spacing
    for name, slices in found.items():
        image, truth, missing = stack(slices, a.masks)
        for suffix, data in [("", image), ("_seg", truth), ("_mask", (image > 0).astype(np.uint8))]:
            volume = nibabel.Nifti1Image(data, np.diag([-x, -y, z, 1]))
            volume.header.set_xyzt_units("mm")
            nibabel.save(volume, os.path.join(a.out, f"{name}{suffix}.nii.gz"))
        gaps = f"; empty planes for the missing slices {', '.join(map(str, missing))}" if missing else ""
        print(f"{name}: slices {min(slices)} to {max(slices)}, {int(truth.any((0, 1)).sum())} with an anomaly{gaps}")


if __name__ == "__main__":
    main()
