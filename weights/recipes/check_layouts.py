"""Holds the networks of the latent systems to outputs of the original code: MONAI, latent-diffusion, DRAEM.

    python check_layouts.py GOLDENS

GOLDENS has the folders named below, each with model.safetensors, config.json and io.safetensors; a folder that is not there is
passed over. The last line tells how many were met.
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file

import compvis
import diffad
import draem
import guided
import latent
import monai
import unet
import vqvae

FILE = "model.safetensors"


def of_vqvae(folder, io):
    """Latents before quantising, indices, images."""
    model = vqvae.load(folder, FILE)
    z = model.encode(io["x"])
    indices, codes = model.quantize(z)
    return {"z": z, "indices": indices, "out": model.decode(codes)}


def of_compvis(folder, io):
    """Mean, log variance, images from the mean."""
    model = compvis.load(folder, FILE)
    mean, logvar = model.encode(io["x"])
    return {"mean": mean, "logvar": logvar, "out": model.decode(mean)}


def of_draem(folder, io):
    """Logits and the map."""
    logits = draem.load(folder, FILE)(io["x"])
    return {"out": logits, "prob": logits.softmax(1)[:, 1:]}


def guided_unet(folder):
    """A UNet in guided-diffusion's layout."""
    with open(os.path.join(folder, "config.json")) as f:
        cfg = guided.from_config(json.load(f))
    model = unet.UNet(cfg).eval()
    model.load_state_dict(guided.from_guided(cfg, {k: v.float() for k, v in load_file(os.path.join(folder, FILE)).items()}))
    return model


def of_chain(folder, io):
    """DiffAD's latents, by the network beside the chain."""
    network = guided_unet(os.path.join(folder, "../../ldm-unet-diffad-style"))
    return {"out": diffad.draw(network, io["condition"], io["z_T"], 10, latent.alpha_bars(*diffad.BETAS))}


CHECKS = {
    "monai-vqvae": of_vqvae,
    "monai-generative-unet": lambda folder, io: {"out": monai.load(folder, FILE)(io["x"], io["t"])},
    "compvis-autoencoderkl": of_compvis,
    "ldm-unet-diffad-style": lambda folder, io: {"out": guided_unet(folder)(io["x"], io["t"])},
    "draem-segnet-9ch": of_draem,
    "chains/diffad-ldm-ddim": of_chain,
}


@torch.no_grad()
def main():
    """Runs every check and prints the normalised squared errors."""
    torch.set_num_threads(1)
    met = failed = 0
    for name, compute in CHECKS.items():
        folder = os.path.join(sys.argv[1], name)
        if not os.path.exists(folder):
            print(f"{name}: not there")
            continue
        io = load_file(os.path.join(folder, "io.safetensors"))
        errors = {k: float((v - io[k]).double().square().sum() / io[k].double().square().sum()) for k, v in compute(folder, io).items()}
        good = all(e < 1e-9 for e in errors.values())
        met, failed = met + good, failed + (not good)
        print(name, ", ".join(f"{k} {e:.1e}" for k, e in errors.items()), "" if good else "NOT MET")
    print(f"{met} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
