"""A bundle on disk: one model and data set with everything the pages need.

manifest.json           schema, model, classes, layers, accuracy, provenance, file checksums, and
                        where the folder of its images lies and how they are taken in
weights.safetensors     float16, loaded as float32
distributions.npz       integer histograms per layer and reduction, ranges per unit
calibration.npz         benign scores per detector
splits.json             ids per split
gallery.json            verified attacks: ids, pixels, colours, confidences
study/                  a finished study of detectors, where there is one: figures and scores
certificates.json       what is proven of how many of its images, where that was asked
"""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.data.folder.intake import Intake
from ndcore.data.gallery_row import GalleryRow
from ndcore.detectors.calibration import Calibrated, Calibration
from ndcore.errors import BadRequestError, BundleError, DataError
from ndcore.networks.called.stored import STORED, Stored
from ndcore.networks.form import Form
from ndcore.networks.probe import is_answer, made_up_answer
from ndcore.networks.registry import build_model
from ndcore.networks.weights import load_weights, stamp, weight_hash
from ndcore.storage.places import bundles_dir

SCHEMA = 1
FILES = (
    "weights.safetensors",
    "distributions.npz",
    "calibration.npz",
    "splits.json",
    "gallery.json",
)
# A finished study of its detectors, where one was put into the bundle.
STUDY_FILES = ("study/study.json", "study/study.npz", "study/desk.npz")
CERTIFICATES = "certificates.json"
NEEDED = ("name", "model", "classes", "shape", "layers", "weight_hash", "files", "accuracy")


@dataclass(frozen=True)
class BundleInfo:
    """What can be said of a bundle without loading it; `problem` is a sentence, "" when ready."""

    name: str
    ready: bool
    problem: str
    manifest: dict[str, Any]


def list_bundles() -> list[BundleInfo]:
    """All bundles on disk, by name; unusable ones with their problem."""
    folder = bundles_dir()
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            found.append(BundleInfo(path.name, True, "", _read_manifest(path)))
        except BundleError as error:
            found.append(BundleInfo(path.name, False, str(error), {}))
    return found


def load_bundle(name: str) -> Bundle:
    """Load a bundle by name.

    Every file is compared with its checksum and the weights with their hash, so that a damaged,
    half-copied or foreign file is refused here and not noticed later.

    Raises:
        BundleError: missing, damaged, of another schema, or with foreign weights.
    """
    if not name or name != Path(name).name or name.startswith("."):
        raise BundleError(f"'{name}' is no bundle name")
    folder = bundles_dir() / name
    if not folder.is_dir():
        known = ", ".join(info.name for info in list_bundles() if info.ready) or "none yet"
        raise BundleError(f"there is no bundle '{name}' (ready: {known})")
    manifest = _read_manifest(folder)
    for file, wanted in manifest["files"].items():
        if _sha256(folder / file) != wanted:
            raise BundleError(f"bundle '{name}' is damaged: {file} does not match its checksum")
    try:
        model = build_model(manifest["model"], Form.of(manifest.get("form")))
    except (BadRequestError, DataError) as error:
        raise BundleError(f"bundle '{name}' cannot be opened: {error}") from error
    load_weights(model, folder / "weights.safetensors")
    if "answer" in manifest:
        _require_same_code(model, manifest)
    if weight_hash(model) != manifest["weight_hash"]:
        raise BundleError(f"bundle '{name}' has foreign weights: their hash is another one")
    model.requires_grad_(False)
    return Bundle(folder, manifest, model)


def _require_same_code(model: nn.Module, manifest: dict[str, Any]) -> None:
    """Weights alone do not tell an own network from one whose code was edited since."""
    told = (
        f"the code of {manifest['model']} has changed since bundle '{manifest['name']}' was built"
    )
    try:
        found = made_up_answer(model, manifest["shape"])
    except BadRequestError as error:
        raise BundleError(f"{told}: {error}") from error
    if not is_answer(found, manifest["answer"]):
        raise BundleError(f"{told}: it answers in another way now; build the bundle again")
    stamp(model, manifest["answer"])


