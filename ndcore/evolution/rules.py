"""Warnings of a recorded run, each by a rule that can be read and changed.

Zhong et al. 2017 name the signs (sections 4.1.2 and 4.2): dead units, representations that are
too sparse or too dense, windows in which a layer stands still, saturated sigmoids. They give no
figures; the thresholds here are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.evolution.layers import BOUNDS, WatchedLayer


@dataclass(frozen=True)
class Rule:
    """When a layer is warned of.

    Attributes:
        name: of the warning.
        kinds: of the layers that it judges; empty = all.
        measure: `dead` (share of units that do not vary over the sample), `density`,
            `saturation` (share of values within 5% of an end of the function's range) or
            `change` (of discriminability: largest minus smallest over `window` epochs, relative
            to the largest).
        above: warn when the measure reaches `threshold`; else when it does not exceed it.
        threshold: of the measure.
        sentence: the rule in words.
        window: epochs that `change` looks at.
        others: warn only where the change of the network's median layer reaches this: a network
            that has converged stands still as a whole.
    """

    name: str
    kinds: tuple[str, ...]
    measure: str
    above: bool
    threshold: float
    sentence: str
    window: int = 1
    others: float = 0.0


@dataclass(frozen=True)
class Warned:
    """A rule that holds for a layer.

    Attributes:
        rule: its name.
        layer: name.
        epochs: at which it holds, in order.
        value: the measure where it is furthest beyond the threshold.
        sentence: the rule in words.
    """

    rule: str
    layer: str
    epochs: tuple[int, ...]
    value: float
    sentence: str


RULES: tuple[Rule, ...] = (
    Rule(
        name="dead",
        kinds=("relu", "sigmoid", "tanh", "other"),
        measure="dead",
        above=True,
        threshold=0.5,
        sentence="at least half of the units have one value on every image of the sample",
    ),
    Rule(
        name="too sparse",
        kinds=("relu",),
        measure="density",
        above=False,
        threshold=0.02,
        sentence="the mean density of the units is at most 0.02",
    ),
    Rule(
        name="too dense",
        kinds=("relu",),
        measure="density",
        above=True,
        threshold=0.5,
        sentence="the mean density of the units is at least 0.5",
    ),
    Rule(
        name="saturated",
        kinds=tuple(BOUNDS),
        measure="saturation",
        above=True,
        threshold=0.5,
        sentence="at least half of the values lie within 5% of an end of the function's range",
    ),
    Rule(
        name="stagnant",
        kinds=(),
        measure="change",
        above=False,
        threshold=0.01,
        sentence="discriminability changed by at most 1% over 7 epochs, that of the network's "
        "median layer by 2% or more",
        window=7,
        others=0.02,
    ),
)


def warnings_of(
    layer: WatchedLayer,
    epochs: NDArray[np.integer],
    units: Mapping[str, NDArray[np.floating]],
    network: NDArray[np.floating],
) -> list[Warned]:
    """Rules that hold for a layer at some epoch.

    Args:
        layer: what is judged.
        epochs: numbers of the recorded epochs, (E,).
        units: `discriminability`, `density` and `saturation`, each (units, E).
        network: discriminability of all layers of the network, (layers, E).
    """
    found = []
    for rule in RULES:
        if rule.kinds and layer.kind not in rule.kinds:
            continue
        measured = _measure(rule, units)
        beyond = measured >= rule.threshold if rule.above else measured <= rule.threshold
        if rule.others:
            beyond &= np.median(_changes(network, rule.window), axis=0) >= rule.others
        if not beyond.any():
            continue
        extreme = measured[beyond].max() if rule.above else measured[beyond].min()
        # A window that holds means all of its epochs.
        held = np.flatnonzero(beyond)[:, None] + np.arange(rule.window)
        when = tuple(int(epoch) for epoch in epochs[np.unique(held)])
        found.append(Warned(rule.name, layer.name, when, float(extreme), rule.sentence))
    return found


def _measure(rule: Rule, units: Mapping[str, NDArray[np.floating]]) -> NDArray[np.floating]:
    """The measure per epoch, or per first epoch of a window."""
    if rule.measure == "dead":
        # Classes that lie nowhere apart have one value: 0 after a ReLU, any other elsewhere.
        return np.asarray((units["discriminability"] == 0).mean(0))
    if rule.measure != "change":
        return np.asarray(units[rule.measure].astype(np.float64).mean(0))
    means = units["discriminability"].astype(np.float64).mean(0, keepdims=True)
    return np.asarray(_changes(means, rule.window)[0])


def _changes(values: NDArray[np.floating], window: int) -> NDArray[np.floating]:
    """Largest minus smallest over `window` epochs, relative to the largest: (n, windows)."""
    if values.shape[1] < window:
        return np.full((len(values), 0), np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=1)
    most = windows.max(-1)
    return np.asarray((most - windows.min(-1)) / np.maximum(most, 1e-30))
