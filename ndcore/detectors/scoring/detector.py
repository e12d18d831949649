"""Detectors on measured features, so that dozens of them cost one feature pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.observed import Observed
from ndcore.detectors.detector import Detector
from ndcore.detectors.repair import Repairs
from ndcore.detectors.scoring.aggregate import Tail
from ndcore.detectors.scoring.features import FeaturePass, Features
from ndcore.detectors.scoring.reference import Reference
from ndcore.errors import BadRequestError

KINDS = ("ours", "divergence", "baseline")


@dataclass(frozen=True)
class Measured:
    """N images as detectors see them; `repairs` where the leave-one-pixel-out repair was run."""

    features: Features
    repairs: Repairs | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """See `Features.predicted`."""
        return self.features.predicted

    @property
    def confidence(self) -> NDArray[np.float64]:
        """See `Features.confidence`."""
        return self.features.confidence

    @property
    def known_repairs(self) -> Repairs:
        """The repairs.

        Raises:
            BadRequestError: they were not made.
        """
        if self.repairs is None:
            raise BadRequestError("this score needs the leave-one-pixel-out repair of the images")
        return self.repairs


class FeatureDetector(Detector[Measured]):
    """A detector that many share a feature pass with.

    Attributes:
        kind: one of `KINDS`.
        needs_repair: the score reads `Measured.repairs`.
        learns: the score takes `prepare`, from images that no bundle holds.
        measured: layers whose features the score reads; None for all.
    """

    kind: str
    needs_repair = False
    learns = True
    measured: tuple[str, ...] | None = None
    _observed: Observed | None = None

    def on(self, observed: Observed) -> Self:
        """See images of this network."""
        self._observed = observed
        return self

    @cached_property
    def _passes(self) -> FeaturePass:
        if self._observed is None:
            raise BadRequestError(f"detector '{self.name}' looks at measured features alone")
        return FeaturePass(self._observed, layers=self.measured)

    def see(self, pixels: NDArray[np.uint8]) -> Measured:
        """See `Detector.see`.

        Raises:
            BadRequestError: it was given no network.
        """
        return Measured(self._passes.read(pixels))

    def fit(self, dev: Measured, calibration: Measured, reference: Reference | None = None) -> Self:
        """See `Detector.fit`; `reference`: statistics of the images the model was trained on."""
        if reference is not None:
            self.prepare(reference, dev)
        return super().fit(dev, calibration)

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """The first half of `fit`: all that `score` needs."""
        return self

    def bound(self, most: NDArray[np.floating], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What no change of one pixel can bring the score below; see `by_repair.repair_bound`."""
        return np.full(most.shape, -np.inf)


class Layered(FeatureDetector):
    """Several scores brought to one scale by their rank among benign dev images, then averaged."""

    parts: Sequence[str]

    @abstractmethod
    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """Scores of the parts, (N, parts)."""

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """See `Detector.prepare`."""
        super().prepare(reference, dev)
        self._tails = [Tail(column) for column in self.raw(dev).T]
        return self

    def shares(self, measured: Measured) -> NDArray[np.float64]:
        """-ln of each part's benign tail share, over the number of parts: (N, parts)."""
        raw = self.raw(measured)
        found = [tail(column) for tail, column in zip(self._tails, raw.T, strict=True)]
        return np.stack(found, 1) / len(found)

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`; the sum of the shares."""
        return np.asarray(self.shares(seen).sum(1), np.float64)


class Union(Layered):
    """The most alarming of several detectors, each on the scale of its benign dev images.

    Args:
        name, title, about: as in `Detector`; kind: as in `FeatureDetector`.
        members: fitted by this detector's own `fit`.
        parts: of the allowed false alarms, one for each member; None for equal ones.
    """

    def __init__(
        self,
        name: str,
        title: str,
        about: str,
        kind: str,
        members: Sequence[FeatureDetector],
        parts: Sequence[float] | None = None,
    ) -> None:
        self.name, self.title, self.about, self.kind = name, title, about, kind
        self.members = members
        self._weights = np.log(np.ones(len(members)) if parts is None else np.array(parts))
        self.parts = [member.name for member in members]
        self.needs_repair = any(member.needs_repair for member in members)

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """See `Detector.prepare`."""
        for member in self.members:
            member.prepare(reference, dev)
        return super().prepare(reference, dev)

    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """See `Layered.raw`."""
        return np.stack([member.score(measured) for member in self.members], 1)

    def shares(self, measured: Measured) -> NDArray[np.float64]:
        """The largest member's -ln of its benign tail share in its own column, 0 elsewhere."""
        found = super().shares(measured) * len(self.members) + self._weights
        winner = found.argmax(1)[:, None]
        return np.where(np.arange(len(self.members)) == winner, found, 0.0)

    def bound(self, most: NDArray[np.floating], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """See `FeatureDetector.bound`; the best of the members'."""
        each = [
            np.where(np.isfinite(low), tail(low), -np.inf) + weight
            for member, tail, weight in zip(self.members, self._tails, self._weights, strict=True)
            for low in (member.bound(most, holes),)
        ]
        return np.asarray(np.max(each, axis=0))
