"""The concept graphs of a bundle: made from its images, kept in `graph.npz`, drawn and compared."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.capture import capture
from ndcore.activations.receptive import ReceptiveField, receptive_fields
from ndcore.bundles.bundle import Bundle
from ndcore.bundles.extras import put_files
from ndcore.bundles.manifest import GRAPH_FILE, GRAPHS
from ndcore.concept_graph.all_classes import TRIED, graph_arrays
from ndcore.concept_graph.differing import difference
from ndcore.concept_graph.drawing import USUAL, Rule, draw
from ndcore.concept_graph.graph import ConceptGraph, DifferenceGraph, Patch, Unit
from ndcore.concept_graph.kept import KeptGraphs
from ndcore.concept_graph.measured import Measured, measured
from ndcore.concept_graph.sums import Watched, class_sums
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError, BundleError, DataError
from ndcore.networks.forward import forward
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop, Step, no_step


def add_graph(
    bundle: Bundle,
    source: ImageSource,
    *,
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> int:
    """Make the graphs of a bundle that has none, or make them again.

    Args:
        bundle: is left as it was, but for the file and its checksum.
        source: holds the images that its distributions were made from.
        on_step, should_stop: see `build`.

    Returns:
        How many images they were made from.

    Raises:
        BadRequestError: there are no layers inside the model, or the graphs would be too large.
        BundleError: it cannot be written.
        DataError: the images are not in `source`.
        StoppedError: `should_stop` said so; nothing is written.
    """
    if bundle.limit:
        raise BadRequestError(bundle.limit)
    members = positions(source, bundle.splits["reference"])
    if len(members) < len(bundle.splits["reference"]):
        raise DataError("the data lacks images that the bundle was built from")
    with stoppable(should_stop):
        arrays = graph_arrays(bundle.model, bundle.layers, source, members, on_step)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    put_files(bundle, {GRAPH_FILE: out.getvalue()}, GRAPHS)
    return len(members)


def how_to_make(bundle: Bundle) -> str:
    """What to do where a bundle has no graphs, in a sentence."""
    return (
        f"bundle '{bundle.name}' has no concept graphs yet; make them with: "
        f"python -m ndcore build {bundle.name} --only graph"
    )


class ClassGraphs:
    """The graphs of one bundle, drawn and compared; made once and shared.

    Attributes:
        labels: positions of the classes that have a graph.
        kinds: importances that were measured.
        units: layer -> number of units, in order.
        stamp: tells these graphs from others.

    Args:
        bundle: whose they are.

    Raises:
        BundleError: it has none, or the file has become unreadable.
    """

    def __init__(self, bundle: Bundle) -> None:
        arrays = bundle.graph_arrays
        if arrays is None:
            raise BundleError(how_to_make(bundle))
        self._bundle, self._kept = bundle, KeptGraphs(arrays)
        self.labels, self.kinds, self.units = self._kept.labels, self._kept.kinds, self._kept.units
        self.stamp: str = bundle.manifest["files"][GRAPH_FILE]

    def measured(self, label: int) -> Measured:
        """Everything that is kept of a class.

        Raises:
            BadRequestError: it has no images.
        """
        return self._kept.of(label)

    @property
    def means(self) -> dict[str, NDArray[np.float64]]:
        """Layer -> mean activation of each unit over the images of all classes."""
        return self._kept.means

    def of_class(self, label: int, rule: Rule = USUAL) -> ConceptGraph:
        """The graph of a class.

        Raises:
            BadRequestError: it has no images.
        """
        return draw(self.measured(label), self._bundle.classes[label], rule, self.patches)

    def of_images(self, pixels: NDArray[np.uint8], label: int) -> Measured:
        """What some images say of a class, such as attacked ones that are taken for it.

        Args:
            pixels: uint8 (N, H, W, C), at least one.
            label: of the logit to follow.
        """
        self._bundle.check(pixels)
        found = measured(
            self._watched,
            class_sums(self._watched, lambda some: pixels[list(some)], range(len(pixels)), label),
        )
        # Such images have no keys.
        nothing = {
            layer: replace(each, images=np.full_like(each.images, -1))
            for layer, each in found.patches.items()
        }
        return replace(found, patches=nothing)

    def compared(
        self,
        first: tuple[str, Measured],
        second: tuple[str, Measured],
        kind: str,
        rule: Rule = USUAL,
    ) -> DifferenceGraph:
        """First less second; see `concept_graph.differing.difference`."""
        return difference(first, second, kind, rule, self.patches)

    def patches(self, found: Measured, unit: Unit) -> tuple[Patch, ...]:
        """What drives a unit most, by the keys of the images; of images without keys nothing."""
        here = found.patches[unit.layer]
        keys = self._bundle.splits["reference"]
        rows = zip(
            here.images[unit.unit].tolist(),
            here.at[unit.unit].tolist(),
            here.top[unit.unit].tolist(),
            strict=True,
        )
        return tuple(
            Patch(keys[image], top, self._box(unit.layer, at))
            for image, at, top in rows
            if image >= 0
        )

    def _box(self, layer: str, at: int) -> tuple[int, int, int, int] | None:
        if layer not in self._fields:
            return None
        field, width = self._fields[layer]
        row, column = divmod(at, width)
        top, left = (field.start + place * field.jump for place in (row, column))
        return top, left, top + field.size, left + field.size

    @cached_property
    def _watched(self) -> Watched:
        noise = np.random.default_rng(0).integers(0, 256, (TRIED, *self._bundle.shape))
        return Watched.of(self._bundle.model, self._bundle.layers, noise.astype(np.uint8))

    @cached_property
    def _fields(self) -> dict[str, tuple[ReceptiveField, int]]:
        """Layer -> what its positions see, and how many lie in a row of its map."""
        bundle = self._bundle
        fields = receptive_fields(bundle.model, bundle.layers, bundle.shape)
        with capture(bundle.model, bundle.layers, lambda output: output.shape[2:]) as sizes:
            forward(bundle.model, np.zeros((1, *bundle.shape), np.uint8))
        return {
            layer: (field, int(sizes[layer][1]))
            for layer, field in fields.items()
            if len(sizes[layer]) == 2
        }
