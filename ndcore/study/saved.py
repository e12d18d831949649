"""A finished study on disk: a document of figures and the scores they come from, no images."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.calibration import Calibration
from ndcore.errors import BundleError, UnreadableError
from ndcore.storage.atomic import write_bytes
from ndcore.storage.places import study_dir
from ndcore.storage.plain_files import read_json
from ndcore.storage.stamped import load_stamped, save_stamped
from ndcore.study.measured.form import MOST_JSON, MOST_SCORES, require_study

DOCUMENT, SCORES = "study.json", "study.npz"
DIGITS = 6
ABOUT = ("keys", "labels", "predicted", "confidence")  # of the images of every set


@dataclass(frozen=True)
class SavedStudy:
    """Figures and scores.

    Attributes:
        document: as `python -m ndcore study detectors --json -` prints it.
        scores: set name -> float32 (n, detectors), columns in the order of `names`.
        about: set name -> `keys`, `labels`, `predicted`, `confidence` of its images; where
            repairs were made also `suspect` (n, 2), `repaired` (n,) and `where` (n, 2).
        names: of the detectors.
    """

    document: dict[str, Any]
    scores: dict[str, NDArray[np.float32]]
    about: dict[str, dict[str, NDArray[Any]]]
    names: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the scores of all sets."""
        found = hashlib.sha256(" ".join(self.names).encode())
        for name, scores in self.scores.items():
            found.update(name.encode() + np.ascontiguousarray(scores).tobytes())
        return found.hexdigest()

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """Benign scores of every detector, by name."""
        predicted = self.about["calibration"]["predicted"]
        columns = zip(self.names, self.scores["calibration"].T, strict=True)
        return {name: Calibration(scores, predicted) for name, scores in columns}


def study_folder(bundle: Bundle) -> Path | None:
    """Where the bundle's finished study is: made on this machine, else shipped; None without."""
    for folder in (study_dir(bundle.name), bundle.folder / "study"):
        if (folder / DOCUMENT).is_file():
            return folder
    return None


def find_study(bundle: Bundle) -> SavedStudy | None:
    """The study in `study_folder`, or None.

    Raises:
        BundleError: there is one, but it is damaged or of other weights.
    """
    folder = study_folder(bundle)
    return None if folder is None else load_study(folder, bundle.weight_hash)


def save_study(folder: Path, study: SavedStudy) -> None:
    """Write `study.json` and `study.npz`, each atomically."""
    arrays: dict[str, NDArray[Any]] = {"names": np.array(study.names, np.str_)}
    for name, scores in study.scores.items():
        arrays[f"{name}/scores"] = scores
        arrays |= {f"{name}/{key}": value for key, value in study.about[name].items()}
    save_stamped(folder / SCORES, arrays, str(study.document["weight_hash"]))
    # Rows by the thousand: without indents and needless digits it is a fifth as large.
    text = json.dumps(_rounded(without_nan(study.document)), separators=(",", ":"))
    write_bytes(folder / DOCUMENT, (text + "\n").encode())


def load_study(folder: Path, known_as: str) -> SavedStudy:
    """Read what `save_study` wrote.

    Args:
        folder: where it lies.
        known_as: weight hash of the model.

    Raises:
        BundleError: missing, damaged, or of other weights.
    """
    try:
        document = read_json(folder / DOCUMENT, MOST_JSON)
        require_study(document, DOCUMENT)
    except UnreadableError as error:
        raise BundleError(f"there is no readable study in {folder}: {error}") from error
    arrays = load_stamped(folder / SCORES, known_as, MOST_SCORES)
    if arrays is None or document["weight_hash"] != known_as or not _fit(arrays):
        raise BundleError(f"the study in {folder} is damaged or of other weights")
    names = tuple(str(name) for name in arrays.pop("names"))
    scores: dict[str, NDArray[np.float32]] = {}
    about: dict[str, dict[str, NDArray[Any]]] = {}
    for key, values in arrays.items():
        name, _, what = key.rpartition("/")
        if what == "scores":
            scores[name] = values
        else:
            about.setdefault(name, {})[what] = values
    return SavedStudy(document, scores, about, names)


def _fit(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the scores are of one size with each other and with what is known of the images."""
    names = arrays.get("names")
    if names is None or names.ndim != 1:
        return False
    sets = {key.removesuffix("/scores") for key in arrays if key.endswith("/scores")}
    if not {"calibration", "evaluation"} <= sets:
        return False
    for name in sets:
        scores = arrays[f"{name}/scores"]
        about = [arrays.get(f"{name}/{key}") for key in ABOUT]
        if scores.dtype.kind != "f" or scores.shape[1:] != names.shape or scores.ndim != 2:
            return False
        if any(each is None or each.shape != (len(scores),) for each in about):
            return False
    return True


def without_nan(document: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(document, Mapping):
        return {key: without_nan(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [without_nan(value) for value in document]
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document


def _rounded(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _rounded(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_rounded(value) for value in document]
    return round(document, DIGITS) if isinstance(document, float) else document
