"""The graphs of all classes in a compact form, as a bundle keeps them in `graph.npz`.

Of the edges into a unit `SOURCES` are kept, the same for every class, so that classes can be
compared: first the strongest of each class, then the next ones. Influences are float16, shares of
folds and images in steps of 1/250.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.graph import COUNT, GRADIENT, INFLUENCE
from ndcore.concept_graph.measured import Edges, Measured, Patches, Value
from ndcore.concept_graph.sums import FOLDS
from ndcore.errors import BadRequestError

SOURCES, FEWEST = 32, 5  # kept of each unit
EDGE_BYTES = 9e6  # of a file, what its edges may take
MEMORY = 2**30  # of all classes' edges until they are chosen from
PER_EDGE = 6  # bytes: two float16 and two shares
PER_NODE, SMALLER = 26, 0.77  # bytes of a unit, and what is left of an edge's, once compressed
STEPS, UNKNOWN = 250, 255
KINDS = (INFLUENCE, COUNT, GRADIENT)
Arrays = dict[str, NDArray[Any]]


def sources_within(classes: int, pairs: Mapping[str, tuple[int, int]]) -> int:
    """How many edges into each unit a file has room for.

    Args:
        classes: that have images.
        pairs: target layer -> (its units, units of the source layer).

    Raises:
        BadRequestError: not even `FEWEST`.
    """
    targets = sum(count for count, _ in pairs.values())
    each = max(8 * classes, 6 * FOLDS)  # bytes: kept of every class, or of one by folds
    whole = each * sum(count * sources for count, sources in pairs.values())
    most = min(SOURCES, int(EDGE_BYTES / PER_EDGE / max(1, classes * targets)))
    if most < FEWEST or whole > MEMORY:
        raise BadRequestError(
            f"a concept graph of {classes:,} classes and {targets:,} units is too large to keep: "
            "observe fewer layers"
        )
    return most


def kept_bytes(classes: int, units: int) -> float:
    """About what a file takes, with edges into all units; nothing where it would be too large."""
    most = min(SOURCES, int(EDGE_BYTES / PER_EDGE / max(1, classes * units)))
    return classes * units * (PER_NODE + SMALLER * PER_EDGE * most) if most >= FEWEST else 0


class Keeper:
    """Takes the classes one by one and hands out what is kept of them.

    Args:
        classes: how many there will be.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._found: list[tuple[Measured, dict[str, _Edges]]] = []

    def add(self, found: Measured) -> None:
        """One class; its edges are made smaller at once.

        Raises:
            BadRequestError: all classes together take too much memory.
        """
        shapes = {name: edges.influence.shape for name, edges in found.edges.items()}
        sources_within(self._classes, {name: (size[0], size[1]) for name, size in shapes.items()})
        edges = {name: _Edges(each) for name, each in found.edges.items()}
        self._found.append((found, edges))

    def arrays(self) -> Arrays:
        """What goes into the file."""
        every = [found for found, _ in self._found]
        first = every[0]
        shapes = {name: each.influence.shape for name, each in first.edges.items()}
        most = sources_within(
            self._classes, {name: (size[0], size[1]) for name, size in shapes.items()}
        )
        arrays: Arrays = {
            "labels": np.array([found.label for found in every], np.int32),
            "images": np.array([found.images for found in every], np.int32),
            "folds": np.array([found.folds for found in every], np.int32),
            "layers": np.array(list(first.units), np.str_),
            "units": np.array(list(first.units.values()), np.int32),
            "links": np.array([[e.source, e.target] for e in first.edges.values()], np.str_),
            "gaps": np.array(first.gaps, np.str_),
        }
        for layer in first.units:
            arrays |= _layer_arrays(layer, every)
        for name in first.edges:
            arrays |= _edge_arrays(name, [edges[name] for _, edges in self._found], most)
        return arrays


class _Edges:
    """Edges of one class in a small form, of all sources."""

    def __init__(self, edges: Edges) -> None:
        self.influence = edges.influence.astype(np.float32)
        self.error = edges.error.astype(np.float16)
        self.stability = _as_steps(edges.stability)
        self.count = _as_steps(edges.count)
        self.whole = edges.whole.astype(np.float32)


