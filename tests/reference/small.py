"""Small networks with random weights for the references: rounded to F16, stored in a folder, and brought to float64."""
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import unet


def rounded(model):
    """The network with its values as F16 stores them."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    return model


def store(folder, config, state):
    """A network's folder, as the other goldens have it."""
    os.makedirs(folder, exist_ok=True)
    unet.save_weights(os.path.join(folder, "model.safetensors"), state)
    unet.write_json(os.path.join(folder, "config.json"), config)


def widened(network):
    """A UNet in float64. Its embedding's angles are float32 in the network; here they are as exact as the rest."""
    half = len(network.time_embedding.rate)
    network = network.double()
    network.time_embedding.rate = torch.exp(-np.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)
    network.time_embedding.forward = lambda t: embed(network.time_embedding, t)
    return network.eval()


def embed(layer, t):
    """[cos, sin] of the step and two linear layers, in float64."""
    angle = t.double()[:, None] * layer.rate
    return layer.linear_2(torch.nn.functional.silu(layer.linear_1(torch.cat([angle.cos(), angle.sin()], 1))))
