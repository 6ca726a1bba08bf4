"""OpenSimplex noise in three dimensions and the multi-octave fields that AnoDDPM trains on.

One field is a slice through 3-D noise: pixel (row, column) at diffusion step t has the value

    sum over octaves o of persistence**o * noise3(column * 2**o / frequency, row * 2**o / frequency, t * 2**o / frequency)

under a permutation drawn from a fresh seed. The fields are not normalised: their standard deviation is about 0.5.
All lattice points within reach are summed; the published code drops a few of the farthest, a difference below 2e-6.

Where the lattice points lie depends on t alone and only their gradients on the seed, so `Geometry` finds, once for a step,
every (pixel, lattice point) pair within reach, and a field for another seed is a table look-up and a sum.
"""
import numpy as np

STRETCH, SQUISH, NORM = -1.0 / 6.0, 1.0 / 3.0, 103.0
GRADIENTS = np.array([
    [-11, 4, 4], [-4, 11, 4], [-4, 4, 11], [11, 4, 4], [4, 11, 4], [4, 4, 11],
    [-11, -4, 4], [-4, -11, 4], [-4, -4, 11], [11, -4, 4], [4, -11, 4], [4, -4, 11],
    [-11, 4, -4], [-4, 11, -4], [-4, 4, -11], [11, 4, -4], [4, 11, -4], [4, 4, -11],
    [-11, -4, -4], [-4, -11, -4], [-4, -4, -11], [11, -4, -4], [4, -11, -4], [4, -4, -11]], np.float64)
# Corners of the stretched cell, and one beyond on each side, that can lie within reach (squared distance under 2).
CORNERS = np.array([(i, j, k) for i in range(-1, 3) for j in range(-1, 3) for k in range(-1, 3)], np.int64)


def permutations(seeds):
    """The permutation tables (n, 256) of n integer seeds: 64-bit linear congruential steps and a Fisher-Yates shuffle."""
    state = np.array([int(s) & 0xFFFFFFFFFFFFFFFF for s in np.atleast_1d(seeds)], np.uint64)
    mul, inc = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
    rows = np.arange(len(state))
    source = np.tile(np.arange(256, dtype=np.int64), (len(state), 1))
    perm = np.empty_like(source)
    for _ in range(3):
        state = state * mul + inc
    for i in range(255, -1, -1):
        state = state * mul + inc
        pick = (np.mod(state.view(np.int64), i + 1) + 31) % (i + 1)
        perm[:, i] = source[rows, pick]
        source[rows, pick] = source[:, i]
    return perm


class Geometry:
    """The lattice points near a set of 3-D positions: all of `noise3` that does not depend on the seed."""

    def __init__(self, points, weights=None, owner=None):
        """points (n, 3) as x, y, z; weights (n,) scale each value; owner (n,) says which output it is added to."""
        points = np.asarray(points, np.float64)
        count = len(points)
        owner = np.arange(count) if owner is None else owner
        self.outputs = int(owner.max()) + 1
        stretched = points + STRETCH * points.sum(1, keepdims=True)
        base = np.floor(stretched).astype(np.int64)
        local = points - (base + SQUISH * base.sum(1, keepdims=True))
        index, lattice, vector = [], [], []
        for corner in CORNERS:
            delta = local - (corner + SQUISH * corner.sum())
            reach = 2.0 - (delta * delta).sum(1)
            near = np.nonzero(reach > 0)[0]
            if len(near) == 0:
                continue
            kernel = reach[near] ** 4 / NORM
            if weights is not None:
                kernel = kernel * weights[near]
            index.append(owner[near])
            lattice.append((base[near] + corner) & 255)
            vector.append(delta[near] * kernel[:, None])
        self.index = np.concatenate(index)
        self.lattice = np.concatenate(lattice)
        self.vector = np.concatenate(vector)

    def values(self, perm):
        """The noise under one permutation table (256,)."""
        h = perm[self.lattice[:, 0]]
        h = perm[(h + self.lattice[:, 1]) & 255]
        h = perm[(h + self.lattice[:, 2]) & 255] % 24
        terms = np.einsum("ij,ij->i", GRADIENTS[h], self.vector)
        return np.bincount(self.index, terms, self.outputs)


