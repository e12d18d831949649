"""Ready-made settings: ours, and those that TopoAct was published with."""

from __future__ import annotations

from dataclasses import dataclass

from ndcore.topology.mapper import MapperSettings
from ndcore.topology.space import Space


@dataclass(frozen=True)
class Preset:
    """Settings that do not hang on the scale of a layer.

    Attributes:
        positions: see `POSITIONS`; lens: see `LENSES`.
        share: of the vectors that have `min_samples` neighbours within epsilon; None for the elbow
            of the curve.
        intervals, overlap, min_samples: see `MapperSettings`.
        about: where they come from.
    """

    positions: str
    lens: str
    share: float | None
    intervals: int
    overlap: float
    min_samples: int
    about: str

    def settings(self, space: Space) -> MapperSettings:
        """With the epsilon that fits these vectors."""
        epsilon = space.epsilon(self.min_samples, self.share)
        return MapperSettings(epsilon, self.intervals, self.overlap, self.min_samples)


PRESETS = {
    "usual": Preset("max", "norm", 0.9, 40, 0.3, 5, "ours"),
    # Its pages of CIFAR-10 offer 40 or 100 intervals with 20% or 40% overlap, the first of each
    # chosen; one position of every image, the L2 norm, and epsilon by the curve.
    "topoact": Preset("random", "norm", None, 40, 0.2, 5, "as TopoAct shows CIFAR-10"),
}
