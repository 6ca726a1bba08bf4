"""Peak memory of the commands against the number of inputs: 10, 100 and 1000 volumes, images and rows.

    python3 benches/memory.py [--program target/release/residua] [--counts 10,100,1000] [--only detect-volumes,...]

Everything is made anew in a temporary folder: a UNet of one level with random weights, pictures of 64x64, volumes of 64x64x2
bytes (--side makes them larger), tables of 16 columns. All runs are on the processor. A line gives the peak resident memory in MB for
each number and the last over the first. Needs NumPy alone.
"""
import argparse, gzip, json, os, resource, struct, subprocess, sys, tempfile, zlib
from pathlib import Path

import numpy as np

WIDTH = 4


def safetensors(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        raw = np.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def unet(folder):
    """The smallest network of diffusers' layout, and AnoDDPM's settings around it."""
    folder.mkdir()
    random, w, t = np.random.default_rng(0), WIDTH, 2 * WIDTH
    layers = {"time_embedding.linear_1": (t, w), "time_embedding.linear_2": (t, t), "conv_in": (w, 1, 3, 3),
              "conv_norm_out": (w,), "conv_out": (1, w, 3, 3)}
    for block, cin in [("down_blocks.0.resnets.0", w), ("mid_block.resnets.0", w), ("mid_block.resnets.1", w),
                       ("up_blocks.0.resnets.0", 2 * w), ("up_blocks.0.resnets.1", 2 * w)]:
        layers |= {f"{block}.norm1": (cin,), f"{block}.conv1": (w, cin, 3, 3), f"{block}.time_emb_proj": (w, t),
                   f"{block}.norm2": (w,), f"{block}.conv2": (w, w, 3, 3)}
        if cin != w:
            layers[f"{block}.conv_shortcut"] = (w, cin, 1, 1)
    tensors = {}
    for name, shape in layers.items():
        norm = len(shape) == 1
        scale = 0.2 if norm else (3 / np.prod(shape[1:])) ** 0.5
        tensors[f"{name}.weight"] = (1 if norm else 0) + scale * random.uniform(-1, 1, shape)
        tensors[f"{name}.bias"] = 0.1 * random.uniform(-1, 1, shape[:1])
    safetensors(folder / "model.safetensors", tensors)
    config = {"_class_name": "UNet2DModel", "norm_num_groups": 2, "freq_shift": 0, "flip_sin_to_cos": True}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "detector.json").write_text(json.dumps({
        "format": 1, "method": "anoddpm", "name": "small", "network": "model.safetensors",
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1]}, "lambda": 20,
        "sampler": {"kind": "ddim", "steps": 1}, "residual": "absolute", "threshold": {"pixel": 0.1, "image": 0.001}}))
    return folder


def resnet(path):
    """A ResNet of torchvision's keys: four stages of one basic block."""
    random = np.random.default_rng(1)
    tensors, width = {}, 16
    def conv(name, *shape): tensors[f"{name}.weight"] = random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
    def norm(name, c):
        tensors.update({f"{name}.{k}": v for k, v in [("weight", np.ones(c)), ("bias", np.zeros(c)),
                        ("running_mean", np.zeros(c)), ("running_var", np.ones(c))]})
    conv("conv1", width, 3, 7, 7), norm("bn1", width)
    before = width
    for stage in range(4):
        c = width * 2 ** stage
        conv(f"layer{stage + 1}.0.conv1", c, before, 3, 3), norm(f"layer{stage + 1}.0.bn1", c)
        conv(f"layer{stage + 1}.0.conv2", c, c, 3, 3), norm(f"layer{stage + 1}.0.bn2", c)
        if stage:
            conv(f"layer{stage + 1}.0.downsample.0", c, before, 1, 1), norm(f"layer{stage + 1}.0.downsample.1", c)
        before = c
    safetensors(path, tensors)
    return path


def png(path, pixels):
    height, width = pixels.shape
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def nifti(path, voxels):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<f", header, 108, 352.0)
    struct.pack_into("<f", header, 112, 1.0)
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + voxels.tobytes())


def pictures(folder, count, side, random):
    for part in ["good", "bad"]:
        (folder / "test" / part).mkdir(parents=True)
    (folder / "ground_truth" / "bad").mkdir(parents=True)
    for n in range(count):
        pixels, part = random.integers(0, 256, (side, side), dtype=np.uint8), "bad" if n % 2 else "good"
        png(folder / "test" / part / f"{n:05}.png", pixels)
        if part == "bad":
            png(folder / "ground_truth" / "bad" / f"{n:05}_mask.png", np.uint8(255) * (pixels > 250))


