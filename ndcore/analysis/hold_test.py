"""What becomes of the predictions when some units, or an edge, are held at their means.

A unit is held at its mean over all images (see `activations.hold` for how a map is). An edge is
held where only what its source sends to its target is: the target receives the source's mean, and
all others receive what they did. Beside it as many random units of the same layers, or random
edges between the same two layers, are held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from ndcore.activations.hold import Clamp, Masks, clamped, random_others, unit_masks
from ndcore.activations.observed import Observed
from ndcore.concept_graph.graph import Unit
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import stoppable
from ndcore.statistics.intervals import Rate
from ndcore.steps import ShouldStop, in_parts

IMAGES = 60  # of the class, and as many others
DRAWS, SEED = 10, 0
SETTINGS = 2 + DRAWS  # nothing held, what was asked, random ones


@dataclass(frozen=True)
class Outcome:
    """What the network says of the images.

    Attributes:
        recall: of images of the class, how many are taken for it.
        accuracy: of images of other classes, how many are taken for their own.
        probabilities: float32 (images, classes), of the single images that were brought.
    """

    recall: Rate
    accuracy: Rate
    probabilities: NDArray[np.float32]


@dataclass
class HoldTest:
    """Before and after, and after as many random units or edges were held, as far as it is known.

    Attributes:
        outcomes: with nothing held, with what was asked, and with the random ones draw by draw.
    """

    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """The next one is known."""
        self.outcomes.append(outcome)

    @property
    def answered(self) -> bool:
        """Whether it is known what becomes of the images."""
        return len(self.outcomes) > 1

    @property
    def before(self) -> Outcome:
        """With nothing held."""
        return self.outcomes[0]

    @property
    def after(self) -> Outcome:
        """With what was asked held."""
        return self.outcomes[1]

    @property
    def random(self) -> list[Outcome]:
        """With as many random ones, up to `DRAWS`."""
        return self.outcomes[2:]

    def random_mean(self, what: str) -> float:
        """Mean over the draws of the share `recall` or `accuracy`; NaN where it is undefined."""
        return float(np.mean([getattr(each, what).share for each in self.random]))


@dataclass(frozen=True)
class HeldEdge:
    """An edge by the place where it runs.

    Attributes:
        part: name of the convolution or linear map that the source's output goes into.
        source, target: numbers of the units.
        sources, targets: how many units the two layers have.
    """

    part: str
    source: int
    target: int
    sources: int
    targets: int


def class_members(
    source: ImageSource, dev: list[str], label: int, count: int = IMAGES
) -> tuple[list[int], list[int]]:
    """Positions of images of a class and of others, seeded; of the dev split where it is there."""
    members = np.array(positions(source, dev) or range(len(source)))
    own = source.labels[members] == label
    rng = np.random.default_rng(SEED)
    first, second = (
        sorted(rng.permutation(members[which])[:count].tolist()) for which in (own, ~own)
    )
    return first, second


def hold_test(
    of: Observed,
    held: Sequence[Unit] | HeldEdge,
    label: int,
    images: tuple[NDArray[np.uint8], NDArray[np.int64]],
    *,
    single: NDArray[np.uint8] | None = None,
    begun: Sequence[Outcome] = (),
    on_outcome: Callable[[Outcome], None] | None = None,
    should_stop: ShouldStop = None,
) -> HoldTest:
    """Hold units or an edge, and as many random ones beside: `SETTINGS` in all.

    Args:
        of: model and distributions.
        held: at least one unit, or an edge.
        label: position of the class whose recall is told.
        images: benign ones, uint8 (n, H, W, C), and their classes, int64 (n,).
        single: images uint8 (k, H, W, C) whose predictions are told, such as the current pair.
        begun: outcomes that are known of the same question; the others are found.
        on_outcome: called with each that is found.
        should_stop: asked before every function of torch.

    Raises:
        StoppedError: `should_stop` said so.
    """
    pixels, labels = images
    alone = np.zeros((0, *of.shape), np.uint8) if single is None else single
    every = np.concatenate([pixels, alone])
    rng = np.random.default_rng(SEED)
    settings: list[Masks | HeldEdge | None]
    if isinstance(held, HeldEdge):
        settings = [None, held, *(_other_edge(held, rng) for _ in range(DRAWS))]
    else:
        own = unit_masks(held, {unit.layer: of.usual(unit.layer).units for unit in held})
        settings = [None, own, *(random_others(own, rng) for _ in range(DRAWS))]
    found = HoldTest(list(begun))
    with stoppable(should_stop):
        means = _mean_input(of.model, held, pixels) if isinstance(held, HeldEdge) else None
        for each in settings[len(begun) :]:
            with _holding(of, each, means):
                found.add(_outcome(of.model, every, labels, label))
            if on_outcome:
                on_outcome(found.outcomes[-1])
    return found


def _outcome(
    model: nn.Module, pixels: NDArray[np.uint8], labels: NDArray[np.int64], label: int
) -> Outcome:
    logits = np.concatenate(
        [
            forward(model, pixels[part]).float().cpu().numpy()
            for part in in_parts(len(pixels), most_images(pixels.shape[1:]))
        ]
    )
    right = logits[: len(labels)].argmax(1) == labels
    own = labels == label
    return Outcome(
        Rate(int(right[own].sum()), int(own.sum())),
        Rate(int(right[~own].sum()), int((~own).sum())),
        np.asarray(softmax(logits[len(labels) :], axis=1), np.float32),
    )


@contextmanager
def _holding(of: Observed, held: Masks | HeldEdge | None, means: Tensor | None) -> Iterator[None]:
    if held is None:
        yield
    elif isinstance(held, HeldEdge):
        with _edge_held(of.model, held, means):
            yield
    else:
        with clamped(of.model, _clamps(of, held)):
            yield


def _clamps(of: Observed, masks: Masks) -> Mapping[str, Clamp]:
    """Each unit held at its mean over the images of all classes."""
    clamps = {}
    for layer, mask in masks.items():
        histograms = of.usual(layer)
        counts = histograms.counts.sum(0, dtype=np.float64)
        means = (counts * histograms.centres()).sum(1) / np.maximum(counts.sum(1), 1)
        clamps[layer] = Clamp(mask[None], means[None].astype(np.float32), of.judged_by(layer))
    return clamps


def _mean_input(model: nn.Module, edge: HeldEdge, pixels: NDArray[np.uint8]) -> Tensor:
    """Mean over images of all that arrives at the edge's part, one image's worth."""
    found: list[Tensor] = []
    owner = threading.get_ident()

    def look(_part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if threading.get_ident() == owner:
            found.append(inputs[0].sum(0, keepdim=True))

    hook = model.get_submodule(edge.part).register_forward_pre_hook(look)
    try:
        for part in in_parts(len(pixels), most_images(pixels.shape[1:])):
            forward(model, pixels[part])
    finally:
        hook.remove()
    return torch.cat(found).sum(0, keepdim=True) / len(pixels)


@contextmanager
def _edge_held(model: nn.Module, edge: HeldEdge, means: Tensor | None) -> Iterator[None]:
    owner = threading.get_ident()

    def hold(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if threading.get_ident() != owner or means is None:
            return None
        changed = inputs[0].clone()
        # Features of a flattened map belong to units in runs.
        by_unit = changed.reshape(len(changed), edge.sources, -1)
        by_unit[:, edge.source] = means.reshape(edge.sources, -1)[edge.source]
        other = part.forward(by_unit.reshape(changed.shape))
        held = output.clone()
        held[:, edge.target] = other[:, edge.target]
        return held

    hook = model.get_submodule(edge.part).register_forward_hook(hold)
    try:
        yield
    finally:
        hook.remove()


def _other_edge(edge: HeldEdge, rng: np.random.Generator) -> HeldEdge:
    """A random edge between the same layers."""
    source, target = int(rng.integers(edge.sources)), int(rng.integers(edge.targets))
    return HeldEdge(edge.part, source, target, edge.sources, edge.targets)
