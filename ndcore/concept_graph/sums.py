"""Everything a concept graph is made of, summed over the images of a class in one pass.

The images of a class fall into `FOLDS` folds, in turn. All sums are kept by fold, so that what is
unsure shows, and folds summed apart are joined to the very same bytes.

Every image of the class takes part. Where a class has more than `MEASURED` images, a unit's edges
are measured on every `stride`-th of them, another unit's on others, so that the pass costs little
more than a plain one. Which sources are the five strongest is counted on some `COUNTED` of them,
and activation x gradient is taken of `GRADIENTS` images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations.capture import unit_layout
from ndcore.activations.layer_hooks import on_layers
from ndcore.concept_graph.contributions import (
    Received,
    Weights,
    exact_weights,
    peaks,
    receiving,
)
from ndcore.concept_graph.wiring import wiring_of
from ndcore.networks.forward import device_of, forward, most_images, to_images
from ndcore.steps import in_parts

FOLDS = 10
FIVE = 5  # strongest sources of a unit that are counted, as in Summit
MASS = (
    0.01  # of a layer's activation that the units which an image counts for make up, as in Summit
)
PATCHES = 5
MEASURED, COUNTED, GRADIENTS = 140, 60, 50  # images of a class

Array = NDArray[np.generic]
Read = Callable[[Sequence[int]], NDArray[np.uint8]]


@dataclass
class LayerSums:
    """Of one layer, for one class; every array has the folds first.

    Attributes:
        count: int32 (folds, units), images in which the unit is among the strongest of its layer:
            by their largest activations, those that make up `MASS` of the layer's sum.
        mean: float64 (folds, units), sum of mean activations.
        gradient: float64 (folds, units), sum of activation x gradient of the class's logit.
        top: float32 (folds, units, PATCHES), largest activations; -inf where there are fewer
            above 0.
        images: int64 (folds, units, PATCHES), numbers of their images.
        at: int32 (folds, units, PATCHES), the position in the map.
    """

    count: NDArray[np.int32]
    mean: NDArray[np.float64]
    gradient: NDArray[np.float64]
    top: NDArray[np.float32]
    images: NDArray[np.int64]
    at: NDArray[np.int32]

    @classmethod
    def empty(cls, units: int) -> LayerSums:
        """Of no image."""
        few = (FOLDS, units, PATCHES)
        return cls(
            np.zeros((FOLDS, units), np.int32),
            np.zeros((FOLDS, units)),
            np.zeros((FOLDS, units)),
            np.full(few, -np.inf, np.float32),
            np.full(few, -1, np.int64),
            np.zeros(few, np.int32),
        )


@dataclass
class LinkSums:
    """Of one link, for one class.

    Attributes:
        shares: float32 (folds, targets, sources), sum of each source's share of what is added to
            and taken from the target.
        measured: int32 (folds, targets), images that these are of.
        five: int32 (folds, targets, sources), images in which the source is among the `FIVE`
            that add or take most.
        counted: int32 (folds, targets), images that these are of.
    """

    shares: NDArray[np.float32]
    measured: NDArray[np.int32]
    five: NDArray[np.uint16]
    counted: NDArray[np.int32]

    @classmethod
    def empty(cls, targets: int, sources: int) -> LinkSums:
        """Of no image."""
        return cls(
            np.zeros((FOLDS, targets, sources), np.float32),
            np.zeros((FOLDS, targets), np.int32),
            np.zeros((FOLDS, targets, sources), np.uint16),
            np.zeros((FOLDS, targets), np.int32),
        )


@dataclass
class ClassSums:
    """One class, or one set of images that are taken for it.

    Attributes:
        label: whose logit is followed.
        images: int64 (folds,), how many were read; 0 in a fold that is not done.
        gradients: int64 (folds,), of how many of them there are gradients.
        layers: by name.
        links: by the name of the target layer.
    """

    label: int
    images: NDArray[np.int64]
    gradients: NDArray[np.int64]
    layers: dict[str, LayerSums]
    links: dict[str, LinkSums]

    def join(self, other: ClassSums) -> None:
        """Take over the folds that another pass over the same class has done."""
        done = other.images > 0
        assert not (done & (self.images > 0)).any()
        self.images[done] = other.images[done]
        self.gradients[done] = other.gradients[done]
        for mine, theirs in ((self.layers, other.layers), (self.links, other.links)):
            for name, found in mine.items():
                for field in fields(found):
                    there: Array = getattr(theirs[name], field.name)
                    getattr(found, field.name)[done] = there[done]


@dataclass(frozen=True)
class Watched:
    """A network as its graph is made.

    Attributes:
        model: in eval mode.
        shape: (H, W, C) of its images.
        units: observed layers in order -> number of units.
        weights: of the links.
        gaps: sentences on layers between which there are none.
    """

    model: nn.Module
    shape: tuple[int, int, int]
    units: Mapping[str, int]
    weights: tuple[Weights, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, model: nn.Module, layers: Sequence[str], pixels: NDArray[np.uint8]) -> Watched:
        """Find the links, and try them on a few images uint8 (N, H, W, C)."""
        height, width, channels = pixels.shape[1:]
        shape = (height, width, channels)
        units = {name: count for name, (count, _) in unit_layout(model, layers, shape).items()}
        wiring = wiring_of(model, layers)
        weights, gaps = exact_weights(model, wiring, units, to_images(pixels))
        return cls(model, shape, units, tuple(weights), gaps)


def class_sums(
    watched: Watched,
    read: Read,
    members: Sequence[int],
    label: int,
    *,
    folds: Collection[int] = range(FOLDS),
    on_batch: Callable[[int], None] | None = None,
) -> ClassSums:
    """Sum up the images of a class.

    Args:
        watched: the network.
        read: pixels uint8 (n, H, W, C) of some members.
        members: numbers of all images of the class, whatever the folds.
        label: of the logit to follow.
        folds: to be done now.
        on_batch: called with the number of images just read.
    """
    pass_ = _Pass(watched, label, max(1, len(members) // MEASURED))
    size = most_images(watched.shape)
    for fold in folds:
        part = members[fold::FOLDS]
        for chosen in in_parts(len(part), size):
            pixels = read(part[chosen])
            pass_.add(fold, chosen.start, pixels, np.array(part[chosen], np.int64))
            if on_batch:
                on_batch(len(pixels))
        few = min(len(part), -(-GRADIENTS // FOLDS))
        for chosen in in_parts(few, size):
            pass_.add_gradients(fold, read(part[chosen]))
    return pass_.sums


class _Pass:
    """Batches of a class, summed."""

    def __init__(self, watched: Watched, label: int, stride: int) -> None:
        self._watched, self._stride = watched, stride
        self.sums = ClassSums(
            label,
            np.zeros(FOLDS, np.int64),
            np.zeros(FOLDS, np.int64),
            {layer: LayerSums.empty(units) for layer, units in watched.units.items()},
            {
                each.link.target: LinkSums.empty(each.targets, each.sources)
                for each in watched.weights
            },
        )

    def add(
        self, fold: int, first: int, pixels: NDArray[np.uint8], where: NDArray[np.int64]
    ) -> None:
        """Sum up a batch.

        Args:
            fold: it is of.
            first: place of its first image in the fold.
            pixels: uint8 (N, H, W, C).
            where: int64 (N,), numbers of the images.
        """
        counted = first * FOLDS < COUNTED * self._stride

        places: dict[str, Tensor] = {}  # of a layer's strongest positions, by what it receives
        units: dict[str, _Units] = {}

        def receive(weights: Weights, found: Received) -> None:
            places[weights.link.target] = found.at
            sums = self.sums.links[weights.link.target]
            images, known = self._looked_at(first, len(found.rows), weights.targets)
            device = found.rows.device
            images, known = images.to(device), known.to(device)
            for part, added in weights.added(found, images):
                _sum_edges(sums, (fold, part), added, known[part], counted)

        def see(layer: str, output: Tensor) -> None:
            units[layer] = _Units.of(output, places.get(layer))

        watched = self._watched
        with (
            receiving(watched.model, watched.weights, receive),
            on_layers(watched.model, tuple(watched.units), see),
        ):
            forward(watched.model, pixels)
        for layer, found in units.items():
            _sum_units(self.sums.layers[layer], fold, found, where)
        self.sums.images[fold] += len(pixels)

    def _looked_at(self, first: int, count: int, targets: int) -> tuple[Tensor, Tensor]:
        """On which of the batch's images each target is looked at: on every `stride`-th.

        Returns:
            int64 (targets, k), and bool (targets, k): whether there is such an image.
        """
        start = (-torch.arange(targets) - first) % self._stride
        images = start[:, None] + torch.arange(0, count, self._stride)
        return images.clamp_max(count - 1), images < count

    def add_gradients(self, fold: int, pixels: NDArray[np.uint8]) -> None:
        """Sum up activation x gradient of a batch, where the model gives gradients."""
        watched = self._watched
        found = activations_by_gradient(
            watched.model, tuple(watched.units), to_images(pixels), self.sums.label
        )
        if found is not None:
            for layer, values in found.items():
                self.sums.layers[layer].gradient[fold] += values.double().sum(0).cpu().numpy()
            self.sums.gradients[fold] += len(pixels)


@dataclass(frozen=True)
class _Units:
    """What is kept of a layer's output.

    Attributes:
        largest, mean: (N, units), of each unit's activations.
        images, at: (units, k), the images of the batch in which it is largest, and where.
    """

    largest: Tensor
    mean: Tensor
    images: Tensor
    at: Tensor

    @classmethod
    def of(cls, output: Tensor, at: Tensor | None = None) -> _Units:
        """Read at once: what follows may overwrite the output.

        Args:
            output: (N, units) or (N, units, h, w).
            at: int64 (N, units), where each is largest, if that is known.
        """
        if at is None or output.ndim == 2:
            largest, at = peaks(output)
        else:
            largest = output.permute(0, 2, 3, 1).flatten(1, 2).gather(1, at[:, None])[:, 0]
        mean = largest if output.ndim == 2 else output.mean((2, 3))
        images = largest.topk(min(PATCHES, len(largest)), 0).indices
        return cls(largest, mean, images.T, at.gather(0, images).T)


def _sum_units(sums: LayerSums, fold: int, found: _Units, where: NDArray[np.int64]) -> None:
    sums.count[fold] += strongest(found.largest).sum(0).cpu().numpy()
    sums.mean[fold] += found.mean.double().sum(0).cpu().numpy()
    images = found.images.cpu().numpy()
    top = np.take_along_axis(found.largest.T.cpu().numpy(), images, 1)
    top = np.where(top > 0, top, -np.inf).astype(np.float32)
    values = np.concatenate([sums.top[fold], top], 1)
    order = np.argsort(-values, 1, kind="stable")[:, :PATCHES]
    sums.top[fold] = np.take_along_axis(values, order, 1)
    for kept, fresh in ((sums.images, where[images]), (sums.at, found.at.cpu().numpy())):
        kept[fold] = np.take_along_axis(np.concatenate([kept[fold], fresh], 1), order, 1)


def strongest(largest: Tensor) -> Tensor:
    """Which units make up `MASS` of a layer's activation, bool (N, units).

    Args:
        largest: (N, units), largest activation of each; what is below 0 counts as 0.
    """
    values = largest.clamp_min(0)
    # The strongest units hold more than their number's share, so that no more can be needed.
    most = max(1, int(np.ceil(MASS * values.shape[1])))
    top, units = values.topk(most, 1)
    before = top.cumsum(1) - top
    chosen = (before < MASS * values.sum(1, keepdim=True)) & (top > 0)
    return torch.zeros_like(values, dtype=torch.bool).scatter_(1, units, chosen)


def _sum_edges(
    sums: LinkSums, at: tuple[int, slice], added: Tensor, known: Tensor, counted: bool
) -> None:
    """Add what sources gave to some targets of a fold.

    Args:
        sums: of the link.
        at: fold and targets.
        added: (targets, k, sources).
        known: bool (targets, k), of an image.
        counted: whether the strongest are counted.
    """
    amount = added.abs()
    whole = amount.sum(2)
    scale = torch.where(known & (whole > 0), whole.reciprocal(), torch.zeros_like(whole))
    shares = torch.bmm(scale[:, None], added)[:, 0]
    sums.shares[at] += shares.cpu().numpy()
    times = known.sum(1).cpu().numpy()
    sums.measured[at] += times
    if counted:
        top = amount.topk(min(FIVE, amount.shape[2]), 2)
        given = known[:, :, None] & (top.values > 0)
        hits = torch.zeros_like(shares)
        hits.scatter_add_(1, top.indices.flatten(1), given.to(hits.dtype).flatten(1))
        sums.five[at] += hits.cpu().numpy().astype(np.uint16)
        sums.counted[at] += times


def activations_by_gradient(
    model: nn.Module, layers: Sequence[str], images: Tensor, label: int
) -> dict[str, Tensor] | None:
    """Activation x gradient of a class's logit, summed over space.

    Args:
        model: in eval mode; nothing is added to the gradients of its parameters.
        layers: names.
        images: float32 (N, C, H, W).
        label: of the class.

    Returns:
        layer -> (N, units), or None of a model without gradients.
    """
    kept: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> Tensor:
        kept[name] = output
        return output.clone()  # what follows may overwrite it

    with torch.inference_mode(False), torch.enable_grad():
        images = images.clone().to(device_of(model)).requires_grad_()
        try:
            with on_layers(model, layers, keep):
                logit = model(images)[:, label].sum()
            gradients = torch.autograd.grad(logit, [kept[name] for name in layers])
        except RuntimeError:
            return None
    return {
        name: (kept[name].detach() * gradient).flatten(2).sum(2)
        if gradient.ndim > 2
        else kept[name].detach() * gradient
        for name, gradient in zip(layers, gradients, strict=True)
    }
