"""The only caches of the pages: keyed by names and hashes, never by arrays."""

from __future__ import annotations

import atexit
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle, BundleInfo, list_bundles, load_bundle
from ndcore.bundles.images import FOLDER, finder, open_named, own_folder
from ndcore.bundles.manifest import GRAPH_FILE
from ndcore.data.catalog import Find, SourceStatus, open_source, source_status
from ndcore.data.decode import small_png
from ndcore.data.sources import ImageSource
from ndcore.detectors import Detector
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.explorer.activation_panels import ClassPanel, LayerPanel
from ndcore.jobs import JobManager
from ndcore.jobs.manager import HEAVY
from ndcore.jobs.shelf import Shelf
from ndcore.settings import settings
from ndcore.storage.places import bundles_dir, data_dir, jobs_dir, study_dir
from ndcore.study.calibrated import Detectors
from ndcore.study.saved import SavedStudy, find_study
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.posture import is_served


def bundle(name: str) -> Bundle:
    """A bundle, loaded once per server and again after it was rebuilt.

    Raises:
        BundleError: it cannot be opened.
    """
    manifest = bundles_dir() / name / "manifest.json"
    stamp = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else ""
    return _bundle(str(manifest), name, stamp)


@st.cache_resource(max_entries=3, show_spinner="Loading the bundle …")
@known_signature
def _bundle(_place: str, name: str, stamp: str) -> Bundle:
    return load_bundle(name)


def class_panel(of: Bundle, layer: str, reduction: str) -> ClassPanel:
    """What the Activation view needs of one layer, made once per server.

    Raises:
        BadRequestError: there is no such layer or reduction.
    """
    return _class_panel(of.name, of.weight_hash, layer, reduction, of)


@st.cache_resource(max_entries=64, show_spinner="Preparing the neurons …")
@known_signature
def _class_panel(
    name: str, weight_hash: str, layer: str, reduction: str, _of: Bundle
) -> ClassPanel:
    found = _of.distributions(layer, reduction)
    names = _of.classes if found.units == len(_of.classes) else ()
    return ClassPanel(layer, reduction, found, names)


def layer_panel(
    of: Bundle, layer: str, reduction: str, classes: Sequence[int], values: NDArray[np.float32]
) -> LayerPanel:
    """See `ClassPanel.show`; the same one is drawn again and again, and nobody changes it."""
    digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
    panel = class_panel(of, layer, reduction)
    return _layer_panel(
        of.name, of.weight_hash, layer, reduction, tuple(classes), digest, panel, values
    )


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _layer_panel(
    name: str,
    weight_hash: str,
    layer: str,
    reduction: str,
    classes: tuple[int, ...],
    digest: str,
    _panel: ClassPanel,
    _values: NDArray[np.float32],
) -> LayerPanel:
    return _panel.show(classes, _values)


def bundle_list() -> list[BundleInfo]:
    """See `list_bundles`; looked at again when a file of a bundle was written or is gone."""
    folder = bundles_dir()
    return _bundle_list(str(folder), stamps(folder, inside=True))


@st.cache_resource(max_entries=2, show_spinner=False)
@known_signature
def _bundle_list(place: str, stamps: str) -> list[BundleInfo]:
    return list_bundles()


def stamps(folder: Path, inside: bool = False) -> str:
    """Changes with the files of a folder, and with those of the folders in it.

    What is hidden does not count: a build that is under way writes there. Of what goes away while
    it is looked at nothing is said.
    """
    rows = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.startswith("."):
                    continue
                if entry.is_file():
                    rows.append((entry.name, entry.stat().st_mtime_ns, ""))
                elif inside:
                    rows.append((entry.name, 0, stamps(folder / entry.name)))
    return repr(sorted(rows))


def class_graphs(of: Bundle) -> ClassGraphs | None:
    """The concept graphs of a bundle, opened once per server; None where they were not made.

    Raises:
        BundleError: the file has become unreadable.
    """
    stamp = of.manifest["files"].get(GRAPH_FILE)
    return None if stamp is None else _class_graphs(of.weight_hash, stamp, of)


@st.cache_resource(max_entries=3, show_spinner="Opening the graphs …")
@known_signature
def _class_graphs(weight_hash: str, stamp: str, _of: Bundle) -> ClassGraphs:
    return ClassGraphs(_of)


def detectors(of: Bundle) -> Detectors:
    """What can judge the images of a bundle; opening one costs nothing once its study was read."""
    stamp = repr((of.name, of.weight_hash, of.manifest["files"], _study_stamps(of)))
    return _detectors(stamp, of)


@st.cache_resource(max_entries=3, show_spinner=False)
@known_signature
def _detectors(stamp: str, _of: Bundle) -> Detectors:
    return Detectors(_of, lambda: study(_of))


def seen(of: Bundle, by: Detector[Any], pixels: NDArray[np.uint8]) -> Any:
    """What a detector sees of one image uint8 (H, W, C), looked at once."""
    kind, digest = type(by), hashlib.sha256(pixels.tobytes()).hexdigest()
    return _seen(f"{kind.__module__}.{kind.__qualname__}", of.weight_hash, digest, by, pixels)


