"""What the hypothesis desk works on: every measure at every layer for benign and attacked images.

No image and no activation: one float16 a measure, layer and image, so that hypotheses can be chosen
on dev images, and tested once on evaluation images, without the data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.scoring.detector import Measured
from ndcore.detectors.scoring.features import FeaturePass
from ndcore.detectors.scoring.scores import layer_measures
from ndcore.errors import BundleError
from ndcore.storage.stamped import load_stamped, save_stamped
from ndcore.study.measured.form import MOST_SCORES
from ndcore.study.measured.image_sets import Family, ImageSet, attacked_set
from ndcore.study.measured.measurements import Measurer
from ndcore.study.report import Scored
from ndcore.study.saved import study_folder

DESK = "desk.npz"
BENIGN = ("dev", "calibration", "evaluation")
PAIRED = ("one-pixel", "inconspicuous")  # kinds of attack that are also made from dev images
LARGEST = 6e4  # float16 ends a little above
ABOUT = ("keys", "labels", "predicted", "confidence", "attacked", "scores")


@dataclass(frozen=True)
class DeskSet:
    """N images of one kind.

    Attributes:
        keys: the source image of each.
        labels, predicted: int64 (N,), true and predicted classes.
        confidence: float32 (N,), probability of the predicted class.
        scores: float16 (N, columns), in benign dev spreads above the benign dev median.
        attacked: how many images were attacked to get these; 0 for benign ones.
    """

    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    scores: NDArray[np.float16]
    attacked: int = 0

    def __len__(self) -> int:
        return len(self.keys)

    def scored(
        self, name: str, scores: NDArray[np.float64], p: NDArray[np.float64] | None = None
    ) -> Scored:
        """The set as one score sees it; without p-values, 1 stands in for each."""
        n = len(self)
        images = ImageSet(
            name=name,
            pixels=np.zeros((n, 0, 0, 0), np.uint8),
            ids=self.keys,
            labels=self.labels,
            where=np.full((n, 2), -1, np.int64),
            queries=np.zeros(n, np.int64),
            attacked=self.attacked,
        )
        confidence = self.confidence.astype(np.float64)
        return Scored(images, self.predicted, confidence, scores, np.ones(n) if p is None else p)


@dataclass(frozen=True)
class Desk:
    """Scores of a study.

    Attributes:
        weight_hash: of the model.
        classes: names.
        measures: measure (key of `layer_measures()`) -> its layers in order.
        sets: `BENIGN`, kinds of attack, and for each of them `dev-KIND`.
    """

    weight_hash: str
    classes: tuple[str, ...]
    measures: dict[str, tuple[str, ...]]
    sets: dict[str, DeskSet]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """(measure, layer) of every column."""
        return [(measure, layer) for measure, layers in self.measures.items() for layer in layers]

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers, in the model's order."""
        return max(self.measures.values(), key=len, default=())

    @property
    def attacks(self) -> list[str]:
        """Kinds of attack that are there both on dev and on evaluation images."""
        return [name for name in self.sets if f"dev-{name}" in self.sets]

    @cached_property
    def digest(self) -> str:
        """Tells which images these are, in 16 hexadecimal digits."""
        found = hashlib.sha256(self.weight_hash.encode())
        for name in sorted(self.sets):
            found.update(" ".join([name, *self.sets[name].keys]).encode())
        return found.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write one compressed file, atomically."""
        arrays: dict[str, NDArray[Any]] = {
            "classes": np.array(self.classes, np.str_),
            "parts": np.array(self.parts, np.str_).reshape(-1, 2),
        }
        for name, each in self.sets.items():
            for what in ABOUT:
                value = np.array(each.keys, np.str_) if what == "keys" else getattr(each, what)
                arrays[f"{name}/{what}"] = np.asarray(value)
        save_stamped(path, arrays, self.weight_hash)


def load_desk(path: Path, known_as: str) -> Desk:
    """Read what `Desk.save` wrote.

    Args:
        path: of the file.
        known_as: weight hash of the model.

    Raises:
        BundleError: missing, damaged, or of other weights.
    """
    arrays = load_stamped(path, known_as, MOST_SCORES)
    if arrays is None:
        raise BundleError(f"the scores in {path} are missing, damaged or of other weights")
    try:
        return _desk_of(arrays, known_as)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the scores in {path} are damaged: {error}") from error


def _desk_of(arrays: dict[str, NDArray[Any]], known_as: str) -> Desk:
    classes = tuple(str(name) for name in arrays.pop("classes"))
    parts = arrays.pop("parts").tolist()
    measures: dict[str, tuple[str, ...]] = {}
    for measure, layer in parts:
        measures[measure] = (*measures.get(measure, ()), layer)
    found: dict[str, dict[str, Any]] = {}
    for key, values in arrays.items():
        name, _, what = key.rpartition("/")
        found.setdefault(name, {})[what] = values
    sets = {}
    for name, each in found.items():
        keys = tuple(str(key) for key in each.pop("keys"))
        sets[name] = DeskSet(keys=keys, attacked=int(each.pop("attacked")), **each)
        columns = [np.shape(each[what]) for what in ("labels", "predicted", "confidence")]
        if sets[name].scores.shape != (len(keys), len(parts)):
            raise ValueError(f"'{name}' has scores of another size")
        if any(shape != (len(keys),) for shape in columns):
            raise ValueError(f"'{name}' says more of some images than of others")
    return Desk(known_as, classes, measures, sets)


def desk_file(bundle: Bundle) -> Path | None:
    """The desk of the bundle's finished study; None without."""
    folder = study_folder(bundle)
    return folder / DESK if folder is not None and (folder / DESK).is_file() else None


def dev_attack(measurer: Measurer, dev: ImageSet, family: Family, seed: int = 0) -> ImageSet:
    """A kind of attack made from all dev images, now or by an earlier run: the set `dev-KIND`."""
    name = f"dev-{family.name}"
    named = replace(family, name=name)
    make = partial(attacked_set, measurer.bundle, dev, named, seed=seed, attack=measurer.attack)
    return measurer.images(name, f"{family} {seed} {len(dev)}", make)


def make_desk(
    bundle: Bundle, passes: FeaturePass, sets: Mapping[str, tuple[ImageSet, Measured]]
) -> Desk:
    """Bring every measure of every layer to one scale and keep it.

    Args:
        bundle: what was studied.
        passes: whose features were measured.
        sets: `dev` and others, by name.
    """
    known = layer_measures()
    measures = {
        name: tuple(passes.conv if each.spatial else passes.layers)
        for name, each in known.items()
        if passes.conv or not each.spatial
    }
    raw = {
        name: np.concatenate([known[m].of(each.features) for m in measures], 1, dtype=np.float64)
        for name, (_, each) in sets.items()
    }
    centre, spread = _scale(raw["dev"])
    found = {}
    for name, (images, measured) in sets.items():
        scaled = ((raw[name] - centre) / spread).clip(-LARGEST, LARGEST)
        found[name] = DeskSet(
            keys=images.ids,
            labels=images.labels,
            predicted=measured.features.predicted,
            confidence=measured.features.probabilities.max(1).astype(np.float32),
            scores=scaled.astype(np.float16),
            attacked=images.attacked,
        )
    return Desk(bundle.weight_hash, bundle.classes, measures, found)


def _scale(benign: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and spread of every column; half precision is finest about the median."""
    low, middle, high = np.quantile(benign, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, benign.std(0))
    return middle, np.where(spread > 0, spread, 1.0)
