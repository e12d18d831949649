"""Causal test: hold the units that diverge most at their class median and see what becomes of it.

The medians are those of the *predicted* class. The outputs held there say "predicted class" by
construction: the wanted class's own logit is often the most divergent unit of all, and clamping it
forbids the very label that is asked for. So the output layer takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from ndcore.activations.hold import Clamp, Masks, clamped, random_others, unit_masks
from ndcore.activations.observed import Observed
from ndcore.analysis.causal_finding import CausalTest, ClampStep
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors.verdict import Verdict
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop, in_parts

COUNTS = (1, 2, 5, 10, 20)
DRAWS, SEED = 20, 0  # of the random units that are clamped beside the verdict's
CLEAN = 100


def clean_members(source: ImageSource, dev: list[str], count: int = CLEAN) -> list[int]:
    """Positions of a seeded sample of benign images: of the dev split where the source has it.

    Args:
        source: images.
        dev: keys of the bundle's dev split.
        count: at most so many.
    """
    members = positions(source, dev) or list(range(len(source)))
    if len(members) > count:
        rng = np.random.default_rng(SEED)
        members = sorted(rng.choice(members, count, replace=False).tolist())
    return members


def causal_test(
    bundle: Observed,
    image: NDArray[np.uint8],
    verdict: Verdict,
    benign: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    wanted: int | None = None,
    on_pass: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> CausalTest:
    """Clamp the units of a verdict to the medians of the predicted class, few and many.

    Beside them `DRAWS` draws of as many random units of the same layers are clamped. Every benign
    image is treated as the image itself: the same units, at the medians of the class that this
    image is taken for.

    Args:
        bundle: model and class distributions.
        image: uint8 (H, W, C).
        verdict: on that image; its `units` are clamped, the strongest evidence first.
        benign: uint8 (n, H, W, C), may be empty; labels: int64 (n,), their true classes.
        wanted: class that should come back, such as the one before an attack.
        on_pass: called with the images read so far and in all.
        should_stop: asked before every function of torch.

    Raises:
        StoppedError: `should_stop` said so.
    """
    medians = _Medians(bundle)
    units = [unit for unit in verdict.units if unit.layer in medians.sizes][: COUNTS[-1]]
    tops = [count for count in COUNTS if count < len(units)] + [len(units)] * bool(units)
    chosen = [
        unit_masks(((unit.layer, unit.unit) for unit in units[:count]), medians.sizes)
        for count in tops
    ]
    whole = [{layer: np.ones(size, np.bool_)} for layer, size in medians.sizes.items()]
    rng = np.random.default_rng(SEED)
    controls = [[random_others(mask, rng) for _ in range(DRAWS)] for mask in chosen]
    rows = [{}, *chosen, *whole, *(mask for several in controls for mask in several)]
    sets = len(chosen) + len(whole)
    runner = _Runner(bundle, medians, len(rows) + len(benign) * (1 + sets), on_pass)
    same = np.broadcast_to(image, (len(rows), *image.shape))
    with stoppable(should_stop):
        found = softmax(runner.logits(same, np.full(len(rows), verdict.predicted), rows), axis=1)
        predicted = runner.logits(benign, None, []).argmax(1)
        right = [
            int((runner.logits(benign, predicted, [mask]).argmax(1) == labels).sum())
            for mask in (*chosen, *whole)
        ]
    random = found[1 + sets :].reshape(len(chosen), DRAWS, found.shape[1])
    none = np.zeros((0, found.shape[1]), np.float32)
    names = [""] * len(chosen) + list(medians.sizes)
    counts = tops + list(medians.sizes.values())
    return CausalTest(
        predicted=verdict.predicted,
        probabilities=found[0],
        wanted=wanted,
        steps=tuple(
            ClampStep(
                layer=name,
                units=count,
                probabilities=found[1 + index],
                random=none if name else random[index],
                right=right[index],
            )
            for index, (name, count) in enumerate(zip(names, counts, strict=True))
        ),
        images=len(benign),
        right=int((predicted == labels).sum()),
        seed=SEED,
    )


class _Medians:
    """Medians by class of all units but the outputs, of the values that the detector looks at.

    Attributes:
        reductions: layer -> reduction; sizes: layer -> number of units, in the order of the model.
    """

    def __init__(self, bundle: Observed) -> None:
        self.reductions = {layer: bundle.judged_by(layer) for layer in bundle.layers}
        self._histograms = {layer: bundle.usual(layer) for layer in bundle.layers}
        last = self._histograms[bundle.layers[-1]]
        if last.classes == last.units:
            del self._histograms[bundle.layers[-1]]
        self.sizes = {layer: found.units for layer, found in self._histograms.items()}
        self._known: dict[tuple[str, int], NDArray[np.float32]] = {}

    def of(self, layer: str, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, units), the medians of each image's class."""
        for label in np.unique(labels).tolist():
            if (layer, label) not in self._known:
                found = self._histograms[layer].quantiles([0.5], [label])[0, 0]
                self._known[layer, label] = found
        return np.stack([self._known[layer, label] for label in labels.tolist()])


class _Runner:
    """Forward passes with units clamped, counted."""

    def __init__(
        self,
        bundle: Observed,
        medians: _Medians,
        total: int,
        on_pass: Callable[[int, int], None] | None,
    ) -> None:
        self._model, self._medians = bundle.model, medians
        self._total, self._done = total, 0
        self._on_pass = on_pass

    @torch.inference_mode()
    def logits(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64] | None,
        rows: Sequence[Masks],
    ) -> NDArray[np.float32]:
        """Logits (N, classes) of images whose classes' medians are used.

        Args:
            pixels: uint8 (N, H, W, C).
            labels: int64 (N,); None without a clamp.
            rows: which units, one for every image, or one for all; none for no clamp.
        """
        found = [np.zeros((0, 1), np.float32)] if not len(pixels) else []
        for part in in_parts(len(pixels), most_images(pixels.shape[1:])):
            clamps = {}
            if labels is not None:
                clamps = self._clamps(rows if len(rows) == 1 else rows[part], labels[part])
            with clamped(self._model, clamps):
                output = forward(self._model, pixels[part])
            found.append(output.float().cpu().numpy().copy())
            self._done += len(output)
            if self._on_pass:
                self._on_pass(self._done, self._total)
        return np.concatenate(found)

    def _clamps(self, rows: Sequence[Masks], labels: NDArray[np.int64]) -> dict[str, Clamp]:
        clamps = {}
        for layer, units in self._medians.sizes.items():
            if any(layer in row for row in rows):
                unmarked = np.zeros(units, np.bool_)
                where = np.stack([row.get(layer, unmarked) for row in rows])
                values = self._medians.of(layer, labels)
                clamps[layer] = Clamp(where, values, self._medians.reductions[layer])
        return clamps
