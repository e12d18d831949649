"""Attacks that see gradients and change every pixel a little, to compare one-pixel attacks with.

Here is what they are; `ndcore.attacks.gradient` runs them.
"""

from __future__ import annotations

from ndcore.attacks.engines.engine import Engine

COMPARISONS = (
    Engine(
        "fgsm",
        "FGSM",
        "Fast gradient sign method (Goodfellow et al. 2015), bounded by epsilon",
        targeted=False,
        bounded=True,
    ),
    Engine(
        "pgd",
        "PGD",
        "Projected gradient descent (Madry et al. 2018), bounded by epsilon",
        bounded=True,
    ),
    Engine(
        "deepfool",
        "DeepFool",
        "DeepFool L2 (Moosavi-Dezfooli et al. 2016), smallest change it finds",
        targeted=False,
    ),
    Engine("cw", "Carlini-Wagner", "Carlini & Wagner L2 (2017), smallest change it finds"),
)
