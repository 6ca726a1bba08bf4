"""Lesions cut out of anomalous images by their masks and put into normal ones: more images of a second class of which there are few."""
import numpy as np
from PIL import Image
from scipy import ndimage

SMALLEST = 12


def cut(images, masks):
    """Pairs (patch (h, w, c), opacity (h, w)) of images (h, w, c) and masks (h, w) in 0..1, one or more an image.

    The opacity is the mask, two pixels wider and soft at its edge. Lesions below SMALLEST pixels are left out.
    """
    found = []
    for image, mask in zip(images, masks):
        for place in ndimage.find_objects(ndimage.label(mask > 0.5)[0]):
            alone = np.zeros_like(mask)
            alone[place] = mask[place]
            if (alone > 0.5).sum() < SMALLEST:
                continue
            soft = ndimage.uniform_filter(ndimage.maximum_filter(alone, 3), 3)
            rows, cols = (np.nonzero(soft.max(axis))[0] for axis in (1, 0))
            box = np.s_[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]
            found.append((image[box], soft[box]))
    return found


def turned(patch, opacity, rng):
    """The lesion mirrored, turned, a little larger or smaller, brighter or darker."""
    if rng.random() < 0.5:
        patch, opacity = patch[:, ::-1], opacity[:, ::-1]
    angle, zoom = rng.uniform(-180, 180), rng.uniform(0.75, 1.25)
    sides = [max(3, round(n * zoom)) for n in opacity.shape]
    planes = [Image.fromarray(np.ascontiguousarray(p)).resize(sides[::-1], Image.BILINEAR).rotate(
        angle, Image.BILINEAR, expand=True) for p in (*patch.transpose(2, 0, 1), opacity)]
    planes = [np.asarray(p, np.float32) for p in planes]
    return np.stack(planes[:-1], 2) * rng.uniform(0.85, 1.15), planes[-1]


def depth(image):
    """How many pixels (h, w) lie between each pixel of the head and the background; 0 in the background."""
    head = ndimage.binary_fill_holes(ndimage.uniform_filter(image.mean(2), 3) > 0.08)
    return ndimage.distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1]


def paste(image, lesion, rng):
    """The image (h, w, c) with the lesion somewhere inside the head, and its opacity (h, w, 1); None where there is too little
    room."""
    deep = depth(image) * 64 / len(image)
    places = np.argwhere(deep > 7)
    if len(places) < 100 * (len(image) / 64) ** 2:
        return None
    patch, opacity = turned(*lesion, rng)
    out, (row, col) = image.copy(), places[rng.integers(len(places))]
    top, left = row - opacity.shape[0] // 2, col - opacity.shape[1] // 2
    rows, cols = (np.arange(max(0, -start), min(n, size - start))
                  for start, n, size in ((top, opacity.shape[0], image.shape[0]), (left, opacity.shape[1], image.shape[1])))
    here, there = np.ix_(rows, cols), np.ix_(rows + top, cols + left)
    # The skull, three or four pixels of 64, stays as it is.
    a = (opacity[here] * np.clip((deep[there] - 3) / 2, 0, 1))[:, :, None]
    out[there] = (1 - a) * out[there] + a * patch[here]
    where = np.zeros_like(image[:, :, :1])
    where[there] = a
    return out, where
