"""Residua's Gaussian noise: Philox4x32-10 (Salmon et al. 2011) and the method of Box and Muller, in float64."""
import numpy as np

LOW = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Four words (4, n) of 32 bits from counters (4, n) and a key of two words; uint64 arrays that hold 32 bits."""
    c, k = [np.array(w, np.uint64) for w in counter], [np.uint64(w) for w in key]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        shift = np.uint64(32)
        c = [(p1 >> shift) ^ c[1] ^ k[0], p1 & LOW, (p0 >> shift) ^ c[3] ^ k[1], p0 & LOW]
        k = [(k[0] + np.uint64(0x9E3779B9)) & LOW, (k[1] + np.uint64(0xBB67AE85)) & LOW]
    return c


def field(seed, draw, shape, stream=0):
    """N(0, 1) of a shape (c, h, w) for a seed and the number of the draw; elements are counted with the channel innermost."""
    channels, height, width = shape
    count = channels * height * width
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    same = np.ones_like(blocks)
    words = philox((blocks, same * np.uint64(draw), same * np.uint64(stream), 0 * same), (seed & 0xFFFFFFFF, seed >> 32))
    words = [(w >> np.uint64(8)).astype(np.float64) / 2 ** 24 for w in words]
    pairs = []
    for u, v in ((words[0], words[1]), (words[2], words[3])):
        r = np.sqrt(-2 * np.log(u + 2.0 ** -24))
        pairs += [r * np.cos(2 * np.pi * v), r * np.sin(2 * np.pi * v)]
    flat = np.stack(pairs, 1).reshape(-1)[:count]
    return flat.reshape(height, width, channels).transpose(2, 0, 1)
