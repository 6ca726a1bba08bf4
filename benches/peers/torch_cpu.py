"""One UNet step at 128x128 on the processor: Residua beside PyTorch, on the same two cores, in turn.

    torch_cpu.py [ROUNDS]
"""
import os
import sys
import tempfile

import timing  # First: it sets the number of threads.
import torch

sys.path.insert(0, os.path.join(timing.ROOT, "weights", "recipes"))
import unet  # noqa: E402

SIZE = 128


def wide(folder):
    """A network of published size, where the shipped ones are small: AnoDDPM's width at 128 pixels, random weights."""
    torch.manual_seed(0)
    cfg = unet.make_config(SIZE, 1, (128, 128, 256, 256), attention=(2, 3), head_dim=64, groups=32)
    unet.save(folder, cfg, unet.UNet(cfg).state_dict())


def compare(name, folder, rounds):
    peer = timing.Peer("network", folder, SIZE, "cpu")
    # PyTorch at its best: of its two layouts the faster one counts.
    models = [unet.load(folder), unet.load(folder).to(memory_format=torch.contiguous_format)]
    x = torch.from_numpy(timing.pattern(1, models[0].config["in_channels"], SIZE, SIZE))
    inputs = [x.contiguous(memory_format=torch.channels_last), x]
    t = torch.from_numpy(timing.pattern(1))
    runs = [lambda m=m, x=x: timing.clock(lambda: m(x, t)) for m, x in zip(models, inputs)]
    ours, *theirs = timing.interleave([peer.run, *runs], rounds)
    nmse = timing.agree(peer.output(), models[1](x, t).numpy())
    peer.close()
    return f"{name}, {peer.name}", ours, min(theirs, key=min), nmse


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    torch.set_num_threads(timing.THREADS)
    torch.set_flush_denormal(True)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    shipped = [(n, os.path.join(timing.ROOT, "weights", n)) for n in ("texture", "brain-flair")]
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        wide(folder)
        rows = [compare(n, f, rounds) for n, f in [*shipped, ("wide", folder)] if os.path.isdir(f)]
    return timing.verdict(rows, "ms", lambda s: s * 1e3)


if __name__ == "__main__":
    sys.exit(main())