class Bundle(Calibrated):
    """One loaded bundle; its arrays are read when first asked for and shared afterwards.

    Attributes:
        name, weight_hash, manifest, folder: what it is and where.
        intake: how its image files are taken in, uploads too.
        model: in eval mode, without gradients.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], model: nn.Module) -> None:
        self._layers = {layer["name"]: layer for layer in manifest["layers"]}
        height, width, channels = manifest["shape"]
        super().__init__(
            model, tuple(self._layers), tuple(manifest["classes"]), (height, width, channels), {}
        )
        self.folder = folder
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.weight_hash: str = manifest["weight_hash"]
        try:
            self.intake = Intake.of(manifest.get("intake", {}))
        except (TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"bundle '{self.name}' has a damaged manifest.json") from error
        self._lock = threading.Lock()
        self._archives: dict[str, NpzFile] = {}

    @property
    def limit(self) -> str:
        """Why there are no layers inside it to look at, in a sentence; "" where there are."""
        form = Form.of(self.manifest.get("form"))
        if not form.closed:
            return ""
        return (
            f"This model can only be asked: its answer, `{form.answer}`, is all that can be seen, "
            "so there are no layers inside it to look at."
        )

    @property
    def unasked(self) -> str:
        """Why nothing can be asked of a changed image, in a sentence; "" where it can."""
        return f"{STORED[:1].upper()}{STORED[1:]}." if isinstance(self.model, Stored) else ""

    def _layer(self, layer: str) -> Any:
        if layer not in self._layers:
            raise BadRequestError(f"unknown layer '{layer}': choose {', '.join(self.layers)}")
        return self._layers[layer]

    def units(self, layer: str) -> int:
        """Number of units of a layer.

        Raises:
            BadRequestError: no such layer.
        """
        return int(self._layer(layer)["units"])

    def reductions(self, layer: str) -> tuple[str, ...]:
        """See `Observed.reductions`."""
        return tuple(self._layer(layer)["reductions"])

    def class_index(self, name: str) -> int:
        """Position of a class.

        Raises:
            BadRequestError: no such class.
        """
        if name not in self.classes:
            raise BadRequestError(f"unknown class '{name}': choose {', '.join(self.classes)}")
        return self.classes.index(name)

    @property
    def held(self) -> tuple[int, ...]:
        """Positions of the classes that have distributions; a data set need not hold them all."""
        every = range(len(self.classes))
        return tuple(self.manifest.get("distributions", {}).get("held", every))

    def distributions(self, layer: str, reduction: str) -> ClassHistograms:
        """See `Observed.distributions`.

        Raises:
            BundleError: the file has become unreadable.
        """
        key = (layer, reduction)
        with self._lock:
            if reduction in self.reductions(layer) and key not in self._histograms:
                counts, lo, hi = (
                    self._array("distributions.npz", f"{layer}/{reduction}/{name}")
                    for name in ("counts", "lo", "hi")
                )
                found = ClassHistograms(counts, lo, hi, self.held, len(self.classes))
                self._histograms[key] = found
        return super().distributions(layer, reduction)

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """Benign scores of the detectors that this bundle was built with, by name.

        Raises:
            BundleError: the file has become unreadable.
        """
        file = "calibration.npz"
        arrays = {key: self._array(file, key) for key in self._keys(file)}
        return {
            key.removesuffix("/scores"): Calibration(
                scores=scores,
                predicted=self._array(file, "predicted"),
                dev=arrays.get(key.replace("/scores", "/dev")),
                layers=arrays.get(key.replace("/scores", "/layers")),
            )
            for key, scores in arrays.items()
            if key.endswith("/scores")
        }

    @cached_property
    def splits(self) -> dict[str, list[str]]:
        """Keys of the images in `reference, dev, calibration, evaluation`."""
        return dict(json.loads((self.folder / "splits.json").read_text()))

    @cached_property
    def gallery(self) -> list[GalleryRow]:
        """Verified attacks."""
        rows = json.loads((self.folder / "gallery.json").read_text())
        return [GalleryRow.from_dict(row) for row in rows]

    @cached_property
    def certificates(self) -> dict[str, Any]:
        """By set of images what `certify --ship` found of them; see `bundles.certified`."""
        if CERTIFICATES not in self.manifest["files"]:
            return {}
        found = json.loads((self.folder / CERTIFICATES).read_text())
        return dict(found["sets"]) if found.get("weight_hash") == self.weight_hash else {}

    def _archive(self, file: str) -> NpzFile:
        """Opened once: of many layers the list of what is inside is long."""
        if file not in self._archives:
            self._archives[file] = np.load(self.folder / file, allow_pickle=False)
        return self._archives[file]

    def _array(self, file: str, key: str) -> NDArray[Any]:
        try:
            return np.asarray(self._archive(file)[key])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BundleError(f"bundle '{self.name}' is damaged: {file} lacks '{key}'") from error

    def _keys(self, file: str) -> list[str]:
        try:
            return list(self._archive(file))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise BundleError(f"bundle '{self.name}' is damaged: {file} is no archive") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except OSError as error:
        raise BundleError(f"bundle '{folder.name}' has no manifest; build it again") from error
    except ValueError as error:
        raise BundleError(f"bundle '{folder.name}' has a damaged manifest.json") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA:
        version = manifest.get("schema_version") if isinstance(manifest, dict) else None
        raise BundleError(
            f"bundle '{folder.name}' has schema version {version}; this version reads {SCHEMA}"
        )
    missing = [key for key in NEEDED if key not in manifest]
    if missing:
        raise BundleError(f"bundle '{folder.name}' has a manifest without '{missing[0]}'")
    files = set(manifest["files"])
    absent = [file for file in {*FILES, *files} if not (folder / file).is_file()]
    absent += set(FILES) - files
    if absent:
        raise BundleError(f"bundle '{folder.name}' lacks {min(absent)}")
    if unknown := files - {*FILES, *STUDY_FILES, CERTIFICATES}:
        raise BundleError(f"bundle '{folder.name}' lists an unknown file '{min(unknown)}'")
    return manifest


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
