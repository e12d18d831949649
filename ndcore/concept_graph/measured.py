"""What is known of one class: its units' importance and its edges, with what is unsure of them.

The influence of a unit on a class is the directed power sum: the class's logit has 1, and every
unit hands on what it has to its sources, in proportion to the |mean share| of what they add. Each
layer then sums to 1. Above a gap in the links it starts again from the layer's share of
|activation x gradient|.

Reference: the power sum is that of Ameisen et al. 2025, "Circuit tracing: revealing computational
graphs in language models", without its error nodes: here the contributions are exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.graph import COUNT, GRADIENT, INFLUENCE
from ndcore.concept_graph.sums import FIVE, ClassSums, LinkSums, Watched

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Value:
    """One number per unit.

    Attributes:
        value: float (units,); NaN where it is not known.
        error: its standard error between folds; NaN where there are fewer than two.
    """

    value: Floats
    error: Floats


@dataclass(frozen=True)
class Patches:
    """What drives each unit most.

    Attributes:
        images: int (units, k), numbers of the images; -1 where there are fewer.
        at: int (units, k), positions in the map.
        top: float (units, k), activations there.
    """

    images: NDArray[np.integer]
    at: NDArray[np.integer]
    top: Floats


@dataclass(frozen=True)
class Edges:
    """Edges from one layer into the units of another.

    Attributes:
        source, target: names of the layers.
        sources: int (targets, k), units that the columns stand for.
        influence, error: float (targets, k), signed mean share and its standard error.
        stability, count: float (targets, k), see `Edge`.
        whole: float (targets,), sum of |influence| over all sources, those that are left out too.
    """

    source: str
    target: str
    sources: NDArray[np.integer]
    influence: Floats
    error: Floats
    stability: Floats
    count: Floats
    whole: Floats


@dataclass(frozen=True)
class Measured:
    """One class, one set of images that are taken for it, or one image.

    Attributes:
        label: whose logit is followed.
        images: how many it was made from.
        folds: how many parts they fall into; 0 of a single image.
        units: layer -> number of units, in order.
        values: layer -> kind of importance -> number per unit.
        means: layer -> float (units,), mean activation.
        patches: layer -> what drives its units.
        edges: by the name of the target layer.
        gaps: sentences on layers between which there are none.
    """

    label: int
    images: int
    folds: int
    units: Mapping[str, int]
    values: Mapping[str, Mapping[str, Value]]
    means: Mapping[str, Floats]
    patches: Mapping[str, Patches]
    edges: Mapping[str, Edges]
    gaps: tuple[str, ...]


def measured(watched: Watched, sums: ClassSums) -> Measured:
    """What sums over the images of a class say."""
    done = sums.images > 0
    folds = int(done.sum())
    edges, by_fold = {}, {}
    for each in watched.weights:
        link = sums.links[each.link.target]
        shares = _fold_shares(link)
        edges[each.link.target] = _edges(each.link.source, each.link.target, link, shares)
        by_fold[each.link.target] = shares[done]
    graded = sums.gradients > 0
    values: dict[str, dict[str, Value]] = {}
    for layer, found in sums.layers.items():
        values[layer] = {
            COUNT: _value(found.count[done] / sums.images[done, None], sums.images[done])
        }
        if graded.any():
            mean = found.gradient[graded] / sums.gradients[graded, None]
            values[layer][GRADIENT] = _value(mean, sums.gradients[graded])
    absolute = {name: np.abs(each.influence) for name, each in edges.items()}
    starts = {
        layer: np.abs(found[GRADIENT].value) for layer, found in values.items() if GRADIENT in found
    }
    whole = influences(watched, absolute, starts, sums.label)
    parts = [
        influences(
            watched,
            {name: np.abs(np.nan_to_num(each[fold])) for name, each in by_fold.items()},
            starts,
            sums.label,
        )
        for fold in range(folds)
    ]
    for layer in values:
        error = _error(np.stack([part[layer] for part in parts]))
        values[layer][INFLUENCE] = Value(whole[layer], error)
    return Measured(
        label=sums.label,
        images=int(sums.images.sum()),
        folds=folds if folds > 1 else 0,
        units=watched.units,
        values=values,
        means={
            layer: found.mean.sum(0) / max(1, sums.images.sum())
            for layer, found in sums.layers.items()
        },
        patches={
            layer: _patches(found.images, found.at, found.top)
            for layer, found in sums.layers.items()
        },
        edges=edges,
        gaps=watched.gaps,
    )


def influences(
    watched: Watched,
    absolute: Mapping[str, Floats],
    starts: Mapping[str, Floats],
    label: int,
) -> dict[str, NDArray[np.float64]]:
    """Share of the class's influence that passes through each unit; a layer sums to 1.

    Args:
        watched: the network.
        absolute: target layer -> |influence| (targets, sources).
        starts: layer -> (units,), what to begin with where nothing leads on.
        label: the class.

    Returns:
        layer -> (units,); NaN where nothing leads on and there is nothing to begin with.
    """
    targets = {each.link.source: each.link.target for each in watched.weights}
    found: dict[str, NDArray[np.float64]] = {}
    layers = list(watched.units)
    for layer in reversed(layers):
        units = watched.units[layer]
        if layer == layers[-1] and label < units:
            found[layer] = np.zeros(units)
            found[layer][label] = 1
        elif layer in targets:
            rows = absolute[targets[layer]]
            whole = rows.sum(1, keepdims=True, dtype=np.float64)
            handed = np.divide(rows, whole, out=np.zeros(rows.shape), where=whole > 0)
            found[layer] = found[targets[layer]] @ handed
        else:
            start = starts.get(layer, np.full(units, np.nan)).astype(np.float64)
            found[layer] = start / start.sum() if start.sum() > 0 else np.full(units, np.nan)
    return found


def _mean_shares(sums: LinkSums) -> NDArray[np.float64]:
    """(targets, sources), over the images of all folds."""
    measured = sums.measured.sum(0)[:, None]
    shape = sums.shares.shape[1:]
    found: NDArray[np.float64] = np.zeros(shape)
    np.divide(sums.shares.sum(0, dtype=np.float64), measured, out=found, where=measured > 0)
    return found


def _fold_shares(sums: LinkSums) -> NDArray[np.float32]:
    """(folds, targets, sources); NaN where a target was not measured."""
    times = np.where(sums.measured > 0, sums.measured, np.nan).astype(np.float32)
    return np.asarray(sums.shares / times[:, :, None], np.float32)


def _edges(source: str, target: str, sums: LinkSums, folds: NDArray[np.float32]) -> Edges:
    """`folds`: the shares of each fold, see `_fold_shares`."""
    mean = _mean_shares(sums)
    known = sums.measured > 0
    five = min(FIVE, mean.shape[1])
    inside = np.zeros(mean.shape)
    for fold, there in zip(folds, known, strict=True):
        rows = np.flatnonzero(there)
        top = np.argpartition(-np.abs(fold[rows]), five - 1, 1)[:, :five]
        nothing = np.take_along_axis(fold[rows], top, 1) == 0
        inside[rows[:, None], top] += ~nothing
    times = known.sum(0)[:, None]
    counted = sums.counted.sum(0)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        stability = np.where(times > 1, inside / times, np.nan)
        count = sums.five.sum(0, dtype=np.int64) / np.where(counted > 0, counted, np.nan)
    return Edges(
        source,
        target,
        np.broadcast_to(np.arange(mean.shape[1]), mean.shape),
        mean,
        _error(folds),
        stability,
        count,
        np.abs(mean).sum(1),
    )


def _value(by_fold: Floats, images: NDArray[np.integer]) -> Value:
    return Value(np.average(by_fold, 0, weights=images), _error(by_fold))


def _error(by_fold: Floats) -> Floats:
    """Standard error of a mean over folds (folds, ...); NaN where fewer than two are known."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of slices without two numbers
        known = (~np.isnan(by_fold)).sum(0)
        found: Floats = np.nanstd(by_fold, 0, ddof=1) / np.sqrt(known)
    return found


def _patches(images: NDArray[np.integer], at: NDArray[np.integer], top: Floats) -> Patches:
    """The strongest of all folds, of equal ones the image with the smaller number."""
    folds, units, few = top.shape

    def joined(each: NDArray[Any]) -> NDArray[Any]:
        return each.transpose(1, 0, 2).reshape(units, folds * few)

    order = np.lexsort((joined(images), -joined(top)), axis=1)[:, :few]
    values = np.take_along_axis(joined(top), order, 1)
    numbers = np.where(values > 0, np.take_along_axis(joined(images), order, 1), -1)
    return Patches(numbers, np.take_along_axis(joined(at), order, 1), values)
