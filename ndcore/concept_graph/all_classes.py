"""The graphs of all classes of a data set, for a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.concept_graph.kept import Arrays, Keeper, sources_within
from ndcore.concept_graph.measured import measured
from ndcore.concept_graph.sums import Watched, class_sums
from ndcore.data.sources import ImageSource
from ndcore.steps import Step, counter, no_step

TRIED = 4  # images on which the links are tried


def graph_arrays(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    on_step: Step = no_step,
) -> Arrays:
    """The graphs of all classes with images, for `graph.npz`.

    Args:
        model: in eval mode.
        layers: observed ones, in order.
        source: images.
        members: positions of the reference images in it; what drives a unit is told by the place
            in this list.
        on_step: called with what is being done, done, total.

    Raises:
        BadRequestError: the graphs would be too large.
    """
    read = partial(_read, source, members)
    watched = Watched.of(model, layers, read(range(min(TRIED, len(members)))))
    labels = source.labels[list(members)]
    held = np.unique(labels).tolist()
    pairs = {each.link.target: (each.targets, each.sources) for each in watched.weights}
    sources_within(len(held), pairs)
    keeper = Keeper(len(held))
    done = 0
    for label in held:
        own = np.flatnonzero(labels == label).tolist()
        count = counter(on_step, "concept graph", len(members), done)
        keeper.add(measured(watched, class_sums(watched, read, own, label, on_batch=count)))
        done += len(own)
    return keeper.arrays()


def _read(source: ImageSource, members: Sequence[int], places: Sequence[int]) -> NDArray[np.uint8]:
    return source.pixels([members[place] for place in places])
