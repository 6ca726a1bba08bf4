"""Chooses the settings of a detector of Xu et al. by made-up faults on good images that were held out of the training, and writes
MODEL/detector.json.

    python choose_xu.py MODEL IMAGES --hold-out 7 --steps 5 10 20 --windows 5 11 21

Faults, thresholds and what is taken for best are those of choose_diffad.py. The fixed noise of the model folder is used, so that
it must be there: train_comparer.py writes it.
"""
import os

import choose_diffad
import diffae
import xu


def detector(a, s):
    """A detector.json of chosen settings."""
    system = choose_diffad.settings("xu", s) | {"variant": "paper", "noise_file": xu.NOISE}
    prediction = diffae.load(a.model).config.get("prediction", "epsilon")
    if prediction != "epsilon":
        system["schedule"] = {"prediction": prediction}
    return choose_diffad.detector(a, s, system, [-1, 1], ("denoiser", "comparer"))


def model(folder):
    """The networks of a model folder with their noise."""
    if not os.path.exists(os.path.join(folder, xu.NOISE)):
        raise SystemExit(f"{folder}: {xu.NOISE} is missing, the noise that the comparer was trained with")
    return xu.Model(folder)


if __name__ == "__main__":
    choose_diffad.main(__doc__, model, detector)
