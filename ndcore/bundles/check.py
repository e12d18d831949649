"""What would stop or mislead the other commands, and what a bundle would cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ndcore.activations.capture import capture, reductions_of
from ndcore.activations.distributions import CHUNK_BYTES
from ndcore.activations.histograms import BINS
from ndcore.activations.proposal import proposed_layers
from ndcore.activations.reading import BATCH_BYTES, image_bytes, read_pixels
from ndcore.attacks import AttackConfig
from ndcore.bundles.build import BuildConfig
from ndcore.bundles.calibrate import MOST_QUERIES, repair_queries
from ndcore.bundles.image_findings import image_findings
from ndcore.data.sources import ImageSource
from ndcore.data.splits import SPLITS, make_splits
from ndcore.errors import BadRequestError, NeuralDivergenceError
from ndcore.networks.form import Finding
from ndcore.networks.forward import forward
from ndcore.networks.probe import Wishes, open_images, probe
from ndcore.networks.registry import ModelSpec, layer_names
from ndcore.networks.weights import rounded

MB = 1e6
TRIED = 8  # images of the trial pass
READ = 1000  # images that are read to see whether they can be
# Bytes that a count other than 0 and a thousand zeros take once compressed, as measured.
PER_COUNT, PER_ZEROS = 1.3, 1.5


@dataclass(frozen=True)
class Estimate:
    """What `build` costs on this machine.

    Attributes:
        seconds: without the gallery.
        gallery_seconds: of the gallery of attacks, at most.
        memory_mb: at its peak.
        bundle_mb: on disk.
    """

    seconds: float
    gallery_seconds: float
    memory_mb: float
    bundle_mb: float


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
        found += spec.findings or ()
    except NeuralDivergenceError as error:
        found.append(Finding(str(error), stops=True))
    if source is not None:
        found += _images(source)
    estimate = None
    if not any(finding.stops for finding in found):
        estimate = _estimate(spec, source)
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
            remedy="leave out what cannot be read with --skip-broken",
        )


def _estimate(spec: ModelSpec, source: ImageSource | None) -> Estimate:
    assert spec.shape
    model = spec.build().eval()
    own = spec.own and not hasattr(model, "layers")
    layers = proposed_layers(model, spec.shape) if own else layer_names(model)
    shape, images = spec.shape, len(source) if source else 0
    pixels = np.random.default_rng(0).integers(0, 256, (TRIED, *shape)).astype(np.uint8)
    if source is not None:  # some models know no others
        pixels = source.pixels(range(min(TRIED, len(source))))
    each = _seconds(lambda: read_pixels(model, layers, pixels)) / TRIED
    plain = _seconds(lambda: forward(model, pixels)) / TRIED
    with capture(model, layers, lambda out: out.shape[1] * len(reductions_of(out))) as columns:
        outputs = forward(model, pixels[:1]).shape[1]
    classes = len(source.classes) if source else outputs
    cells = classes * sum(columns.values()) * (1 + BINS)
    counts = min(cells, images * sum(columns.values()))
    weights = list(model.state_dict().values())
    half = sum(rounded(tensor).nbytes for tensor in weights)
    whole = sum(tensor.nbytes for tensor in weights)
    queries = AttackConfig().budget(shape) * BuildConfig.gallery_images
    repairs = 0
    if spec.form.closed and source is not None:
        repairs = repair_queries(len(make_splits(source)["calibration"]), shape)
        repairs = repairs if repairs <= MOST_QUERIES else 0
    cost = image_bytes(model, layers, shape)
    memory = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        + 2 * whole
        + 8 * cells
        + 3 * CHUNK_BYTES
        + max(BATCH_BYTES, cost.raw)
    )
    return Estimate(
        seconds=round(1.2 * images * each + repairs * plain, 1),
        gallery_seconds=round(queries * plain, 1),
        memory_mb=round(memory / MB),
        bundle_mb=round((half + PER_COUNT * counts + PER_ZEROS * cells / 1000) / MB, 1),
    )


def _seconds(work: Any) -> float:
    """The better of two tries."""
    found = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)
