"""Ready-made, verified attacks of a bundle; their images are looked up, never shipped."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import find_image
from ndcore.data.gallery_row import GalleryRow
from ndcore.errors import DataError

LOOK_AGAIN_S = 60


@st.cache_data(ttl=LOOK_AGAIN_S, max_entries=8, show_spinner="Looking for the images …")
def _here(checksum: str, _rows: list[GalleryRow]) -> list[bool]:
    """Whether each row's image is on this machine; looked up once per data set, as that is slow."""
    ready: dict[str, bool] = {}
    for row in _rows:
        kind = _data_set(row.id)
        if kind not in ready:
            try:
                find_image(row.id)
                ready[kind] = True
            except DataError:
                ready[kind] = False
    return [ready[_data_set(row.id)] for row in _rows]


def _data_set(image_id: str) -> str:
    """`samples`, `cifar10`, `digits`, or `/` for a path."""
    return image_id.partition(":")[0].partition("-")[0] if ":" in image_id else "/"


def rows_here(bundle: Bundle) -> list[GalleryRow]:
    """The gallery's rows whose images are on this machine."""
    here = _here(bundle.manifest["files"]["gallery.json"], bundle.gallery)
    return [row for row, ready in zip(bundle.gallery, here, strict=True) if ready]
