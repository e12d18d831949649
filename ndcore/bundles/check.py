"""What would stop or mislead the other commands, and what a bundle would cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ndcore.bundles.build import observed_layers
from ndcore.bundles.estimate import Estimate, estimate_build
from ndcore.bundles.image_findings import image_findings
from ndcore.bundles.trained import random_weights
from ndcore.data.sources import ImageSource
from ndcore.data.splits import SPLITS, make_splits
from ndcore.errors import BadImageError, BadRequestError, NeuralDivergenceError
from ndcore.networks.brought.opening import Wishes, open_images
from ndcore.networks.brought.probe import probe
from ndcore.networks.form import Finding
from ndcore.networks.registry import ModelSpec

READ = 1000  # images that are read to see whether they can be
REMEDY_FOR_BROKEN = "leave out what cannot be read with --skip-broken"


def check_model(
    spec: ModelSpec,
    data: str | Path | None,
    wishes: Wishes,
) -> tuple[list[Finding], Estimate | None]:
    """Everything that can be said about a model and its images before they are used.

    Args:
        spec: registered or own.
        data: what `--data` names; None looks at the model alone, with made-up images.
        wishes: of whoever brings the model.

    Returns:
        Findings, those that stop first; and the cost of a bundle, None where something stops.

    Raises:
        BadRequestError: neither data nor a size is known.
    """
    found: list[Finding] = []
    source = None
    try:
        spec, source = opened(spec, data, wishes)
        found += [*random_weights(spec), *(spec.findings or ())]
    except BadImageError as error:
        found.append(Finding(str(error), stops=True, remedy=REMEDY_FOR_BROKEN))
    except NeuralDivergenceError as error:
        found.append(Finding(str(error), stops=True))
    if source is not None:
        found += _images(source)
    estimate = None
    if not any(finding.stops for finding in found):
        try:
            estimate = _estimate(spec, source)
        except BadRequestError as error:
            found.append(Finding(str(error), stops=True))
    return sorted(found, key=lambda finding: not finding.stops), estimate


def opened(
    spec: ModelSpec, data: str | Path | None, wishes: Wishes
) -> tuple[ModelSpec, ImageSource | None]:
    """A model that was probed with its images, or with made-up ones where there is no data.

    Raises:
        BadRequestError: neither data nor a size is known.
    """
    return (_alone(spec, wishes), None) if data is None else open_images(spec, data, wishes)


def _alone(spec: ModelSpec, wishes: Wishes) -> ModelSpec:
    shape = spec.shape
    if wishes.size:
        height, width = wishes.size
        shape = (height, width, shape[2] if shape else 3)
    if shape is None:
        raise BadRequestError(
            f"{spec.name} does not say of which size its images are: give --data, or --size H W"
        )
    pixels = np.random.default_rng(1).integers(0, 256, (2, *shape)).astype(np.uint8)
    known = len(wishes.classes or spec.classes) or None
    form, findings = probe(spec.build(), pixels, known, wishes.output)
    return replace(spec.in_form(form), shape=shape, findings=findings)


def _images(source: ImageSource) -> list[Finding]:
    broken = list(_unreadable(source))
    if broken:
        return broken
    try:
        splits = make_splits(source)
    except NeuralDivergenceError as error:
        return [Finding(str(error), stops=True), *image_findings(source, {})]
    told = ", ".join(f"{len(splits[name]):,} {name}" for name in SPLITS)
    count = f"{len(source):,} images of {len(source.classes)} classes: {told}"
    return [*image_findings(source, splits), Finding(count)]


def _unreadable(source: ImageSource) -> Iterator[Finding]:
    """Files that cannot be read, among at most `READ` from all over the source."""
    errors = []
    for at in np.unique(np.linspace(0, len(source) - 1, min(READ, len(source)), dtype=int)):
        try:
            source.read(int(at))
        except NeuralDivergenceError as error:
            errors.append(str(error))
    if errors:
        more = f", and {len(errors) - 1} more image files" if len(errors) > 1 else ""
        yield Finding(
            f"{errors[0]}{more}",
            stops=True,
            remedy=REMEDY_FOR_BROKEN,
        )


def _estimate(spec: ModelSpec, source: ImageSource | None) -> Estimate:
    assert spec.shape
    model = spec.build().eval()
    layers = observed_layers((), spec, model, spec.shape)
    repaired = len(make_splits(source)["calibration"]) if source and spec.form.closed else 0
    return estimate_build(model, layers, spec.shape, source, repaired=repaired)
