"""The concept graph of a class at two epochs of its training, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.differing import difference
from ndcore.concept_graph.graph import DifferenceGraph
from ndcore.concept_graph.kept import KINDS
from ndcore.concept_graph.measured import Measured, measured
from ndcore.concept_graph.sums import Watched, class_sums
from ndcore.errors import BadRequestError
from ndcore.evolution.recording.kept_weights import kept_weights, model_at
from ndcore.evolution.run import EvolutionRun
from ndcore.networks.consent import require_allowed
from ndcore.networks.registry import layer_names
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop

IMAGES = 200  # of a class that a graph is made of, at most
TRIED = 4  # images on which the links are tried


def epoch_graphs(
    run: EvolutionRun,
    epochs: tuple[int, int],
    label: int,
    pixels: NDArray[np.uint8],
    *,
    on_images: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> dict[str, DifferenceGraph]:
    """The later epoch less the earlier one; the graphs of both are in each difference.

    Args:
        run: a recording beside the weights of these epochs.
        epochs: (earlier, later).
        label: of the class.
        pixels: uint8 (n, H, W, C), images of the class, at least one.
        on_images: called with how many of how many images are through.
        should_stop: asked before every function of torch.

    Returns:
        Kind of importance -> the difference by it; kinds that both epochs have.

    Raises:
        BadRequestError: the weights of an epoch were not kept, or the model is somebody's own and
            may not run here.
        RunError: the weights cannot be used.
        StoppedError: `should_stop` said so.
    """
    kept = kept_weights(run)
    missing = [epoch for epoch in epochs if epoch not in kept]
    if missing:
        raise BadRequestError(f"the weights of epoch {missing[0]} are not on this machine")
    require_allowed(run.model)
    name, done = class_name(run, label), 0

    def count(images: int) -> None:
        nonlocal done
        done += images
        if on_images:
            on_images(done, 2 * len(pixels))

    with stoppable(should_stop):
        earlier, later = (
            (f"{name} at epoch {epoch}", _measured_at(run, epoch, label, pixels, count))
            for epoch in epochs
        )
        layer = next(iter(later[1].units))
        kinds = [
            kind for kind in KINDS if all(kind in e[1].values[layer] for e in (earlier, later))
        ]
        return {kind: difference(later, earlier, kind) for kind in kinds}


def _measured_at(
    run: EvolutionRun,
    epoch: int,
    label: int,
    pixels: NDArray[np.uint8],
    on_batch: Callable[[int], None],
) -> Measured:
    model = model_at(run, kept_weights(run)[epoch])
    watched = Watched.of(model, layer_names(model), pixels[:TRIED])

    def read(some: object) -> NDArray[np.uint8]:
        return np.asarray(pixels[np.asarray(some)])

    members = range(len(pixels))
    return measured(watched, class_sums(watched, read, members, label, on_batch=on_batch))


def class_name(run: EvolutionRun, label: int) -> str:
    """Labels count from 0, and a recording names those classes alone that it saw."""
    labels = run.pool_labels()
    if len(labels) == len(run.classes):
        return run.classes[labels.index(label)]
    return str(label)
