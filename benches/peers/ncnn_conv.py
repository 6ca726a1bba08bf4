"""A 3x3 convolution 128->128 at 64x64 on Vulkan: Residua beside ncnn on the same adapter, in turn.

    ncnn_conv.py [ADAPTER] [ROUNDS]         ADAPTER: a part of its name, llvmpipe (Mesa's software driver) by default
"""
import os
import sys
import tempfile

import timing  # First: it sets the number of threads.
import ncnn
import numpy as np

C, SIZE = 128, 64
# The same convolution several times in a row, so that moving the image to the device and back hardly counts.
CHAIN = 4
# Of the definition: what Winograd saves counts as done.
FLOPS = 2 * C * C * 9 * SIZE * SIZE


def net(device, folder, winograd, chain):
    """A chain of the convolution that peer.rs runs. Float32 throughout, like the peer."""
    n = ncnn.Net()
    o = n.opt
    o.use_vulkan_compute = o.use_winograd_convolution = True
    o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = o.use_int8_inference = False
    o.use_winograd23_convolution, o.use_winograd43_convolution = (winograd in ("any", w) for w in ("23", "43"))
    o.num_threads = timing.THREADS
    n.set_vulkan_device(device)
    layers = [f"Convolution conv{i} 1 1 b{i} b{i + 1} 0={C} 1=3 4=1 5=1 6={C * C * 9}" for i in range(chain)]
    text = "\n".join(["7767517", f"{chain + 1} {chain + 1}", f"Input in 0 1 b0 0={SIZE} 1={SIZE} 2={C}", *layers, ""])
    weights = [np.zeros(1, np.uint32), timing.pattern(C * C * 9, scale=0.05), timing.pattern(C)]
    param, model = (os.path.join(folder, f"{winograd}-{chain}.{e}") for e in ("param", "bin"))
    with open(param, "w") as f:
        f.write(text)
    with open(model, "wb") as f:
        f.write(b"".join(w.tobytes() for w in weights) * chain)
    if n.load_param(param) != 0 or n.load_model(model) != 0:
        raise SystemExit("ncnn does not take the network")
    return n


def run(n, image, chain):
    e = n.create_extractor()
    e.input("b0", ncnn.Mat(image))
    failed, out = e.extract(f"b{chain}")
    if failed:
        raise SystemExit("ncnn failed")
    return np.array(out)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "llvmpipe"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    names = [ncnn.get_gpu_info(i).device_name() for i in range(ncnn.get_gpu_count())]
    device = next((i for i, n in enumerate(names) if name.lower() in n.lower()), None)
    if device is None:
        raise SystemExit(f"ncnn finds no `{name}` among {names}")
    peer = timing.Peer("conv", C, C, SIZE, name)
    print(f"ncnn {ncnn.__version__} on {names[device]}, Residua on {peer.name}")
    image = timing.pattern(C, SIZE, SIZE)
    # ncnn at its best: F(2x2,3x3), F(4x4,3x3), and what it chooses when it may have both.
    kinds = ("any", "23", "43")
    with tempfile.TemporaryDirectory() as folder:
        nets = [net(device, folder, k, CHAIN) for k in kinds]
        single = run(net(device, folder, "23", 1), image, 1)
    runs = [lambda n=n: timing.clock(lambda: run(n, image, CHAIN)) / CHAIN for n in nets]
    ours, *theirs = timing.interleave([lambda: peer.run(CHAIN), *runs], rounds)
    # Float32 in Winograd's domain, and a driver's own arithmetic.
    nmse = timing.agree(peer.output(), single, 1e-8)
    peer.close()
    rows = [(f"conv 3x3 {C}-{C} at {SIZE}, ncnn {k}", ours, t, nmse) for k, t in zip(kinds, theirs)]
    return timing.verdict(rows, "GFLOP/s", lambda s: FLOPS / s * 1e-9)


if __name__ == "__main__":
    code = main()
    ncnn.destroy_gpu_instance()
    sys.exit(code)
