"""The images of a recording, which holds none: looked up where they lie on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.data.sources import Pixels
from ndcore.errors import DataError
from ndcore.evolution import EvolutionRun
from pages.ui.frame import loaders

Reader = Callable[[Sequence[str]], Pixels]


def reader_of(run: EvolutionRun) -> Reader:
    """What turns keys of images into pixels uint8 (n, H, W, C); it needs no Streamlit.

    Raises:
        DataError: the images are not on this machine, or nobody can tell where.
    """
    name = str(run.about["data"])
    if name in ("digits", "samples"):
        return _indexed(name)
    if run.classes != CIFAR10_CLASSES or tuple(run.about["shape"]) != (32, 32, 3):
        raise DataError(
            "the recording does not say where its images lie, so its patches cannot be drawn"
        )
    return _indexed("cifar10")


def _indexed(name: str) -> Reader:
    source, where = loaders.source(name), _where(name)

    def read(keys: Sequence[str]) -> Pixels:
        missing = [key for key in keys if key not in where]
        if missing:
            raise DataError(f"image '{missing[0]}' of the recording is not in {name}")
        return source.pixels([where[key] for key in keys])

    return read


@st.cache_resource(max_entries=4, show_spinner="Looking up the images …")
def _where(name: str) -> dict[str, int]:
    return {key: index for index, key in enumerate(loaders.source(name).keys())}


def thumb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels in [0, 255] of any kind as uint8."""
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)
