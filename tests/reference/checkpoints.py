#!/usr/bin/env python3
"""Writes small PyTorch files in the styles of training programs, what each of them holds, and files that must be refused.

usage: checkpoints.py FOLDER            needs torch, numpy; FOLDER is tests/corpus/checkpoints
       checkpoints.py --wrap STYLE SAFETENSORS FILE
                                         wraps the weights of a safetensors file in one of STYLES, for trying larger ones

expected.json tells for each file either `tensors` (plain key to shape and values, as PyTorch loads them), with `raw` where the
file has a second copy, or `fault`: words that the refusal must hold.
"""
import argparse
import collections
import io
import functools
import json
import os
import pathlib
import pickle
import sys
import zipfile

import numpy as np
import torch
from torch import nn

torch.manual_seed(7)


def weights(scale=1.0):
    """A few tensors under a network's names."""
    names = {"input_blocks.0.0.weight": (2, 1, 3, 3), "input_blocks.0.0.bias": (2,), "out.2.weight": (1, 2)}
    return collections.OrderedDict((k, scale * torch.randn(s)) for k, s in names.items())


def unet(width=4, groups=2):
    """A whole UNet in diffusers' layout: one level with one block each way."""
    time = 2 * width
    sd = collections.OrderedDict()

    def pair(name, *shape):
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 0
        sd[name + ".weight"] = torch.randn(shape) * (1 / fan) ** 0.5 if fan else 1 + 0.1 * torch.randn(shape)
        sd[name + ".bias"] = 0.1 * torch.randn(shape[0])

    pair("time_embedding.linear_1", time, width)
    pair("time_embedding.linear_2", time, time)
    pair("conv_in", width, 1, 3, 3)
    for block, cin in [("down_blocks.0.resnets.0", width), ("mid_block.resnets.0", width), ("mid_block.resnets.1", width),
                       ("up_blocks.0.resnets.0", 2 * width), ("up_blocks.0.resnets.1", 2 * width)]:
        pair(block + ".norm1", cin)
        pair(block + ".conv1", width, cin, 3, 3)
        pair(block + ".time_emb_proj", width, time)
        pair(block + ".norm2", width)
        pair(block + ".conv2", width, width, 3, 3)
        if cin != width:
            pair(block + ".conv_shortcut", width, cin, 1, 1)
    pair("conv_norm_out", width)
    pair("conv_out", 1, width, 3, 3)
    return sd


def averaged(sd):
    return collections.OrderedDict((k, 0.5 * v) for k, v in sd.items())


def prefixed(prefix, sd):
    return collections.OrderedDict((prefix + k, v) for k, v in sd.items())


def optimizer(sd):
    params = [nn.Parameter(v.clone()) for v in sd.values() if v.is_floating_point()]
    opt = torch.optim.AdamW(params, lr=1e-4)
    sum((p ** 2).sum() for p in params).backward()
    opt.step()
    return opt.state_dict()


class AttributeDict(dict):
    """As Lightning keeps hyper-parameters."""


