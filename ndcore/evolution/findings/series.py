"""How a layer's metric or a curve moves over a run, in one figure each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ndcore.evolution.findings.finding import UntestableError
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.trends import WINDOW
from ndcore.statistics.resampling import gap_interval

Floats = NDArray[np.float64]

CLEAR_TREND = 0.5  # rank correlation
SETTLED = 0.9  # of the largest value
OVERFIT = 0.05  # rise of the validation loss


def require_layer(run: EvolutionRun, layer: str) -> None:
    """Go on where the run has this layer.

    Raises:
        UntestableError: it has not.
    """
    if layer not in {each.name for each in run.layers}:
        raise UntestableError(f"the recording of {run.model} has no layer {layer}")


def layer_epochs(run: EvolutionRun, layer: str, metric: str = "discriminability") -> Floats:
    """A layer's metric (normalised) over the epochs, (E,).

    Raises:
        UntestableError: the run has no such layer.
    """
    require_layer(run, layer)
    return np.asarray(run.units(layer, metric, "normalised").mean(0))


def rank_correlation(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Spearman's; 0 where one of them does not move."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def compared(units: Mapping[str, Floats], form: str, gaps: str) -> tuple[bool, dict[str, Any], str]:
    """Mean over the units of one network less that over the units of another.

    Args:
        units: the two networks -> a value of each unit, (n,).
        form, gaps: of the means and of their difference in words, such as `.3f`.

    Returns:
        Whether the 95% interval (bootstrap over units) lies above 0; the figures; and in words.
    """
    first, second = units.values()
    gap = float(first.mean() - second.mean())
    low, high = gap_interval(first, second)
    figures: dict[str, Any] = {
        name: {"mean": float(values.mean()), "units": len(values)} for name, values in units.items()
    }
    told = " against ".join(
        f"{name} {values.mean():{form}} ({len(values)} units)" for name, values in units.items()
    )
    words = f"{told}, difference {gap:{gaps}} (95% interval {low:{gaps}} to {high:{gaps}})"
    return low > 0, figures | {"difference": gap, "ci95": [low, high]}, words


def growth(values: Floats) -> Floats:
    """Mean of the last 5 epochs over the first epoch, less 1; (..., E) -> (...)."""
    first = np.maximum(values[..., 0], 1e-30)
    return np.asarray(values[..., -WINDOW:].mean(-1) / first - 1)


def initial_change(values: Floats) -> Floats:
    """Mean of epochs 2-5 over epoch 1, less 1; (..., E) -> (...)."""
    return np.asarray(values[..., 1:WINDOW].mean(-1) / np.maximum(values[..., 0], 1e-30) - 1)


def instability(values: Floats) -> Floats:
    """Mean size of a step from one epoch to the next, relative to the mean; (..., E) -> (...)."""
    mean = np.maximum(np.abs(values).mean(-1), 1e-30)
    return np.asarray(np.abs(np.diff(values, axis=-1)).mean(-1) / mean)


def settled_at(values: Floats, epochs: NDArray[np.int64]) -> int:
    """The first epoch at which a layer has 90% of its largest value."""
    return int(epochs[np.argmax(values >= SETTLED * values.max())])


def overfitting(run: EvolutionRun) -> tuple[bool, int, float]:
    """Whether a run overfits: the validation loss rises while the training loss goes on falling.

    Losses are means over 3 epochs.

    Returns:
        Whether the validation loss ends at least 5% above its lowest while the training loss is
        lower than there; the epoch of the lowest; the rise.
    """
    window = np.ones(3) / 3
    held, seen = (
        np.convolve(run.curves[name], window, mode="valid")
        for name in ("validation_loss", "train_loss")
    )
    lowest = int(np.argmin(held))
    rise = float(held[-1] / held[lowest] - 1)
    return rise >= OVERFIT and bool(seen[-1] < seen[lowest]), int(run.epochs[lowest + 1]), rise
