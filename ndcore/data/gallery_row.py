"""One verified attack that a bundle ships: everything but its image, which is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.catalog import Find, find_image
from ndcore.data.pairs import Pair
from ndcore.data.pixels import PixelChange, apply_changes


@dataclass(frozen=True)
class GalleryRow:
    """An attack as `gallery.json` keeps it, with class names.

    Attributes:
        id: where the image can be looked up.
        pixels: what was changed.
        queries, first_hit: of the search; engine, seed: how it was made. None where a bundle
            does not say.
    """

    id: str
    true: str
    predicted_before: str
    predicted_after: str
    pixels: tuple[PixelChange, ...]
    confidence_before: float
    confidence_after: float
    queries: int
    first_hit: int | None = None
    engine: str | None = None
    seed: int | None = None

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> GalleryRow:
        """Of one row of the file."""
        pixels = tuple(PixelChange.from_dict(pixel) for pixel in row["pixels"])
        return cls(**{**row, "pixels": pixels})

    def to_dict(self) -> dict[str, Any]:
        """As in the file."""
        return vars(self) | {"pixels": [change.to_dict() for change in self.pixels]}

    @property
    def answers(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """The class predicted and its probability, before and after."""
        return (
            (self.predicted_before, self.confidence_before),
            (self.predicted_after, self.confidence_after),
        )

    @property
    def key(self) -> str:
        """The image's key (`ImageSource.keys`): the id without the suffix of a file."""
        return self.id.rpartition(".")[0] or self.id

    def pair(self, benign: NDArray[np.uint8], label: int | None = None) -> Pair:
        """The attack made again on its image."""
        return Pair(self.id, benign, apply_changes(benign, self.pixels), label)

    def look_up(self, find: Find = find_image) -> Pair:
        """The pair, its image looked up by `find`.

        Raises:
            DataError: the image is not on this machine.
        """
        benign, label = find(self.id)
        return self.pair(benign, label)
