"""The detectors that a bundle and its finished study have calibrations for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.by_repair import BEST, RepairDetector
from ndcore.detectors.calibration import Calibration
from ndcore.detectors.detector import Detector
from ndcore.detectors.layerwise import DivergenceDetector
from ndcore.detectors.registry import DETECTORS, Entry, find_entry
from ndcore.errors import BadRequestError, BundleError
from ndcore.study.saved import SavedStudy, find_study


class Detectors:
    """What can judge the images of a bundle.

    Args:
        bundle: with the calibrations it was built with.
        find: finds its finished study; None for `find_study`.
    """

    def __init__(self, bundle: Bundle, find: Callable[[], SavedStudy | None] | None = None) -> None:
        self.bundle = bundle
        self._find = find or partial(find_study, bundle)

    @cached_property
    def _study(self) -> SavedStudy | None:
        try:
            return self._find()
        except BundleError:
            return None  # a damaged study stops only what needs it

    @property
    def _of_study(self) -> Mapping[str, Calibration]:
        return self._study.calibrations if self._study else {}

    @property
    def entries(self) -> dict[str, Entry]:
        """By name, the usual one first."""
        known = {*self._of_study, *self.bundle.calibrations}
        return {
            name: entry
            for name, entry in DETECTORS.items()
            if name in known or not entry.calibrated_by
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over their names and calibrations: others judge otherwise."""
        named = {**self._of_study, **self.bundle.calibrations}
        said = [(name, named[name].digest if name in named else "") for name in self.entries]
        return hashlib.sha256(repr(said).encode()).hexdigest()

    @property
    def usual(self) -> str:
        """The one to judge with when none is named: the study's choice, else the first; "" where
        there is none.
        """
        choice = self._study.document.get("choice") if self._study else None
        chosen = choice["chosen"] if choice else ""
        return chosen if chosen in self.entries else next(iter(self.entries), "")

    def open(self, name: str = "") -> Detector[Any]:
        """A detector ready to judge, the usual one where none is named.

        Raises:
            BadRequestError: see `find_entry`; or one of the study's that judges no other images.
            BundleError: there is no calibration for it, or that of the study is damaged.
        """
        if name not in DETECTORS and name in self._of_study:
            raise BadRequestError(
                f"detector '{name}' judges the images of the study alone: it takes statistics of "
                f"the reference images, which no bundle holds; choose {', '.join(self.entries)}"
            )
        entry = find_entry(name or self.usual or BEST)
        detector = entry.make(self.bundle)
        known: Mapping[str, Calibration] = self.bundle.calibrations
        if entry.name not in known and entry.calibrated_by:
            known = self._of_study
        if entry.name in known:
            return detector.with_calibration(known[entry.name])
        if entry.calibrated_by:
            if entry.calibrated_by == "study":
                self._find()  # says what is wrong with a damaged one
            way = {"build": "build", "study": "study detectors --bundle"}[entry.calibrated_by]
            raise BundleError(
                f"bundle '{self.bundle.name}' has no calibration for '{entry.name}'; "
                f"make one: python -m ndcore {way} {self.bundle.name}"
            )
        return detector

    def layered(self, name: str = "") -> DivergenceDetector | None:
        """One whose verdicts have layers and units: this one or else the first; None without."""
        found = (self.open(each) for each in (name, *self.entries) if each in self.entries)
        return next((each for each in found if isinstance(each, DivergenceDetector)), None)

    def repairer(self) -> RepairDetector:
        """The detector that tells the suspect pixel; not fitted where there is no calibration."""
        for name in (self.usual, BEST):
            found = self.open(name) if name in self.entries else None
            if isinstance(found, RepairDetector):
                return found
        return RepairDetector(self.bundle)