@st.cache_data(max_entries=256, show_spinner="Looking at the image …")
@known_signature
def _seen(
    kind: str, weight_hash: str, digest: str, _by: Detector[Any], _pixels: NDArray[np.uint8]
) -> Any:
    return _by.see(_pixels[None])


def study(of: Bundle) -> SavedStudy | None:
    """The finished study of a bundle's detectors, read once per server; None without.

    Raises:
        BundleError: there is one, but it is damaged or of other weights.
    """
    return _study(of.weight_hash, _study_stamps(of), of)


def _study_stamps(of: Bundle) -> str:
    return stamps(study_dir(of.name)) + stamps(of.folder / "study")


@st.cache_resource(max_entries=3, show_spinner="Opening the study …")
@known_signature
def _study(weight_hash: str, stamps: str, _of: Bundle) -> SavedStudy | None:
    return find_study(_of)


ENDS_S = 2.0  # a server that is told to end waits for its jobs
NEW_S = 20
LOOK_AGAIN_S = 600  # listing a large folder takes a second


def source(name: str, of: Bundle | None = None) -> ImageSource:
    """An image source, opened once per server; `FOLDER` is that of a bundle.

    Raises:
        BadRequestError: the folder holds other classes than when the bundle was built.
        DataError: it is not on this machine.
    """
    if name != FOLDER or of is None:
        return _source(name)
    return _own(_place(of), of)


@st.cache_resource(max_entries=4, show_spinner="Opening the images …")
@known_signature
def _source(name: str) -> ImageSource:
    return open_source(name)


@st.cache_resource(max_entries=4, ttl=LOOK_AGAIN_S, show_spinner="Opening the images …")
@known_signature
def _own(place: str, _of: Bundle) -> ImageSource:
    return open_named(_of, FOLDER)


def _place(of: Bundle) -> str:
    """The folder of a bundle, and how its images are taken in and labelled."""
    return repr((str(own_folder(of)), of.intake, of.shape, of.classes))


def find(of: Bundle) -> Find:
    """Looks images up by their ids: a bundle's own, and those that every machine may have."""
    try:
        own = source(FOLDER, of) if own_folder(of) else None
    except NeuralDivergenceError:
        own = None
    look_up, place = finder(own, alone=bool(of.unasked)), _place(of)

    def once(image_id: str) -> tuple[NDArray[np.uint8], int]:
        pixels, label = _looked_up(place, str(data_dir()), of.name, image_id, look_up)
        return pixels.copy(), label

    return once


@st.cache_resource(ttl=LOOK_AGAIN_S, max_entries=256, show_spinner=False)
@known_signature
def _looked_up(
    place: str, data: str, bundle: str, image_id: str, _find: Find
) -> tuple[NDArray[np.uint8], int]:
    return _find(image_id)


@st.cache_data(ttl=NEW_S, show_spinner=False)
def source_rows() -> list[SourceStatus]:
    """See `source_status`; what is new on the machine is seen after some seconds."""
    return source_status()


@st.cache_resource
def jobs() -> JobManager:
    """The server's background work: what takes seconds, what a page waits for, what is heavy."""
    of = settings()
    lanes = {"": max(1, of.interactive_jobs), "quick": 1, HEAVY: max(1, of.heavy_jobs)}
    shelf = Shelf(jobs_dir(), of.keep_days, of.keep_mb)
    made = JobManager(lanes, of.queue, bounds=of, shelf=shelf)
    if is_served():
        atexit.register(_end, made)
    return made


def _end(manager: JobManager) -> None:
    """The server ends: stop what runs and keep it. Whatever torch still does then is left, as
    threads that wake up while the interpreter is taken down abort the process."""
    if not manager.shutdown(ENDS_S):
        os._exit(0)


def thumbnails(
    of: Bundle, source_name: str, indices: Sequence[int], side: int = 96
) -> tuple[bytes, ...]:
    """PNGs of some images of a source, enlarged without blur or made smaller to about `side`
    pixels; looked up together, as a screen of them is drawn again and again."""
    origin = source(source_name, of)
    place = _place(of) if source_name == FOLDER else source_name
    return _thumbnails(place, tuple(origin.ids[at] for at in indices), side, origin)


@st.cache_resource(max_entries=128, show_spinner=False)
@known_signature
def _thumbnails(
    place: str, ids: tuple[str, ...], side: int, _source: ImageSource
) -> tuple[bytes, ...]:
    pixels = _source.pixels([_source.index(image_id) for image_id in ids])
    return tuple(small_png(each, side) for each in pixels)


def predictions(of: Bundle, source_name: str, indices: Sequence[int]) -> list[int]:
    """Predicted class of some images of a source."""
    origin = source(source_name, of)
    ids = tuple(origin.ids[index] for index in indices)
    place = _place(of) if source_name == FOLDER else source_name
    return _predictions(of.weight_hash, place, ids, of, origin)


@st.cache_data(max_entries=256, show_spinner=False)
@known_signature
def _predictions(
    weight_hash: str, place: str, ids: tuple[str, ...], _of: Bundle, _source: ImageSource
) -> list[int]:
    pixels = _source.pixels([_source.index(image_id) for image_id in ids])
    return [int(label) for label in _of.read(pixels).predicted]
