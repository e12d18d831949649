"""What the detectors of a new bundle learn from benign images that nothing else has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndcore.activations.observed import Observed
from ndcore.activations.reading import read_source
from ndcore.data.sources import ImageSource, Pixels
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.calibration import Calibration
from ndcore.detectors.detector import Detector
from ndcore.detectors.layerwise import DivergenceDetector
from ndcore.detectors.registry import DETECTORS
from ndcore.detectors.repair import Repairs
from ndcore.networks.form import Finding
from ndcore.steps import Step

MOST_QUERIES = 1_000_000  # that the repair of every pixel may take here
ALIKE = 1e-5  # scores that differ by less tell no image from another


def calibrate(
    observed: Observed,
    source: ImageSource,
    members: Mapping[str, Sequence[int]],
    *,
    answers_alone: bool,
    on_step: Step,
) -> tuple[dict[str, Calibration], list[Finding]]:
    """Calibrate every detector that `build` calibrates.

    Args:
        observed: the network with its distributions.
        source: its images.
        members: positions of the splits in it; `dev` and `calibration` are read.
        answers_alone: nothing inside the network can be seen, so those that look at answers are
            calibrated too, which are the study's elsewhere.
        on_step: told what is being done.

    Returns:
        Calibrations by name, and what was left out.
    """
    on_step("detector calibration", 0, 0)
    model, layers = observed.model, observed.layers
    dev, held = (
        read_source(model, layers, source, members[part]) for part in ("dev", "calibration")
    )
    found: dict[str, Calibration] = {}
    left: list[Finding] = []
    seen: dict[object, Any] = {}
    queries = repair_queries(len(members["calibration"]), source.shape)
    for name, entry in DETECTORS.items():
        detector = entry.make(observed)
        if isinstance(detector, DivergenceDetector):
            found[name] = detector.fit(dev, held).calibration
        elif entry.calibrated_by == "build":
            parts = [detector.see(source.pixels(members[part])) for part in ("dev", "calibration")]
            found[name] = detector.fit(*parts).calibration
        elif answers_alone and entry.calibrated_by:
            if isinstance(detector, RepairDetector) and queries > MOST_QUERIES:
                continue
            # What two of a kind see is the same.
            kind = getattr(detector, "measured", type(detector))
            if kind not in seen:
                seen[kind] = _seen(detector, source.pixels(members["calibration"]), on_step)
            scores = detector.score(seen[kind])
            if np.ptp(scores) > ALIKE:
                found[name] = detector.calibrate(scores, seen[kind].predicted).calibration
    if answers_alone and queries > MOST_QUERIES:
        left.append(
            Finding(
                f"detectors that repair every pixel would take {queries:,} queries to calibrate",
                remedy="`study detectors` does it",
            )
        )
    return found, left


def repair_queries(images: int, shape: Sequence[int]) -> int:
    """Images that are asked for when every pixel of so many is repaired."""
    return images * int(shape[0]) * int(shape[1])


def _seen(detector: Detector[Any], pixels: Pixels, on_step: Step) -> Any:
    if not isinstance(detector, RepairDetector):
        return detector.see(pixels)
    parts = []
    for image in pixels:
        parts.append(detector.see(image[None]))
        on_step("repair of every pixel", len(parts), len(pixels))
    return Repairs.joined(parts)
