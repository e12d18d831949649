"""Discriminability and density of units: how far apart classes lie, and how much is switched on.

Zhong et al. leave two things open, so there are two variants. `paper` is the formula to the
letter: W2 is the root of a sum, so it grows with the sample, and the mean is over all m x m pairs
of classes, each with itself (distance 0) and in both orders. `normalised` is the root of a mean
over the mean of the m (m - 1) / 2 different pairs, so that layers and runs can be compared.
They differ by a constant factor per layer, see `paper_factor`.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 2
and equation 3.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError

VARIANTS = ("paper", "normalised")

Floats = NDArray[np.floating]


def discriminability(samples: Floats, variant: str = "paper", *, in_order: bool = False) -> Floats:
    """How far apart a unit's classes lie: the mean W2 of pairs of classes (equation 1).

    Args:
        samples: values (classes, units, samples per class); at least two classes.
        variant: see the module's text.
        in_order: the samples are sorted already.

    Returns:
        (units,), >= 0.

    Raises:
        BadRequestError: unknown variant.
    """
    _require(variant)
    ordered = samples if in_order else np.sort(samples, axis=-1)
    classes, units, count = ordered.shape
    total = np.zeros(units)
    difference = np.empty_like(ordered[0])
    for first, second in combinations(range(classes), 2):
        np.subtract(ordered[first], ordered[second], out=difference)
        total += np.sqrt(np.einsum("us,us->u", difference, difference))
    if variant == "paper":
        total *= 2 / classes**2
    else:
        total /= np.sqrt(count) * classes * (classes - 1) / 2
    return total


def paper_factor(samples: int, classes: int) -> float:
    """What `normalised` discriminability is multiplied by to give `paper`.

    Args:
        samples: values per class.
        classes: number of classes.
    """
    return float(np.sqrt(samples) * (classes - 1) / classes)


def between_classes(samples: Floats) -> NDArray[np.float64]:
    """Share of a unit's variance that lies between the means of its classes.

    Args:
        samples: values (classes, units, samples per class).

    Returns:
        (units,) in [0, 1]: 0 where all classes have one mean, and for a unit that does not vary.
    """
    means = samples.mean(-1, dtype=np.float64)
    centre = means.mean(0)[:, None]
    # Class by class, as the samples of wide layers are large.
    whole = np.mean([((each - centre) ** 2).mean(-1) for each in samples], axis=0)
    found: NDArray[np.float64] = np.zeros(len(whole))
    np.divide(means.var(0), whole, out=found, where=whole > 0)
    return found


def density(activations: Floats) -> Floats:
    """How much a unit is switched on: mean over images of g(mean over space) (equation 2).

    Args:
        activations: (images, units, positions), or (images, units) of means over space.

    Returns:
        (units,) in [0, 1]: g sets what is below 0 to 0 and what is above 1 to 1.
    """
    means = activations.mean(-1) if activations.ndim == 3 else activations
    found: Floats = np.clip(means, 0, 1).mean(0)
    return found


def layer_value(units: Floats) -> Floats:
    """A layer's value: the mean over its units, (units, ...) -> (...)."""
    found: Floats = units.mean(0)
    return found


def blocks(ordered: Floats, count: int) -> Floats:
    """Means of equal runs of sorted values: a short quantile function.

    Args:
        ordered: sorted values (..., samples); `count` divides the samples.
        count: blocks.

    Returns:
        (..., count). Their W2 (normalised) is never above that of the samples.
    """
    shape = (*ordered.shape[:-1], count, ordered.shape[-1] // count)
    found: Floats = ordered.reshape(shape).mean(-1)
    return found


def unit_distances(ordered: Floats, samples: int | None = None) -> Floats:
    """Distance of every two units: W2 between them, summed over classes (equation 3).

    Args:
        ordered: sorted values or their `blocks` (classes, units, n).
        samples: None for the normalised variant; for the paper's the values per class.

    Returns:
        Symmetric (units, units) with a zero diagonal.
    """
    values = ordered.astype(np.float64)
    total = np.zeros((values.shape[1],) * 2)
    for each in values:
        # Row by row, as a product of matrices loses small distances between large values.
        for unit, own in enumerate(each[:-1]):
            square = ((each[unit + 1 :] - own) ** 2).mean(-1)
            total[unit, unit + 1 :] += np.sqrt(square)
    return (total + total.T) * (1.0 if samples is None else np.sqrt(samples))


def _require(variant: str) -> None:
    if variant not in VARIANTS:
        raise BadRequestError(f"unknown variant '{variant}': choose {' or '.join(VARIANTS)}")
