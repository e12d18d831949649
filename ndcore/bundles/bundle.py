"""A bundle on disk: one model and data set with everything the pages need.

manifest.json           schema, model, classes, layers, accuracy, provenance, file checksums, and
                        where the folder of its images lies and how they are taken in
weights.safetensors     float16, loaded as float32
distributions.npz       integer histograms per layer and reduction, ranges per unit
calibration.npz         benign scores per detector
splits.json             ids per split
gallery.json            verified attacks: ids, pixels, colours, confidences
graph.npz               importance, edges and patches per class, where they were made
study/                  a finished study of detectors, where there is one: figures and scores
certificates.json       what is proven of how many of its images, where that was asked
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations.capture import reductions_of
from ndcore.activations.histograms import ClassHistograms
from ndcore.bundles.contents import Contents
from ndcore.bundles.manifest import read_manifest
from ndcore.data.folder.intake import Intake
from ndcore.data.gallery_row import GalleryRow
from ndcore.detectors.calibration import Calibrated, Calibration
from ndcore.errors import BadRequestError, BundleError, DataError, UnreadableError
from ndcore.networks.brought.made_up import is_answer, made_up_answer
from ndcore.networks.called.stored import STORED, Stored
from ndcore.networks.consent import require_allowed
from ndcore.networks.form import Form
from ndcore.networks.forward import forward
from ndcore.networks.registry import MODELS, model_spec
from ndcore.networks.weights import load_weights, stamp, weight_hash
from ndcore.storage.arrays import Arrays
from ndcore.storage.places import bundles_dir
from ndcore.storage.plain_files import sha256_of


@dataclass(frozen=True)
class BundleInfo:
    """What can be said of a bundle without loading it; `problem` is a sentence, "" when ready."""

    name: str
    ready: bool
    problem: str
    manifest: dict[str, Any]


def list_bundles() -> list[BundleInfo]:
    """All bundles on disk, by name; unusable ones with their problem."""
    found = []
    try:
        folders = [path for path in sorted(bundles_dir().iterdir()) if path.is_dir()]
    except OSError:  # there is none, or none that may be read
        return []
    for path in folders:
        if path.name.startswith("."):
            continue
        try:
            found.append(BundleInfo(path.name, True, "", read_manifest(path)))
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
    manifest = read_manifest(folder)
    try:
        for file, wanted in manifest["files"].items():
            if sha256_of(folder / file, folder) != wanted:
                raise UnreadableError(f"{file} does not match its checksum")
        contents = Contents.of(folder, manifest)
    except UnreadableError as error:
        raise BundleError(f"bundle '{name}' is damaged: {error}") from error
    model = _model_of(name, manifest)
    load_weights(model, folder / "weights.safetensors")
    if "answer" in manifest:
        _require_same_code(model, manifest)
    if weight_hash(model) != manifest["weight_hash"]:
        raise BundleError(f"bundle '{name}' has foreign weights: their hash is another one")
    model.requires_grad_(False)
    if manifest["model"] in MODELS:
        _require_described(model, manifest)
    return Bundle(folder, manifest, model, contents)


def _model_of(name: str, manifest: dict[str, Any]) -> nn.Module:
    """The model that a manifest names, in eval mode, if it may run here."""
    try:
        require_allowed(manifest["model"], name, manifest.get("data", {}).get("root", ""))
        spec = model_spec(manifest["model"], Form.of(manifest.get("form")))
        if spec.shape not in (None, tuple(manifest["shape"])):
            raise DataError(f"{spec.name} takes images of another shape")
        return spec.build().eval()
    except (BadRequestError, DataError) as error:
        raise BundleError(f"bundle '{name}' cannot be opened: {error}") from error


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


def _require_described(model: nn.Module, manifest: dict[str, Any]) -> None:
    """The layers and classes of a manifest are those of the registered model, by one pass."""
    told = f"bundle '{manifest['name']}' is damaged: manifest.json"
    parts = dict(model.named_modules())
    seen: dict[str, tuple[int, list[str]]] = {}
    hooks = []
    for layer in manifest["layers"]:
        name = layer["name"]
        if not name or name not in parts:
            raise BundleError(f"{told} names a layer '{name[:80]}' that the model has not")

        def see(_module: nn.Module, _given: Any, output: Tensor, name: str = name) -> None:
            seen[name] = output.shape[1], list(reductions_of(output))

        hooks.append(parts[name].register_forward_hook(see))
    try:
        answers = forward(model, np.zeros((1, *manifest["shape"]), np.uint8)).shape[1]
    finally:
        for hook in hooks:
            hook.remove()
    for layer in manifest["layers"]:
        if seen.get(layer["name"]) != (layer["units"], layer["reductions"]):
            raise BundleError(f"{told} says something else of layer '{layer['name']}' than it is")
    if answers != len(manifest["classes"]):
        raise BundleError(f"{told} names other classes than the model's {answers}")


class Bundle(Calibrated):
    """One loaded bundle; its arrays are read when first asked for and shared afterwards.

    Attributes:
        name, weight_hash, manifest, folder: what it is and where.
        intake: how its image files are taken in, uploads too.
        model: in eval mode, without gradients.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], model: nn.Module, contents: Contents
    ) -> None:
        self._layers = {layer["name"]: layer for layer in manifest["layers"]}
        height, width, channels = manifest["shape"]
        super().__init__(
            model, tuple(self._layers), tuple(manifest["classes"]), (height, width, channels), {}
        )
        self.folder = folder
        self.manifest = manifest
        self._contents = contents
        self.name: str = manifest["name"]
        self.weight_hash: str = manifest["weight_hash"]
        try:
            self.intake = Intake.of(manifest.get("intake", {}))
        except (TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"bundle '{self.name}' has a damaged manifest.json") from error
        self._lock = threading.Lock()

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
                names = [f"{layer}/{reduction}/{name}" for name in ("counts", "lo", "hi")]
                arrays = self._arrays(self._contents.distributions, names)
                counts, lo, hi = (arrays[name] for name in names)
                found = ClassHistograms(counts, lo, hi, self.held, len(self.classes))
                self._histograms[key] = found
        return super().distributions(layer, reduction)

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """Benign scores of the detectors that this bundle was built with, by name.

        Raises:
            BundleError: the file has become unreadable.
        """
        arrays = self._arrays(self._contents.calibration, self._contents.calibration)
        return {
            key.removesuffix("/scores"): Calibration(
                scores=scores,
                predicted=arrays["predicted"],
                dev=arrays.get(key.replace("/scores", "/dev")),
                layers=arrays.get(key.replace("/scores", "/layers")),
            )
            for key, scores in arrays.items()
            if key.endswith("/scores")
        }

    @property
    def splits(self) -> dict[str, list[str]]:
        """Keys of the images in `reference, dev, calibration, evaluation`."""
        return self._contents.splits

    @property
    def gallery(self) -> list[GalleryRow]:
        """Verified attacks."""
        return self._contents.gallery

    @property
    def certificates(self) -> dict[str, Any]:
        """By set of images what `certify --ship` found of them; see `bundles.certified`."""
        return self._contents.certificates

    @property
    def faithful(self) -> list[dict[str, Any]]:
        """By rule of drawing what `graph --faithful --ship` found; see `faithful_classes`."""
        return self._contents.faithful

    @cached_property
    def graph_arrays(self) -> dict[str, NDArray[Any]] | None:
        """The concept graphs of its classes as they are kept; None where they were not made.

        Raises:
            BundleError: the file has become unreadable.
        """
        graph = self._contents.graph
        return None if graph is None else self._arrays(graph, graph)

    @cached_property
    def picture_arrays(self) -> dict[str, NDArray[Any]] | None:
        """Pictures of the graphs' units as they are kept, see `unit_pictures`; None without any.

        Raises:
            BundleError: the file has become unreadable.
        """
        pictures = self._contents.pictures
        return None if pictures is None else self._arrays(pictures, pictures)

    def _arrays(self, arrays: Arrays, names: Iterable[str]) -> dict[str, NDArray[Any]]:
        try:
            return {name: arrays[name] for name in names}
        except UnreadableError as error:
            raise BundleError(f"bundle '{self.name}' is damaged: {error}") from error
