"""What is known of a recorded layer, without the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A map that is wider or higher is thinned.
LARGEST_SIDE = 16
# What kinds of layer squeeze their values between.
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


@dataclass(frozen=True)
class WatchedLayer:
    """A layer of a recorded run.

    Attributes:
        name: in the model.
        number: its place from 1 on, the "layer4" of the paper.
        kind: of its last step: `conv`, `dense`, `norm`, `relu`, `sigmoid`, `tanh`, `pool`, `other`.
        units: channels or features.
        size: (h, w) of its map; (1, 1) for a dense layer.
        field: receptive field (start, size, jump) in pixels of the image, or None where unknown.
        follows: name of the layer of which this one is a rising function of each value, so that
            its units have the same top patches; "" otherwise.
    """

    name: str
    number: int
    kind: str
    units: int
    size: tuple[int, int]
    field: tuple[int, int, int] | None = None
    follows: str = ""

    @property
    def watched(self) -> int:
        """Values per image and unit that are recorded: cells of the map, thinned if large."""
        rows, cols = (
            len(range(side)[part])
            for side, part in zip(self.size, thinning(self.size), strict=True)
        )
        return rows * cols

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> WatchedLayer:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: the row is none of ours.
        """
        height, width = map(int, row["size"])
        field = row["field"]
        if field is not None:
            start, reach, jump = map(int, field)
            field = (start, reach, jump)
        return cls(
            str(row["name"]),
            int(row["number"]),
            str(row["kind"]),
            int(row["units"]),
            (height, width),
            field,
            str(row["follows"]),
        )

    def of(self, followed: NDArray[np.float32]) -> NDArray[np.float32]:
        """This layer's values, from those of the layer that it follows."""
        if self.kind == "relu":
            found = np.maximum(followed, 0)
        elif self.kind == "sigmoid":
            found = 1 / (1 + np.exp(-np.clip(followed, -80, 80)))
        else:
            found = np.tanh(followed)
        return found.astype(np.float32)

    def boxes(self, positions: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Which pixels positions of the map see.

        Args:
            positions: row * w + col on the map, (n,).
            shape: of the image, height and width first.

        Returns:
            (n, 4): top, left, bottom, right (exclusive). All boxes of a layer have one size, so
            they may reach beyond the image. Where the field is not known, it is the whole image.
        """
        if self.field is None:
            return np.tile(np.array([0, 0, shape[0], shape[1]], np.int64), (len(positions), 1))
        start, reach, jump = self.field
        corner = np.stack(np.divmod(positions.astype(np.int64), self.size[1]), axis=1)
        corner = start + corner * jump
        return np.concatenate([corner, corner + reach], axis=1)


def thinning(size: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of a map (h, w) that are recorded: all, or every second, third, ..."""
    step = ceil(max(size) / LARGEST_SIDE)
    rows, cols = (slice(min(step // 2, side - 1), side, step) for side in size)
    return rows, cols


def units_before(layers: Iterable[WatchedLayer], name: str) -> int:
    """How many units stand before those of layer `name` where the layers' units are in a row."""
    return sum(layer.units for layer in takewhile(lambda layer: layer.name != name, layers))
