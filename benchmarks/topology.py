"""The mapper graph of 10,000 vectors against zen-mapper and against bare DBSCAN, in one run.

The three are timed in alternation over the same vectors, so that a busy machine slows them alike.
zen-mapper, which makes the same graph, comes with `requirements-dev.txt`.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.distributions import seconds_of
from benchmarks.report import limited, machine, row
from ndcore.bundles.bundle import Bundle
from ndcore.topology.layout import layout
from ndcore.topology.mapper import MapperGraph, MapperSettings, cover, mapper_graph
from ndcore.topology.nodes import node_facts
from ndcore.topology.presets import PRESETS
from ndcore.topology.space import Space
from ndcore.topology.vectors import MOST, LayerVectors

UNITS, CLASSES, ROUNDS = 512, 10, 3
LIMIT_S = 1.0  # of a change of a setting


def run(_bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time one change of a setting over `n` seeded vectors, all that the page makes of it."""
    from sklearn.cluster import DBSCAN

    vectors = made_up(n or MOST)
    spaces: list[Space] = []
    around = seconds_of(lambda: spaces.append(Space.around(vectors)))
    space = spaces[0]
    values, lens = space.wide, space.lens("norm")
    settings = PRESETS["usual"].settings(space)
    inside = parts(lens, settings)
    graphs: list[MapperGraph] = []

    def change() -> None:
        graph = mapper_graph(values, lens, settings)
        node_facts(space, graph, CLASSES)
        layout(graph, values, lens)
        graphs.append(graph)

    def bare() -> None:
        for members in inside:
            DBSCAN(eps=settings.epsilon, min_samples=settings.min_samples).fit(values[members])

    def alone() -> None:
        mapper_graph(values, lens, settings)

    def zen() -> None:
        zen_graph(values, lens, settings)

    works: dict[str, Callable[[], None]] = {
        "graph": alone,
        "change": change,
        "bare": bare,
    }
    if importlib.util.find_spec("zen_mapper"):
        works["zen"] = zen
    spent = {name: [seconds_of(work) for _ in range(ROUNDS)] for name, work in works.items()}
    best = {name: min(seconds) for name, seconds in spent.items()}
    processor = min(processor_s(change) for _ in range(ROUNDS))
    rows = [
        row("bare DBSCAN of every interval", best["bare"], "s"),
        row("mapper graph", best["graph"], "s", "bare DBSCAN", best["graph"] / best["bare"]),
        row(f"a change of a setting, {len(values):,} vectors", best["change"], "s"),
        limited("the same in processor time", processor, "s", LIMIT_S),
        row("neighbours of every vector, once", around, "s"),
        row("nodes", len(graphs[0].nodes), ""),
    ]
    if "zen" in best:
        rows.insert(2, row("zen-mapper", best["zen"], "s"))
        rows.append(
            row("mapper graph", best["graph"], "s", "zen-mapper", best["graph"] / best["zen"])
        )
    return {"name": "topology", "machine": machine(), "rows": rows}


def processor_s(work: Callable[[], None]) -> float:
    """Processor seconds that it takes, which a busy machine does not stretch."""
    started = time.process_time()
    work()
    return time.process_time() - started


def made_up(n: int, units: int = UNITS, seed: int = 0) -> LayerVectors:
    """Vectors like those after a ReLU: ten classes, each strong or weak by the image."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    middles = rng.normal(size=(CLASSES, units))[labels] * rng.uniform(0.5, 1.5, (n, 1))
    values = np.maximum(middles + 0.7 * rng.normal(size=(n, units)), 0).astype(np.float16)
    keys = np.array([f"made-up:{at}" for at in range(n)], np.str_)
    return LayerVectors(values, keys, labels, labels, np.zeros(n, np.float32))


def parts(lens: NDArray[np.float64], settings: MapperSettings) -> list[NDArray[np.int64]]:
    """Vectors of each interval that has any."""
    bounds = cover(lens, settings.intervals, settings.overlap)
    found = [np.flatnonzero((low <= lens) & (lens <= high)) for low, high in bounds]
    return [members for members in found if len(members)]


def zen_graph(
    values: NDArray[np.float32], lens: NDArray[np.float64], settings: MapperSettings
) -> Any:
    """The same graph by zen-mapper: `nodes` and, in `nerve[1]`, its edges.

    Its own adapter of scikit-learn makes a cluster of a vector that is alone in an interval,
    whatever `min_samples` is; so DBSCAN is called here.
    """
    from sklearn.cluster import DBSCAN
    from zen_mapper import Width_Balanced_Cover, mapper

    def clusters(data: NDArray[Any]) -> tuple[list[NDArray[np.int64]], None]:
        if not len(data):
            return [], None
        found = DBSCAN(eps=settings.epsilon, min_samples=settings.min_samples).fit(data)
        return [np.flatnonzero(found.labels_ == at) for at in range(found.labels_.max() + 1)], None

    scheme = Width_Balanced_Cover(settings.intervals, settings.overlap)
    return mapper(values, lens, scheme, clusters, dim=1)