def _layer_arrays(layer: str, every: list[Measured]) -> Arrays:
    arrays: Arrays = {}
    for kind in KINDS:
        if all(kind in found.values[layer] for found in every):
            values = [found.values[layer][kind] for found in every]
            arrays[f"{layer}/{kind}"] = np.stack([each.value for each in values]).astype(np.float32)
            arrays[f"{layer}/{kind}_error"] = np.stack([each.error for each in values]).astype(
                np.float32
            )
    arrays[f"{layer}/means"] = np.stack([found.means[layer] for found in every]).astype(np.float32)
    patches = [found.patches[layer] for found in every]
    images = np.stack([each.images for each in patches]) + 1  # 0 = none
    arrays[f"{layer}/patch_images"] = images.astype(np.min_scalar_type(int(images.max())))
    at = np.stack([each.at for each in patches])
    arrays[f"{layer}/patch_at"] = at.astype(np.min_scalar_type(int(at.max())))
    top = np.stack([each.top for each in patches])
    arrays[f"{layer}/patch_top"] = np.where(np.isfinite(top), top, 0).astype(np.float16)
    return arrays


def _edge_arrays(name: str, every: list[_Edges], most: int) -> Arrays:
    strength = np.stack([np.abs(each.influence) for each in every])
    order = np.argsort(-strength, 2, kind="stable")
    ranks = np.empty(order.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(order.shape[2], dtype=np.int32)[None, None], 2)
    # The best place that a source has in any class; of equal ones the stronger.
    chosen = np.lexsort((-strength.max(0), ranks.min(0)), axis=1)[:, :most]
    chosen = np.sort(chosen, 1)

    def kept(values: list[NDArray[Any]]) -> NDArray[Any]:
        return np.stack([np.take_along_axis(each, chosen, 1) for each in values])

    return {
        f"{name}/sources": chosen.astype(np.uint16),
        f"{name}/edge_influence": kept([each.influence for each in every]).astype(np.float16),
        f"{name}/edge_error": kept([each.error for each in every]),
        f"{name}/edge_stability": kept([each.stability for each in every]),
        f"{name}/edge_count": kept([each.count for each in every]),
        f"{name}/edge_whole": np.stack([each.whole for each in every]).astype(np.float16),
    }


class KeptGraphs:
    """What `Keeper` handed out, read again.

    Attributes:
        labels: classes that have a graph.
        units: layer -> number of units, in order.
        kinds: importances that were measured.
        means: layer -> float (units,), mean activation over the images of all classes.

    Args:
        arrays: of the file.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self.labels = tuple(arrays["labels"].tolist())
        self.units: dict[str, int] = dict(
            zip(arrays["layers"].tolist(), arrays["units"].tolist(), strict=True)
        )
        first = next(iter(self.units), "")
        self.kinds = tuple(kind for kind in KINDS if f"{first}/{kind}" in arrays)
        images = arrays["images"]
        self.means = {
            layer: np.average(arrays[f"{layer}/means"].astype(np.float64), 0, weights=images)
            for layer in self.units
        }

    def of(self, label: int) -> Measured:
        """The graph of a class.

        Raises:
            BadRequestError: it has no images.
        """
        if label not in self.labels:
            raise BadRequestError("there is no image of that class, so it has no graph")
        row, arrays = self.labels.index(label), self._arrays
        values = {
            layer: {
                kind: Value(
                    arrays[f"{layer}/{kind}"][row].astype(np.float64),
                    arrays[f"{layer}/{kind}_error"][row].astype(np.float64),
                )
                for kind in KINDS
                if f"{layer}/{kind}" in arrays
            }
            for layer in self.units
        }
        return Measured(
            label=label,
            images=int(arrays["images"][row]),
            folds=int(arrays["folds"][row]),
            units=self.units,
            values=values,
            means={layer: arrays[f"{layer}/means"][row] for layer in self.units},
            patches={
                layer: Patches(
                    arrays[f"{layer}/patch_images"][row].astype(np.int64) - 1,
                    arrays[f"{layer}/patch_at"][row].astype(np.int64),
                    arrays[f"{layer}/patch_top"][row].astype(np.float32),
                )
                for layer in self.units
            },
            edges={
                target: self._edges(source, target, row)
                for source, target in arrays["links"].reshape(-1, 2).tolist()
            },
            gaps=tuple(arrays["gaps"].tolist()),
        )

    def _edges(self, source: str, target: str, row: int) -> Edges:
        arrays = self._arrays
        return Edges(
            source,
            target,
            arrays[f"{target}/sources"].astype(np.int64),
            arrays[f"{target}/edge_influence"][row].astype(np.float64),
            arrays[f"{target}/edge_error"][row].astype(np.float64),
            _from_steps(arrays[f"{target}/edge_stability"][row]),
            _from_steps(arrays[f"{target}/edge_count"][row]),
            arrays[f"{target}/edge_whole"][row].astype(np.float64),
        )


def _as_steps(share: NDArray[np.floating]) -> NDArray[np.uint8]:
    steps = np.where(np.isnan(share), UNKNOWN, np.rint(STEPS * np.nan_to_num(share)))
    return np.asarray(steps.astype(np.uint8))


def _from_steps(steps: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.where(steps == UNKNOWN, np.nan, steps / STEPS)