def volumes(folder, count, side, slices, random, truth):
    folder.mkdir(parents=True)
    for n in range(count):
        voxels = random.integers(0, 256, (slices, side, side), dtype=np.uint8)
        nifti(folder / f"{n:05}.nii", voxels)
        if truth:
            nifti(folder / f"{n:05}_seg.nii", np.uint8(voxels > 250))


def table(path, rows, columns, random):
    labels = np.arange(rows) % 10 == 0
    values = random.normal(0, 1, (rows, columns)) + 3 * labels[:, None]
    np.savez(path, X=values, y=labels.astype(np.int64))


def peak(command):
    """Peak resident memory of a program in MB, and what it ended with."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        os.write(write, json.dumps([used, done.returncode, done.stderr[-300:].decode(errors="replace")]).encode())
        os._exit(0)
    os.close(write)
    answer = b"".join(iter(lambda: os.read(read, 65536), b""))
    os.close(read)
    os.waitpid(child, 0)
    used, code, said = json.loads(answer)
    if code not in (0, 1):
        sys.exit(f"{' '.join(map(str, command))} ended with {code}: {said}")
    return used


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/residua")
    parser.add_argument("--counts", default="10,100,1000")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--slices", type=int, default=2)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    counts, only = [int(n) for n in args.counts.split(",")], [n for n in args.only.split(",") if n]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        model, network = unet(root / "model"), resnet(root / "resnet.safetensors")
        run = lambda *command: [str(Path(args.program).resolve()), *map(str, command)]
        on = ["--device", "cpu"]

        def case(name, make, *commands):
            """`make` gives the inputs of a number; the commands take its folder and that of results, the last is measured."""
            if only and name not in only:
                return
            line = []
            for count in counts:
                with tempfile.TemporaryDirectory() as there:
                    inputs, out = Path(there) / "in", Path(there) / "out"
                    made = make(inputs, count, np.random.default_rng(count)) or inputs
                    line.append([peak(command(made, out)) for command in commands][-1])
            print(f"{name:18}", *(f"{mb:8.0f}" for mb in line), f"{line[-1] / line[0]:8.2f}", flush=True)

        print(f"{'MB at':18}", *(f"{count:8}" for count in counts), f"{'ratio':>8}", flush=True)
        image = lambda d, n, r: pictures(d, n, args.side, r)
        volume = lambda d, n, r: volumes(d, n, args.side, args.slices, r, False)
        labelled = lambda d, n, r: volumes(d, n, args.side, args.slices, r, True)
        slices = lambda d, n, r: volumes(d, 1, args.side, n, r, False)
        detect = lambda d, o: run("detect", d, "--model", model, "--out", o, *on)
        kept = lambda d, o: run("detect", d, "--model", model, "--out", o, "--maps", *on)
        evaluated = lambda d, o: run("eval", d, "--model", model, "--out", o, *on)
        calibrated = lambda d, o: run("calibrate", d, "--model", model, *on)
        case("detect-images", image, detect)
        case("detect-volumes", volume, detect)
        case("detect-slices", slices, detect)
        case("eval-images", image, evaluated)
        case("eval-volumes", labelled, evaluated)
        case("eval-maps", image, kept, lambda d, o: run("eval", d, "--maps", o, "--out", o / "eval"))
        case("rescore", image, kept, lambda d, o: run("rescore", o, "--pixel-threshold", "0.2"))
        case("calibrate", image, calibrated)
        case("calibrate-volumes", volume, calibrated)

        def dial(d, o):
            (model / "quality.json").unlink(missing_ok=True)
            return run("dial", d, "--model", model, "--try-steps", "1", "--try-runs", "1", "--seeds", "1", *on)
        case("dial", image, dial)
        features = ["--features", network, "--size", "64", "--crop", "64"]
        case("dte-embed", image, lambda d, o: run("dte", "embed", d / "test", "--out", f"{o}.npy", *features, *on))
        fit_images = lambda d, o: run("dte", "fit", d / "test" / "good", "--out", o, *features, *on)
        case("dte-fit-images", image, fit_images)
        case("dte-score-images", image, fit_images,
             lambda d, o: run("dte", "score", d / "test", "--model", o, "--out", f"{o}.csv", *features, *on))

        def rows(d, n, r):
            path = d.with_suffix(".npz")
            table(path, 20 * n, 16, r)
            return path
        for method in ["np", "ig"]:
            fit = lambda d, o: run("dte", "fit", d, "--method", method, "--out", o,
                                   *([] if method == "np" else ["--epochs", "1", "--members", "1"]), *on)
            case(f"dte-fit-{method}", rows, fit)
            case(f"dte-score-{method}", rows, fit, lambda d, o: run("dte", "score", d, "--model", o, "--out", f"{o}.csv", *on))


if __name__ == "__main__":
    main()
