"""DRAEM's made-up defects (Zavrtanik et al. 2021), which DiffAD trains with too: textures seen through thresholded Perlin noise.

The paper's textures are photographs of the DTD set. Here they are pictures that scikit-image's wheel carries (`skimage.data`),
cut at random places and scales.
"""
import os

import numpy as np
from PIL import Image
from scipy import ndimage

PICTURES = ("brick.png", "grass.png", "gravel.png", "camera.png", "coins.png", "moon.png", "coffee.png", "chelsea.png",
            "astronaut.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg", "ihc.png", "cell.png")


def pictures():
    """Grey pictures, float32 in 0..1."""
    import skimage
    folder = os.path.join(os.path.dirname(skimage.__file__), "data")
    return [np.asarray(Image.open(os.path.join(folder, n)).convert("L"), np.float32) / 255 for n in PICTURES]


def noise(size, cells, rng):
    """Perlin noise (size, size) of a lattice with (rows, columns) cells; within -1 and 1, mean 0."""
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1))
    y, x = (np.arange(size) * n / size for n in cells)
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[:, None], (x - j)[None, :]
    smooth = [6 * f ** 5 - 15 * f ** 4 + 10 * f ** 3 for f in (v, u)]
    corner = {}
    for a in (0, 1):
        for b in (0, 1):
            g = angle[i + a][:, j + b]
            corner[a, b] = np.sin(g) * (v - a) + np.cos(g) * (u - b)
    rows = [corner[a, 0] + smooth[1] * (corner[a, 1] - corner[a, 0]) for a in (0, 1)]
    return np.sqrt(2) * (rows[0] + smooth[0] * (rows[1] - rows[0]))


def mask(size, rng, finest=5):
    """Where the defect is, (size, size) of bool: noise of 2^0 to 2^finest cells a side, turned, above 0.5; never empty."""
    while True:
        field = noise(size, 2 ** rng.integers(0, finest + 1, 2), rng)
        # Turned about the centre; what comes in from outside is the field mirrored.
        turned = ndimage.rotate(field, rng.uniform(-90, 90), reshape=False, order=1, mode="reflect")
        if (turned > 0.5).any():
            return turned > 0.5


def equalized(t, _):
    """Grey values by their rank."""
    return np.argsort(np.argsort(t, None)).reshape(t.shape).astype(np.float32) / t.size


def sharper(t, _):
    """Unsharp masking."""
    return np.clip(t + 2 * (t - ndimage.gaussian_filter(t, 1)), 0, 1)


# The changes of a texture, three of which are drawn; colour has no place among grey ones.
CHANGES = [
    lambda t, rng: t ** rng.uniform(0.5, 2.0),
    lambda t, rng: np.clip(t * rng.uniform(0.8, 1.2) + rng.uniform(-0.12, 0.12), 0, 1),
    lambda t, rng: np.where(t > rng.uniform(0.25, 0.5), 1 - t, t),
    lambda t, rng: np.floor(t * 8) / 8,
    lambda t, rng: 1 - t,
    lambda t, rng: (t - t.min()) / max(t.max() - t.min(), 1e-3),
    lambda t, rng: np.rot90(t, rng.integers(1, 4)),
    equalized, sharper]


class Defects:
    """Adds made-up defects to images (c, h, w) in 0..1 of one size."""

    def __init__(self, size, clean=0.0):
        self.size, self.clean, self.sources = size, clean, pictures()

    def texture(self, rng):
        """A changed piece of a picture, (size, size)."""
        source = self.sources[rng.integers(len(self.sources))]
        side = int(min(self.size * 2.0 ** rng.uniform(-0.5, 1.5), *source.shape))
        top, left = (rng.integers(n - side + 1) for n in source.shape)
        piece = Image.fromarray(source[top:top + side, left:left + side]).resize((self.size, self.size), Image.BILINEAR)
        piece = np.asarray(piece, np.float32)
        for change in rng.choice(len(CHANGES), 3, replace=False):
            piece = CHANGES[change](piece, rng)
        return piece.astype(np.float32)

    def add(self, image, rng):
        """The image with a defect, and where it is (1, h, w) in float32; a share `clean` of them stays as it is."""
        if rng.random() < self.clean:
            return image, np.zeros_like(image[:1])
        where = mask(self.size, rng)[None]
        beta = rng.uniform(0, 0.8)
        made = np.where(where, (1 - beta) * self.texture(rng) + beta * image, image)
        return made.astype(np.float32), where.astype(np.float32)