def lightning(sd, **more):
    return {
        "epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.1.0", "state_dict": sd, "loops": {"fit_loop": {}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val'}": {"best_model_score": torch.tensor(0.25), "kth": {}}},
        "optimizer_states": [optimizer({"a": torch.ones(2)})], "lr_schedulers": [], "hparams_name": "kwargs", **more,
    }


def anoddpm(raw, ema, args):
    settings = collections.defaultdict(str)
    settings.update(args)
    return {"n_epoch": 3000, "model_state_dict": raw, "optimizer_state_dict": optimizer({"a": torch.ones(2)}),
            "ema": ema, "args": settings, "loss": 0.1}


def lucidrains(raw, ema):
    both = {**prefixed("online_model.model.", raw), **prefixed("ema_model.model.", ema)}
    both |= {"initted": torch.tensor(True), "step": torch.tensor(10)}
    raw = {**prefixed("model.", raw), "betas": torch.linspace(1e-4, 0.02, 10)}
    return {"step": 10, "model": raw, "opt": optimizer({"a": torch.ones(2)}), "ema": both, "scaler": None, "version": "2.0"}


STYLES = {
    "bare": lambda sd: sd,
    "guided-ema": lambda sd: {"model": averaged(sd), "ema": sd, "step": 7},
    "anoddpm": lambda sd: anoddpm(averaged(sd), sd, {}),
    "lightning": lambda sd: lightning(prefixed("model.diffusion_model.", sd)),
    "lightning-ema": lambda sd: lightning({
        **prefixed("model.diffusion_model.", averaged(sd)),
        **{"model_ema.diffusion_model" + k.replace(".", ""): v for k, v in sd.items()}, "model_ema.decay": torch.tensor(0.9999)}),
    "lucidrains": lambda sd: lucidrains(averaged(sd), sd),
    "compiled": lambda sd: {"model_state_dict": prefixed("module._orig_mod.", sd)},
}


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def raw_pickle(module, name, argument="echo executed > executed"):
    """By hand, protocol 0."""
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


def archive(path, data, entries=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as z:
        z.writestr("archive/data.pkl", data)
        z.writestr("archive/version", "3\n")
        for name, content in entries:
            z.writestr("archive/" + name, content)


def few(sd):
    """Some of many."""
    return {k: v for k, v in sd.items() if k.startswith("conv_")}


def values(sd):
    out = {}
    for key, t in sd.items():
        t = t.detach()
        flat = t.to(torch.float64).reshape(-1).tolist()
        out[key] = {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": flat}
    return out


def write(folder):
    expected = {}

    def good(name, obj, tensors, raw=None, **how):
        torch.save(obj, folder / name, **how)
        expected[name] = {"tensors": values(tensors)} | ({"raw": values(raw)} if raw is not None else {})

    def bad(name, *fault, obj=None, data=None, **how):
        if data is not None:
            (folder / name).write_bytes(data)
        elif obj is not None:
            torch.save(obj, folder / name, **how)
        expected[name] = {"fault": list(fault)}

    # Beside these lies two_networks.pth, `{"generator": {...}, "discriminator": {...}, "epoch": 3}` in the old format.
    old = {"_use_new_zipfile_serialization": False}
    a, b = weights(), weights(2.0)
    bare = weights()
    bare._metadata = collections.OrderedDict([("", {"version": 1})])
    good("guided_bare.pt", bare, bare)
    good("guided_ema.pt", {"model": a, "ema": b, "opt": optimizer(a), "args": argparse.Namespace(lr=1e-4, num_heads=4)}, b, a)
    args = {"img_size": [32, 32], "T": 500, "beta_schedule": "cosine", "noise_fn": "gauss", "num_heads": 2, "channel_mults": ""}
    good("anoddpm.pt", anoddpm(prefixed("module.", a), prefixed("module.", b), args), b, a)
    good("legacy.pth", {"state_dict": a, "epoch": 4}, a, **old)
    good("legacy_protocol4.pth", {"model": a}, a, pickle_protocol=4, **old)
    good("protocol5.pt", {"net": prefixed("_orig_mod.", a)}, a, pickle_protocol=5)
    good("lucidrains.pt", lucidrains(a, b), b, a)
    good("nested.pt", {"params_ema": {"state_dict": prefixed("module.", b)}, "params": {"state_dict": prefixed("module.", a)}}, b, a)
    good("one_unknown_name.pt", {"epoch": torch.tensor(1), "my_net": a, "losses": [0.5]}, a)
    good("nameless_average.pt", {"model": a, "ema": {"decay": 0.99, "shadow_params": list(b.values())}}, a)

    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tied = nn.Parameter(torch.arange(4.0))
    views = {
        "a.transposed": base.t(), "a.slice": base[1:3, ::2], "a.row": base[2], "a.expanded": base[:1].expand(3, 6),
        "a.permuted": base.reshape(2, 3, 4).permute(2, 0, 1), "a.tied": tied, "b.tied": tied, "a.scalar": torch.tensor(2.5),
        "a.empty": torch.zeros(0, 3), "a.channels_last": torch.arange(16.0).reshape(1, 2, 2, 4).to(memory_format=torch.channels_last),
    }
    good("views.pt", views, views)
    good("views_legacy.pt", views, views, **old)
    kinds = {f"a.{d}": torch.tensor([0.5, -1.25, 3.0, 0.0]).to(getattr(torch, d))
             for d in ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]}
    good("dtypes.pt", kinds, kinds)

    net, ema = unet(), averaged(unet())
    about = AttributeDict(
        norm_num_groups=2, sample_size=16, freq_shift=0, flip_sin_to_cos=True, lr=np.float64(1e-4), steps=np.int64(7),
        device=torch.device("cpu"), folder=pathlib.PurePosixPath("/data/x"), dtype=torch.float32, act=nn.SiLU,
        more=argparse.Namespace(depth=1, names=["a", "b"]), size=torch.Size([16, 16]), rng=np.random.RandomState(0).get_state())
    ema_keys = {"model_ema." + k.replace(".", ""): v for k, v in ema.items()}
    good("lightning.ckpt", lightning({**prefixed("model.", net), **ema_keys, "model_ema.num_updates": torch.tensor(3)},
                                     hyper_parameters=about), few(ema), few(net))

    state = "state_dict"
    bad("whole_module.pt", "whole pickled model", "torch.nn.modules.container.Sequential", obj=nn.Sequential(nn.Linear(2, 2)))
    bad("wrapped_module.pt", "whole pickled model", "`model`", obj={"epoch": 1, "model": nn.Sequential(nn.Linear(2, 2))})
    bad("optimizer.pt", "optimizer", "no weights", obj=optimizer(a))
    bad("optimizer_beside.pt", "optimizer", "`opt_G`", obj={"epoch": 2, "opt_G": optimizer(a)})
    bad("list.pt", "a list of 2 elements", obj=[a, b])
    bad("tensor.pt", "a single tensor", obj=torch.ones(3))
    bad("several.pt", "`first`", "`second`", obj={"first": a, "second": b})
    bad("quantized.pt", "out.2.weight", "not read",
        obj={**a, "out.2.weight": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)})
    bad("numbers.pt", "a dictionary of `epoch`", obj={"epoch": 3, "lr": 0.1})

    call = "executed"
    bad("evil_system.pt", "posix.system", obj={state: a, "epoch": Call(os.system, "echo > " + call)})
    bad("evil_eval.pt", "builtins.eval", obj={state: a, "hyper_parameters": {"lr": Call(eval, f"open('{call}', 'w')")}})
    bad("evil_exec_legacy.pth", "builtins.exec", obj={state: {**a, "x": Call(exec, f"open('{call}', 'w')")}}, **old)
    bad("evil_protocol0.pt", "os.system", data=raw_pickle("os", "system"))
    bad("evil_popen.ckpt", "subprocess.Popen", data=b"\x80\x02csubprocess\nPopen\nq\x00(X\x04\x00\x00\x00calctR.")
    bad("evil_hub.pt", "torch.hub.load", obj={state: a, "args": Call(torch.hub.load, "someone/something", "entry")})
    dropped = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R0}."
    bad("evil_dropped.pt", "os.system")
    archive(folder / "evil_dropped.pt", dropped)
    bad("evil_partial.pt", "builtins.exec", obj={state: a, "args": Call(map, functools.partial(exec), ["1"])})
    bad("evil_newobj.pt", "builtins.map")
    archive(folder / "evil_newobj.pt", b"\x80\x02cbuiltins\nmap\ncmath\nsqrt\n]\x86\x81.")
    bad("evil_inst.pt", "webbrowser.open", data=b"\x80\x02(X\x01\x00\x00\x00xiwebbrowser\nopen\n.")

    buffer = io.BytesIO()
    torch.save({"a.w": torch.ones(64)}, buffer)
    whole = buffer.getvalue()
    bad("truncated.pt", "truncated", data=whole[:len(whole) // 2])
    content = {n: zipfile.ZipFile(buffer).read(n) for n in zipfile.ZipFile(buffer).namelist()}
    pkl = next(v for n, v in content.items() if n.endswith("data.pkl"))
    bad("compressed.pt", "compressed")
    archive(folder / "compressed.pt", pkl, [("data/0", bytes(256))], zipfile.ZIP_DEFLATED)
    bad("short_storage.pt", "`data/0`", "256 bytes")
    archive(folder / "short_storage.pt", pkl, [("data/0", bytes(100))])
    bad("no_storage.pt", "`data/0`", "missing")
    archive(folder / "no_storage.pt", pkl)
    bad("big_endian.pt", "byte order")
    archive(folder / "big_endian.pt", pkl, [("data/0", bytes(256)), ("byteorder", "big")])
    bad("beyond.pt", "leaves its storage")
    archive(folder / "beyond.pt", pkl.replace(b"K@\x85", b"KA\x85", 1), [("data/0", bytes(256))])
    bad("not_torch.pt", "no `data.pkl`")
    with zipfile.ZipFile(folder / "not_torch.pt", "w") as z:
        z.writestr("weights.npy", b"x")
    bad("script.pt", "TorchScript")
    archive(folder / "script.pt", pkl, [("constants.pkl", b"\x80\x02).")])
    bad("plain.pkl", "not a file of torch.save", data=pickle.dumps({"a": 1}))
    bad("text.pt", "PyTorch", data=b"this is a text\n")
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def wrap(style, source, target):
    """Keeps the stored dtype."""
    from safetensors.torch import load_file
    sd = collections.OrderedDict(load_file(source))
    old = style.endswith("-legacy")
    torch.save(STYLES[style.removesuffix("-legacy")](sd), target, _use_new_zipfile_serialization=not old)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--wrap"] and len(sys.argv) == 5:
        wrap(*sys.argv[2:])
    elif len(sys.argv) == 2:
        write(pathlib.Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
