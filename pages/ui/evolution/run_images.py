"""The images of a recording, which holds none: looked up where they lie on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.data.catalog import open_data, own_place
from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.data.folder.intake import Intake
from ndcore.data.sources import ImageSource, Pixels
from ndcore.errors import DataError
from ndcore.evolution import EvolutionRun
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature

Reader = Callable[[Sequence[str]], Pixels]


def reader_of(run: EvolutionRun) -> Reader:
    """What turns keys of images into pixels uint8 (n, H, W, C); it needs no Streamlit.

    Raises:
        DataError: the images are not on this machine, or nobody can tell where.
    """
    name, root = str(run.about["data"]), str(run.about.get("root", ""))
    if root:
        return _indexed(root, _own_images(root, own_place(root), run))
    if name in ("digits", "samples"):
        return _indexed(name, loaders.source(name))
    if run.classes != CIFAR10_CLASSES or tuple(run.about["shape"]) != (32, 32, 3):
        raise DataError(
            "the recording does not say where its images lie, so its patches cannot be drawn"
        )
    return _indexed("cifar10", loaders.source("cifar10"))


def _indexed(name: str, source: ImageSource) -> Reader:
    def read(keys: Sequence[str]) -> Pixels:
        missing = [key for key in keys if key not in source.places]
        if missing:
            place = PurePath(name).name
            raise DataError(f"image '{missing[0]}' of the recording is not in {place}")
        return source.pixels([source.places[key] for key in keys])

    return read


@st.cache_resource(max_entries=4, ttl=loaders.LOOK_AGAIN_S, show_spinner="Opening the images …")
@known_signature
def _own_images(root: str, place: Path | None, _run: EvolutionRun) -> ImageSource:
    if place is None:
        raise DataError(
            f"the folder '{PurePath(root).name}' that the recording was made from is not on this "
            "machine: bring it to where it was, or into the folder that ND_DATA names"
        )
    height, width, channels = _run.about["shape"]
    return open_data(place, (height, width, channels), Intake.of(_run.about.get("intake", {})))


def thumb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels in [0, 255] of any kind as uint8."""
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)
