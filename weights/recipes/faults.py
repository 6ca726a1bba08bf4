"""Made-up faults on images of good surfaces: what settings are chosen by where anomalous images must not be looked at."""
import numpy as np
from scipy import ndimage

KINDS = ("spot", "line", "patch", "shade")


def spot(image, rng):
    """A small dark hole with a soft edge."""
    size = image.shape[0]
    r, c = np.mgrid[:size, :size]
    row, col = rng.uniform(0.1, 0.9, 2) * size
    ry, rx = rng.uniform(0.012, 0.05, 2) * size
    inside = np.clip(1.5 - np.hypot((r - row) / ry, (c - col) / rx), 0, 1)
    return image * (1 - rng.uniform(0.35, 0.8) * inside)


def line(image, rng):
    """A thin dark crack that wanders."""
    size = image.shape[0]
    steps = int(rng.uniform(0.15, 0.5) * size)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, steps))
    rows = rng.uniform(0.2, 0.8) * size + np.cumsum(np.sin(angle))
    cols = rng.uniform(0.2, 0.8) * size + np.cumsum(np.cos(angle))
    ink = np.zeros((size, size))
    keep = (rows >= 0) & (rows < size) & (cols >= 0) & (cols < size)
    ink[rows[keep].astype(int), cols[keep].astype(int)] = 1
    ink = np.clip(ndimage.gaussian_filter(ink, rng.uniform(0.5, 1.0)) * 2.5, 0, 1)
    return image * (1 - rng.uniform(0.3, 0.7) * ink)


def patch(image, rng):
    """A piece of the image mirrored to another place, as CutPaste does."""
    size = image.shape[0]
    h, w = (rng.uniform(0.06, 0.2, 2) * size).astype(int) + 2
    places = [rng.integers(0, size - n + 1, 2) for n in (h, w)]
    out = image.copy()
    piece = image[places[0][0]:places[0][0] + h, places[1][0]:places[1][0] + w][::-1, ::-1]
    out[places[0][1]:places[0][1] + h, places[1][1]:places[1][1] + w] = piece * rng.uniform(0.8, 1.2)
    return out


def shade(image, rng):
    """A wide soft change of brightness."""
    size = image.shape[0]
    r, c = np.mgrid[:size, :size]
    row, col = rng.uniform(0.1, 0.9, 2) * size
    sigma = rng.uniform(0.08, 0.2) * size
    bump = np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * sigma ** 2))
    return image * (1 + rng.choice([-1, 1]) * rng.uniform(0.15, 0.4) * bump)


def make(image, kind, rng):
    """An image (h, w, 1) in 0..1 with a fault of the kind."""
    made = {"spot": spot, "line": line, "patch": patch, "shade": shade}[kind](image[:, :, 0], rng)
    return np.clip(made, 0, 1).astype(np.float32)[:, :, None]
