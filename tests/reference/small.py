"""Small networks with random weights for the references: rounded to F16, stored in a folder, and brought to float64."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../weights/recipes"))
import selftest_latent
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
    """A UNet in float64, as exact throughout."""
    return selftest_latent.exact(network).eval()
