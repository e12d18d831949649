"""What sets of images, such as attacked ones, say of a class: made once, as a job with Stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph.measured import Measured
from pages.ui.elements.made_once import MadeOnce

PATIENCE_S = 0.3
SETS = MadeOnce[Measured](
    kind="graph-images",
    label="graphs of",
    again=("Follow what drives what", ":material/replay:"),
    course=lambda of: f"Following what drives what in the images{of}",
    kept=6,
    noun="set",
)


def measured_sets(
    bundle: Bundle, graphs: ClassGraphs, label: int, sets: Sequence[NDArray[np.uint8]]
) -> list[Measured]:
    """What each set says of a class; nothing until all are measured, which is shown meanwhile.

    Args:
        bundle, graphs: on show.
        label: of the logit to follow.
        sets: uint8 (n, H, W, C) each.
    """
    return SETS.of(
        bundle,
        sets,
        lambda pixels: graphs.of_images(pixels, label),
        about=f" {label}",
        patience_s=PATIENCE_S,
    )
