"""What the gradient with respect to the image costs beside the forward pass, on the processor: Residua beside PyTorch, on the same two
cores, in turn. Exit code 1 when Residua's backward pass takes more than 2.5 times as long as its forward pass.

    torch_gradient.py [ROUNDS]
"""
import json
import os
import statistics
import sys
import tempfile

import timing  # First: it sets the number of threads.
import torch
from safetensors.torch import save_file

# The references come first: of the two modules called classifier, the one that knows every setting is meant.
sys.path += [os.path.join(timing.ROOT, "tests", "reference"), os.path.join(timing.ROOT, "weights", "recipes")]
import classifier  # noqa: E402
import unet  # noqa: E402

SIZE = 64
WANTED = 2.5


def make_unet(folder):
    """AnoDDPM's width at 64 pixels, random weights."""
    cfg = unet.make_config(SIZE, 1, (128, 128, 256, 256), attention=(2, 3), head_dim=64, groups=32)
    net = unet.UNet(cfg)
    unet.save(folder, cfg, net.state_dict())
    return unet.load(folder), 1


def make_classifier(folder):
    """The classifier of Wolleb et al. (2022), but for 64 pixels: attention from an eighth of the image's size on."""
    config = {"image_size": SIZE, "in_channels": 4, "model_channels": 32, "out_channels": 2, "num_res_blocks": 4,
              "attention_resolutions": [8, 16, 32], "channel_mult": [1, 1, 2, 2, 4, 4], "num_head_channels": 64,
              "use_scale_shift_norm": True, "resblock_updown": True, "pool": "attention"}
    net = classifier.Classifier(**config).eval()
    classifier.randomise(net)
    save_file(net.state_dict(), os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"_class_name": "EncoderUNetModel", **config}, f)
    return net, config["in_channels"]


def compare(name, make, rounds):
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        net, channels = make(folder)
        peers = [timing.Peer(what, folder, SIZE, "cpu") for what in ("network", "gradient")]
    for p in net.parameters():
        p.requires_grad_(False)
    x = torch.from_numpy(timing.pattern(1, channels, SIZE, SIZE)).requires_grad_()
    t = torch.from_numpy(timing.pattern(1))
    with torch.no_grad():
        v = torch.from_numpy(timing.pattern(*net(x, t).shape))

    def forward():
        with torch.no_grad():
            return net(x, t)

    def backward():
        return torch.autograd.grad(net(x, t), x, v)[0]

    runs = [peer.run for peer in peers] + [lambda f=f: timing.clock(f) for f in (forward, backward)]
    times = timing.interleave(runs, rounds)
    nmse = [timing.agree(peer.output(), f().numpy(), bound) for peer, f, bound in
            zip(peers, (forward, backward), (1e-9, 1e-8))]
    for peer in peers:
        peer.close()

    def ratios(forward, both):
        """Of the backward pass alone to the forward pass: the median over the rounds, and of the fastest runs."""
        return statistics.median(b / f - 1 for f, b in zip(forward, both)), min(both) / min(forward) - 1

    ours, theirs = ratios(*times[:2]), ratios(*times[2:])
    ms = " ".join(f"{statistics.median(t) * 1e3:9.1f}" for t in times)
    print(f"{name:12} {ms}   {ours[0]:6.2f} {ours[1]:6.2f}   {theirs[0]:6.2f} {theirs[1]:6.2f}   {max(nmse):8.1e}")
    return min(ours) > WANTED


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(timing.THREADS)
    torch.set_flush_denormal(True)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {SIZE}x{SIZE}, medians in ms")
    print(f"{'':12} {'ours':>9} {'with grad':>9} {'theirs':>9} {'with grad':>9}   {'backward / forward: median, of fastest':>31}")
    slow = [compare("UNet", make_unet, rounds), compare("classifier", make_classifier, rounds)]
    print(f"{'FAILED' if any(slow) else 'passed'}: at most {WANTED} is wanted")
    return int(any(slow))


if __name__ == "__main__":
    sys.exit(main())
