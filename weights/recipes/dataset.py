"""The images that denoisers and classifiers are trained on: read, resized, cropped, augmented, of one class or two."""
import glob
import os

import numpy as np
import torch
from PIL import Image

import lesions


def add_arguments(p):
    """The flags that say what the images are and how they are augmented."""
    p.add_argument("images", help="folder of PNG or JPEG images, searched in depth")
    p.add_argument("--size", type=int, default=64, help="side of the network's input")
    p.add_argument("--side", type=int, default=0, help="with --crop: resize the images to this side first; 0: not at all")
    p.add_argument("--crop", type=int, default=0, help="train on random crops of this side, resized to --size; 0: whole images")
    p.add_argument("--hold-out", type=int, default=0, help="leave out every so many images, sorted by name, from the first")
    p.add_argument("--gray", action="store_true", help="one channel; three when not given")
    p.add_argument("--range", type=float, nargs=2, default=[-1, 1], metavar=("LOW", "HIGH"), help="what 0 and 255 become")
    p.add_argument("--flip", default="", help="mirror at random: x, y, xy; t adds transposition")
    p.add_argument("--brightness", type=float, default=0.0, help="scale the intensities by up to 1 +- this")
    p.add_argument("--also", nargs="+", default=[], help="folders or files of more normal images, none of them held out")
    p.add_argument("--second", nargs="+", default=[], help="folder or files of a second class: the anomalous images")
    p.add_argument("--masks", help="masks of the --second images, of the same names: lesions are cut out and put into others")
    p.add_argument("--second-share", type=float, default=0.2, help="share of the second class in a batch")
    p.add_argument("--paste", type=float, default=0.5, help="with --masks: share of the second class that is made so")


def find(places):
    """The image files in folders, searched in depth, and files, sorted."""
    files = [p for p in places if os.path.isfile(p)]
    files += [p for place in places if os.path.isdir(place) for e in ("png", "jpg", "jpeg", "PNG", "JPG", "JPEG")
              for p in glob.glob(os.path.join(place, "**", "*." + e), recursive=True)]
    if not files:
        raise SystemExit(f"{' '.join(places)}: no images")
    return sorted(files)


def load(paths, channels, side):
    """Float32 arrays (h, w, c) in 0..1; resized to (side, side) by the antialiased triangle filter if side."""
    return [resize(np.asarray(Image.open(p).convert("L" if channels == 1 else "RGB"), np.float32) / 255, side) for p in paths]


def resize(image, side):
    """A float image (h, w) or (h, w, c) to (side, side, c), antialiased triangle, channel by channel."""
    image = image[:, :, None] if image.ndim == 2 else image
    if not side or image.shape[:2] == (side, side):
        return image
    planes = [Image.fromarray(np.ascontiguousarray(image[:, :, c])).resize((side, side), Image.BILINEAR)
              for c in range(image.shape[2])]
    return np.stack([np.asarray(p, np.float32) for p in planes], 2)


class Samples:
    """Random, augmented images of the folders that the arguments name."""

    def __init__(self, args):
        channels, side = 1 if args.gray else 3, args.side if args.crop else args.size
        paths = find([args.images])
        paths = [p for i, p in enumerate(paths) if not args.hold_out or i % args.hold_out]
        paths += find(args.also) if args.also else []
        self.args, self.normal, self.second = args, load(paths, channels, side), []
        self.masks, self.lesions = [], []
        if args.second:
            paths = find(args.second)
            self.second = load(paths, channels, side)
            if args.masks:
                self.masks = load([os.path.join(args.masks, os.path.basename(p)) for p in paths], 1, side)
                self.lesions = lesions.cut(self.second, [m[:, :, 0] for m in self.masks])
                if not self.lesions:
                    raise SystemExit(f"{args.masks}: no lesion of {lesions.SMALLEST} pixels or more at {side} x {side}")

    def __len__(self):
        return len(self.normal) + len(self.second)

    def pick(self, rng):
        """An image (h, w, c) in 0..1, its class and, as (h, w, 1), where the lesion is, if that is known."""
        if not self.second or rng.random() >= self.args.second_share:
            image = self.normal[rng.integers(len(self.normal))]
            return image, 0, np.zeros_like(image[:, :, :1])
        if not self.lesions or rng.random() >= self.args.paste:
            i = rng.integers(len(self.second))
            return self.second[i], 1, self.masks[i] if self.masks else np.zeros_like(self.second[i][:, :, :1])
        while True:
            image, lesion = (some[rng.integers(len(some))] for some in (self.normal, self.lesions))
            made = lesions.paste(image, lesion, rng)
            if made is not None:
                return made[0], 1, made[1]

    def draw(self, count, rng):
        """Images (count, c, size, size) in the network's range, classes (count,) and lesions (count, 1, size, size)."""
        args, out, classes, places = self.args, [], [], []
        low, high = args.range
        for _ in range(count):
            x, y, where = self.pick(rng)
            channels, x = x.shape[2], np.concatenate([x, where], 2)
            if args.crop:
                top, left = (rng.integers(n - args.crop + 1) for n in x.shape[:2])
                x = resize(x[top:top + args.crop, left:left + args.crop], args.size)
            x = x[:, ::-1] if "x" in args.flip and rng.random() < 0.5 else x
            x = x[::-1] if "y" in args.flip and rng.random() < 0.5 else x
            x = x.transpose(1, 0, 2) if "t" in args.flip and rng.random() < 0.5 else x
            scale = 1 + args.brightness * rng.uniform(-1, 1)
            planes = x.transpose(2, 0, 1)
            out.append(np.clip(planes[:channels] * scale, 0, 1) * (high - low) + low)
            classes.append(y)
            places.append(planes[channels:])
        stacked = [torch.from_numpy(np.stack(planes).astype(np.float32)) for planes in (out, places)]
        return stacked[0], torch.tensor(classes), stacked[1]
