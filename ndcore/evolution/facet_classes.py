"""The classes of a unit's facets, kept with a recording, which has no images to find them again.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 4.1.2
and figure 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ndcore.data.sources import ImageSource
from ndcore.errors import RunError
from ndcore.evolution.averages import images_of
from ndcore.evolution.facets import FACETS, kinds_of
from ndcore.evolution.patches import cut_patches, trimmed
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.store import epoch_file, read_arrays, write_arrays
from ndcore.steps import ShouldStop, Step, no_step, stop_if

PATCHES = 1000


@dataclass(frozen=True)
class FacetClasses:
    """What the facets of a layer's units show at the last epoch.

    Attributes:
        counts: patches by unit, facet and class, (units, `FACETS`, classes); empty facets are 0.
        highest: the facet of the patch that drives each unit most, (units,).
    """

    counts: NDArray[np.int64]
    highest: NDArray[np.int64]


def keep_facet_classes(
    run: EvolutionRun,
    source: ImageSource,
    layer: str,
    *,
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> None:
    """Group the patches of every unit of a layer at the last epoch and write what they show.

    Args:
        run: a recording.
        source: the images that it was made from.
        layer: name.
        on_step: called with (what is being done, done, total).
        should_stop: asked before each unit.

    Raises:
        BadRequestError: unknown layer.
        DataError: an image cannot be read.
        RunError: `source` lacks images of the recording, or that has no details of its last epoch.
        StoppedError: `should_stop` said so; nothing was written.
    """
    here, epoch = run.layer(layer), int(run.epochs[-1])
    if epoch not in run.detailed:
        raise RunError(f"the recording in {run.folder} has no patches of its last epoch")
    patches = [run.patches(layer, unit, epoch, PATCHES) for unit in range(here.units)]
    counts = np.zeros((here.units, FACETS, len(run.classes)), np.uint16)
    highest = np.zeros(here.units, np.uint8)
    for unit, (images, found) in enumerate(zip(images_of(source, patches), patches, strict=True)):
        stop_if(should_stop, "stopped; no facets were kept")
        on_step(f"facets of {layer}", unit, here.units)
        cut = cut_patches(images, found.boxes)[:, *trimmed(found.boxes, run.about["shape"])]
        labels = kinds_of(cut).labels
        np.add.at(counts[unit], (labels, found.labels), 1)
        highest[unit] = labels[0]
    write_arrays(_file(run, layer), {"counts": counts, "highest": highest})


def kept_facet_classes(run: EvolutionRun, layer: str) -> FacetClasses | None:
    """What `keep_facet_classes` wrote of a layer, or None.

    Raises:
        BadRequestError: unknown layer.
        RunError: the file is damaged.
    """
    path, units = _file(run, layer), run.layer(layer).units
    if not path.is_file():
        return None
    arrays = read_arrays(path, {"counts": (units, FACETS, len(run.classes)), "highest": (units,)})
    counts, highest = (arrays[name].astype(np.int64) for name in ("counts", "highest"))
    if not ((highest >= 0) & (highest < FACETS)).all():
        raise RunError(f"the recording is damaged: {path} names a facet that there is not")
    return FacetClasses(counts, highest)


def _file(run: EvolutionRun, layer: str) -> Path:
    """Named by the layer's number, as its name may be any text."""
    return epoch_file(run.folder, f"facets-{run.layer(layer).number}", int(run.epochs[-1]))
