"""What the concept graphs cost beside a plain forward pass, and how fast they open and answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row, limited, machine, row
from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.bundles.manifest import GRAPH_FILE
from ndcore.concept_graph.sums import FOLDS, Watched, class_sums
from ndcore.networks.forward import forward, most_images
from ndcore.statistics.one_thread import one_thread
from ndcore.steps import in_parts

IMAGES = 448  # of a fold of a class of CIFAR-10
ROUNDS = 5
MOST_PASSES, MOST_MB, OPENS_S, ANSWERS_S = 1.5, 12, 1.0, 0.5


def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time a fold of `n` seeded noise images, a plain pass and the graph's by turns.

    What it costs is asked of one thread: of several, those that wait for the others count as well,
    the longer the busier the machine is.
    """
    images = n or IMAGES
    pixels = np.random.default_rng(0).integers(0, 256, (images, *bundle.shape)).astype(np.uint8)
    watched = Watched.of(bundle.model, bundle.layers, pixels[:2])

    def read(some: Sequence[int]) -> NDArray[np.uint8]:
        return pixels[[at // FOLDS for at in some]]

    def plain() -> None:
        for part in in_parts(images, most_images(bundle.shape)):
            forward(bundle.model, pixels[part])

    def graph() -> None:
        # As many images in all folds as the class would have, of which one fold is read.
        members = range(images * FOLDS)
        class_sums(watched, read, members, 0, folds=[0])

    def by_turns(clock: Callable[[], float]) -> list[tuple[float, float]]:
        plain()
        return [(_spent(plain, clock), _spent(graph, clock)) for _ in range(ROUNDS)]

    wall = by_turns(time.perf_counter)
    with one_thread():
        processor = by_turns(time.process_time)
    bare, whole = np.median(wall, axis=0) / images
    rows = [
        row("plain forward pass of an image", 1e3 * float(bare), "ms"),
        row("pass of the concept graph", 1e3 * float(whole), "ms", "a plain pass", _ratio(wall)),
        limited(
            "plain passes that it takes, processor time of one thread",
            _ratio(processor),
            "",
            MOST_PASSES,
        ),
        *(_file_rows(bundle) if GRAPH_FILE in bundle.manifest["files"] else []),
    ]
    return {"name": "graph", "machine": machine(), "rows": rows}


def _file_rows(bundle: Bundle) -> list[Row]:
    """Of graphs that were made."""
    size = (bundle.folder / GRAPH_FILE).stat().st_size / 1e6
    opened = min(_spent(lambda: ClassGraphs(bundle)) for _ in range(ROUNDS))
    graphs = ClassGraphs(bundle)
    label, other = graphs.labels[0], graphs.labels[-1]
    graphs.of_class(label)
    drawn = min(_spent(lambda: graphs.of_class(label)) for _ in range(ROUNDS))
    pair = tuple((bundle.classes[each], graphs.measured(each)) for each in (label, other))
    compared = min(
        _spent(lambda: graphs.compared(pair[0], pair[1], "influence")) for _ in range(ROUNDS)
    )
    return [
        limited("graph.npz", size, "MB", MOST_MB),
        limited("opening the graphs of all classes", opened, "s", OPENS_S),
        limited("drawing a class", drawn, "s", ANSWERS_S),
        limited("difference of two classes", compared, "s", ANSWERS_S),
    ]


def _ratio(spent: Sequence[tuple[float, float]]) -> float:
    return float(np.median([second / first for first, second in spent]))


def _spent(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds by a clock."""
    started = clock()
    work()
    return clock() - started
