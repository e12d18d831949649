"""A network whose weights are set by hand, with distributions of its own."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.observed import Observed

SIDE = 4


def by_hand() -> Observed:
    """Units 0 and 1 of `spots` are red and green, units 2 to 7 see blue.

    Class 1 wins where the mean of red exceeds 1/2: by hidden unit 0; unit 1 sees red as well.

    The second logit reads hidden unit 0 alone, the third nothing.
    """
    spots = nn.Conv2d(3, 8, 1, bias=False)
    hidden = nn.Linear(8 * SIDE * SIDE, 5)
    logits = nn.Linear(5, 3)
    with torch.no_grad():
        for weights in (spots.weight, hidden.weight, hidden.bias, logits.weight, logits.bias):
            weights.zero_()
        spots.weight[[0, 1], [0, 1]] = 1
        spots.weight[2:, 2] = 1
        hidden.weight[:2, : SIDE * SIDE] = 1 / SIDE**2
        logits.weight[1, 0] = 10
        logits.bias[0], logits.bias[2] = 5, -100
    parts = OrderedDict(spots=spots, flat=nn.Flatten(), hidden=hidden, logits=logits)
    values = np.full((100, 8), 0.4, np.float32)
    values[:50] = 0.2
    labels = np.arange(100) % 3
    found = {
        ("spots", "max"): ClassHistograms.empty(3, values).update(values, labels),
        ("hidden", "value"): ClassHistograms.empty(3, values[:, :5]).update(values[:, :5], labels),
        ("logits", "value"): ClassHistograms.empty(3, values[:, :3]).update(values[:, :3], labels),
    }
    model = nn.Sequential(parts).eval()
    return Observed(model, ("spots", "hidden", "logits"), ("a", "b", "c"), (SIDE, SIDE, 3), found)
