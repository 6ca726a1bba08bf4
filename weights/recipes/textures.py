"""Makes the texture data: training crops, a validation split and the samples that ship with the model.

    python textures.py OUT --brick brick.png --gravel gravel.png

The textures are `brick.png` and `gravel.png` of scikit-image (both CC0), found in its `data` folder when not given. The image
is cut in three by columns: the left half trains, the next quarter validates, the last quarter gives the samples. No pixel of
one part is in another. Defects are synthetic, drawn over crops of validation or sample columns, each with its mask.

    OUT/train/*.png
    OUT/val/{good,defect,masks}/*.png
    OUT/samples/{good,defect,masks}/*.png
"""
import argparse
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 128


def find(name):
    """The path of a texture in an installed scikit-image."""
    import skimage
    return os.path.join(os.path.dirname(skimage.__file__), "data", name)


def read(path):
    """A grey texture as float32 in 0..1."""
    return np.asarray(Image.open(path).convert("L"), np.float32) / 255


def write(folder, name, image):
    """An 8-bit PNG."""
    os.makedirs(folder, exist_ok=True)
    Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(os.path.join(folder, name))


def smooth_noise(rng, size, sigma):
    """A smooth random field with zero mean and unit deviation."""
    field = Image.fromarray(rng.standard_normal((size, size)).astype(np.float32))
    wide = np.asarray(field.convert("F"))
    radius = int(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    for axis in (0, 1):
        wide = np.apply_along_axis(lambda v: np.convolve(np.pad(v, radius, mode="wrap"), kernel, "valid"), axis, wide)
    return (wide - wide.mean()) / wide.std()


def blob(rng, radius, ragged=0.25):
    """A soft-edged irregular shape (SIDE, SIDE) in 0..1 around a random centre."""
    cx, cy = rng.uniform(radius + 8, SIDE - radius - 8, 2)
    rows, cols = np.mgrid[0:SIDE, 0:SIDE]
    distance = np.hypot(cols - cx, rows - cy) / radius + ragged * smooth_noise(rng, SIDE, radius / 2.5) * 0.5
    return np.clip((1 - distance) * radius / 2.0 + 0.5, 0, 1)


def scratch(rng, image, gravel):
    """A long thin bright line, slightly bent, of uneven strength."""
    scale, count = 4, 24
    angle, bend = rng.uniform(0.15, np.pi / 2 - 0.15) * rng.choice([-1, 1]), rng.uniform(-10, 10)
    length, (cx, cy) = rng.uniform(60, 95), rng.uniform(52, 76, 2)
    s = np.linspace(-0.5, 0.5, count)
    x = cx + np.cos(angle) * s * length - np.sin(angle) * bend * (1 - 4 * s * s)
    y = cy + np.sin(angle) * s * length + np.cos(angle) * bend * (1 - 4 * s * s)
    canvas = Image.new("L", (SIDE * scale, SIDE * scale))
    ImageDraw.Draw(canvas).line([(a * scale, b * scale) for a, b in zip(x, y)], fill=255, width=int(scale * rng.uniform(2.4, 3.4)))
    cover = np.asarray(canvas.resize((SIDE, SIDE), Image.BOX), np.float32) / 255
    strength = np.clip(0.85 + 0.1 * smooth_noise(rng, SIDE, 6), 0.6, 1)
    return image + cover * strength * (0.92 - image), cover > 0.3


def stain(rng, image, gravel):
    """A dark damp spot: the texture shows through."""
    cover = blob(rng, rng.uniform(15, 22))
    tone = np.clip(0.55 + 0.08 * smooth_noise(rng, SIDE, 5), 0.4, 0.7)
    return image * (1 - cover * tone), cover > 0.5


def foreign(rng, image, gravel):
    """A patch of another material."""
    cover = blob(rng, rng.uniform(16, 23), 0.15)
    top, left = rng.integers(0, gravel.shape[0] - SIDE), rng.integers(0, gravel.shape[1] - SIDE)
    return image + cover * (gravel[top:top + SIDE, left:left + SIDE] - image), cover > 0.5


def splash(rng, image, gravel):
    """A blotch of light paint with a few drops around it."""
    cover = blob(rng, rng.uniform(12, 17), 0.35)
    for _ in range(rng.integers(1, 4)):
        cover = np.maximum(cover, blob(rng, rng.uniform(3, 5), 0.1))
    tone = np.clip(0.88 + 0.03 * smooth_noise(rng, SIDE, 4), 0.75, 1)
    return image + cover * 0.95 * (tone - image), cover > 0.5


DEFECTS = {"scratch": scratch, "stain": stain, "foreign": foreign, "splash": splash}


def warped(rng, region):
    """A training crop: rotated, scaled and sheared a little about a random place of the region."""
    h, w = region.shape
    angle, scale = np.deg2rad(rng.uniform(-7, 7)), rng.uniform(0.88, 1.12)
    shear = rng.uniform(-0.05, 0.05)
    m = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, shear], [0, 1]]) * scale
    reach = np.abs(m @ np.array([[1, 1], [1, -1]]) * SIDE / 2).max(1) + 1
    cx = rng.uniform(reach[0], w - reach[0]) if w > 2 * reach[0] else w / 2
    cy = rng.uniform(reach[1], h - reach[1])
    offset = np.array([cx, cy]) - m @ np.array([SIDE / 2, SIDE / 2])
    matrix = (m[0, 0], m[0, 1], offset[0], m[1, 0], m[1, 1], offset[1])
    crop = np.asarray(Image.fromarray(region).transform((SIDE, SIDE), Image.AFFINE, matrix, Image.BICUBIC))
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def main():
    """Writes the three parts."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--brick")
    p.add_argument("--gravel")
    p.add_argument("--count", type=int, default=3000, help="training crops")
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    brick, gravel = read(a.brick or find("brick.png")), read(a.gravel or find("gravel.png"))
    rng = np.random.default_rng(a.seed)
    for i in range(a.count):
        write(os.path.join(a.out, "train"), f"{i:04d}.png", warped(rng, brick[:, :256]))
    kinds = list(DEFECTS)
    val, last = brick[:, 256:384], brick[:, 384:]
    for i in range(40):
        write(os.path.join(a.out, "val", "good"), f"{i:02d}.png", val[(top := i * 384 // 39):top + SIDE, ::-1 if i % 2 else 1])
        top, kind = int(rng.integers(0, 385)), kinds[i % 4]
        image, mask = DEFECTS[kind](rng, val[top:top + SIDE], gravel[:256])
        write(os.path.join(a.out, "val", "defect"), f"{i:02d}-{kind}.png", image)
        write(os.path.join(a.out, "val", "masks"), f"{i:02d}-{kind}.png", mask)
    for i, kind in enumerate(kinds):
        write(os.path.join(a.out, "samples", "good"), f"brick-{i + 1}.png", last[i * 128:i * 128 + SIDE])
        image, mask = DEFECTS[kind](rng, last[(top := 64 + i * 96):top + SIDE], gravel[256:])
        write(os.path.join(a.out, "samples", "defect"), f"{kind}.png", image)
        write(os.path.join(a.out, "samples", "masks"), f"{kind}.png", mask)


if __name__ == "__main__":
    main()