def noise3(seed, x, y, z):
    """A single value of OpenSimplex noise."""
    return float(Geometry([[x, y, z]]).values(permutations([seed])[0])[0])


def field_geometry(height, width, t, octaves=6, persistence=0.8, frequency=64):
    """The geometry of whole fields at diffusion step t."""
    rows, cols = np.mgrid[0:height, 0:width]
    flat = np.stack([cols.ravel(), rows.ravel(), np.full(height * width, t)], 1).astype(np.float64)
    scale = [2.0 ** o / frequency for o in range(octaves)]
    return Geometry(np.concatenate([flat * s for s in scale]),
                    np.repeat([persistence ** o for o in range(octaves)], len(flat)),
                    np.tile(np.arange(len(flat)), octaves))


def fields(seeds, height, width, t, **options):
    """Fields (n, height, width) at diffusion step t, one for each seed."""
    geometry = field_geometry(height, width, t, **options)
    return np.stack([geometry.values(p) for p in permutations(seeds)]).reshape(-1, height, width)


def draw_seeds(rng, count):
    """Seeds as AnoDDPM draws them: uniform integers in [-1e10, 1e10)."""
    return rng.integers(-10_000_000_000, 10_000_000_000, count)


class Pool:
    """Fields made ahead, for training. A field keeps the step it was made for: train on it at that step.

    The steps are from `first` on and below `limit`. Noise and its negative are equally likely, and so are noise and its
    transpose, so each field serves as four. Call `refresh` now and then: it replaces the oldest fields.
    """

    def __init__(self, count, size, limit, rng, per_step=8, first=0, **options):
        self.size, self.first, self.limit, self.rng = size, first, limit, rng
        self.per_step, self.options = per_step, options
        self.data = np.empty((count, size, size), np.float32)
        self.step = np.empty(count, np.int64)
        self.next = 0
        steps = first + rng.permutation(limit - first)
        for i in range(-(-count // per_step)):
            self.refresh(int(steps[i % len(steps)]))

    def refresh(self, t=None):
        """Makes `per_step` new fields at step t (random when not given) in the place of the oldest."""
        t = int(self.rng.integers(self.first, self.limit)) if t is None else t
        new = fields(draw_seeds(self.rng, self.per_step), self.size, self.size, t, **self.options)
        where = (self.next + np.arange(self.per_step)) % len(self.data)
        self.data[where], self.step[where] = new, t
        self.next = (self.next + self.per_step) % len(self.data)

    def draw(self, batch, channels=1):
        """Noise (batch, channels, size, size) and the steps (batch,). The channels of an image are independent fields."""
        first = self.rng.integers(len(self.data), size=batch)
        noise = np.empty((batch, channels, self.size, self.size), np.float32)
        for i, f in enumerate(first):
            same = np.nonzero(self.step == self.step[f])[0] if channels > 1 else None
            for c in range(channels):
                field = self.data[f if c == 0 else self.rng.choice(same)]
                field = field.T if self.rng.random() < 0.5 else field
                noise[i, c] = field if self.rng.random() < 0.5 else -field
        return noise, self.step[first]


def check(path):
    """Compares with a golden text of permutation heads, single values and field values; returns the largest difference."""
    import ast
    import re
    worst, section, seed = 0.0, "", None
    for line in open(path):
        if line.startswith("=="):
            section = line
            found = re.search(r"seed (-?\d+)", line)
            seed = int(found.group(1)) if found else None
        elif "permutation" in section:
            name, *lists = re.split(r" (?=\[)", line.strip())
            perm = permutations([int(name)])[0]
            assert perm[:8].tolist() == ast.literal_eval(lists[0]), line
            assert perm[248:].tolist() == ast.literal_eval(lists[1]), line
        elif "single values" in section:
            name, point, value = re.match(r"(-?\d+) (\(.*\)) (\S+)", line).groups()
            worst = max(worst, abs(noise3(int(name), *ast.literal_eval(point)) - float(value)))
        elif "6-octave field value" in section:
            point, value = re.match(r"(\(.*\)) (\S+)", line).groups()
            col, row, t = ast.literal_eval(point)
            worst = max(worst, abs(fields([seed], row + 1, col + 1, t)[0, row, col] - float(value)))
    return worst


if __name__ == "__main__":
    import sys
    print("largest difference", check(sys.argv[1]))
