"""The detection of Xu et al. in float64 for selftest.py.

Its sections are embed, start, denoise and compare. Kept are all layers of the encoder, in `embed`, those of the UNet in its first
call, in `denoise`, and the map; layers have the names of the checkpoint's keys. A block's first normalisation is applied by
itself, as `in_layers.0`, only where the mean of 2x2 pixels follows; else the convolution that follows applies it. `modulation` is
what the time and the embedding of the image make together of a block's second normalisation: factors less 1, and summands.
"""
import torch

import diffae
import draem
import selftest_latent
import train
import xu

# What the settings may leave out.
DEFAULTS = {"variant": "published", "start": "noise", "lambda": 250, "sampler": {"steps": 250}, "blur": None}

# The layers outside of blocks: what their output is called.
NORMS = ("out.0", "encoder.out.0")
PLAIN = {name: name for name in ("input_blocks.0.0", "time_embed.time_embed.0", "time_embed.time_embed.2", "out.2",
                                 "encoder.input_blocks.0.0", "encoder.out.3")}
PLAIN |= {"encoder.out.1": "encoder.out.0", "encoder.out.2": "encoder.out.0.mean"}


def shortened(det, steps):
    """The settings of a short detection: a few steps of DDIM."""
    return dict(det, system=dict(det["system"], sampler={"kind": "ddim", "steps": steps, "eta": 0.0}))


def both(time, z):
    """The modulation (1, 2 C) that those of the time (1, 2 C) and of the embedding (1, C) come down to."""
    scale, shift = time.chunk(2, 1)
    return torch.cat([(1 + scale) * (1 + z) - 1, shift * (1 + z)], 1)


def affine(norm, x, modulation):
    """Factor and summand (1, C, 2) of a modulated GroupNorm on x."""
    plain = selftest_latent.affine(norm, x)
    scale, shift = modulation.chunk(2, 1)
    return torch.stack([plain[..., 0] * (1 + scale), plain[..., 1] * (1 + scale) + shift], 2)


class Listener:
    """Gives the output of every layer of a diffae.Model to keep(name, value) until `stop`."""

    def __init__(self, model, keep):
        self.keep, self.handles = keep, []
        self.before(model.time_embed.time_embed[0], "time_embedding")
        for name, m in model.named_modules():
            if isinstance(m, diffae.Block):
                self.block(m, name)
            elif isinstance(m, diffae.Attention):
                self.before(m.norm, name + ".norm.stats", lambda x, m=m: selftest_latent.affine(m.norm, x))
                self.after(m.qkv, name + ".qkv")
                self.before(m.proj_out, name)
                self.after(m, name + ".proj_out")
            elif name in NORMS:
                self.before(m, name + ".stats", lambda x, m=m: selftest_latent.affine(m, x))
            elif name in PLAIN:
                self.after(m, PLAIN[name])

    def after(self, module, name, what=lambda out: out):
        """Keeps something of a module's output."""
        self.handles.append(module.register_forward_hook(lambda _, inputs, out: self.keep(name, what(out))))

    def before(self, module, name, what=lambda x: x):
        """Keeps something of a module's input."""
        self.handles.append(module.register_forward_pre_hook(lambda _, inputs: self.keep(name, what(inputs[0]))))

    def block(self, m, name):
        """A residual block; its last convolution counts with the block's input, which is added to it."""
        if name.startswith("output_blocks") and name.endswith(".0"):
            self.before(m, name + ".skip")
        self.before(m.in_layers[0], name + ".in_layers.0.stats", lambda x: selftest_latent.affine(m.in_layers[0], x))
        if m.resample == "down":
            self.after(m.in_layers[1], name + ".in_layers.0")
            self.before(m.in_layers[2], name + ".pool")
        if m.resample:
            self.before(m, name + (".pool_x" if m.resample == "down" else ".up_x"), m.sized)
        if isinstance(m.skip_connection, torch.nn.Conv2d):
            self.after(m.skip_connection, name + ".skip_connection")
        if not m.modulated:
            self.after(m, name + ".in_layers.2")
            return
        given = {}
        self.after(m.in_layers[2], name + ".in_layers.2", lambda out: given.setdefault("h", out))
        self.after(m.emb_layers, name + ".emb_layers.1", lambda out: given.setdefault("time", out))
        self.after(m.cond_emb_layers, name + ".cond_emb_layers.1", lambda out: given.setdefault("z", out))
        # The embedding is applied after the norm, so that both are known only when the block ends.
        self.after(m, name + ".modulation", lambda _: both(given["time"], given["z"]))
        self.after(m, name + ".out_layers.0.stats",
                   lambda _: affine(m.out_layers[0], given["h"], both(given["time"], given["z"])))
        self.after(m, name + ".out_layers.3")

    def stop(self):
        """Ends it."""
        while self.handles:
            self.handles.pop().remove()


def run_xu(folder, x, det, seed, keep, _listen):
    """The settings, the reconstruction and the map of x (1, c, h, w) in -1..1."""
    s = DEFAULTS | det["system"]
    if det["input"]["range"] != [-1, 1]:
        raise SystemExit("this recipe knows images in -1..1")
    network, comparer = diffae.load(folder).double(), draem.beside(folder).double()
    noise, abar = xu.fixed_noise(folder, x.shape, seed).double(), train.alpha_bars()
    begin, order = noise, xu.steps(s["sampler"]["steps"], len(abar))
    listener = Listener(network, lambda name, value: keep(
        ("embed/" if name.startswith("encoder.") else "denoise/") + name, value))
    if s["start"] == "input":
        order = xu.steps_from(s["lambda"], s["sampler"]["steps"])
        begin = abar[order[0]].sqrt() * x + (1 - abar[order[0]]).sqrt() * noise
        keep("start/noising", begin)
    keep("denoise/time", torch.tensor([order[0]]))

    def hear(i, stage):
        if i == 0:
            keep("denoise/step", stage)
            listener.stop()

    rebuilt = xu.draw(network, network.encode(x), begin, order, abar, hear)
    image = (x + 1) / 2
    heat = comparer(torch.cat([rebuilt if s["variant"] == "published" else (rebuilt + 1) / 2, image], 1)).softmax(1)[:, 1:]
    keep("compare/softmax", heat)
    heat = selftest_latent.blurred(heat, s["blur"])
    keep("compare/reduce", torch.stack([heat.mean(), heat.max(), heat.min()]))
    return det, rebuilt, heat


RUNS = {"xu": run_xu}
