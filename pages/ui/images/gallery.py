"""Ready-made, verified attacks of a bundle; their images are looked up, never shipped."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import FOLDER, folder_name, own_folder
from ndcore.data.cifar10 import CIFAR10_CLASSES, CIFAR10_HOW
from ndcore.data.gallery_row import GalleryRow
from ndcore.errors import NeuralDivergenceError
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.words import plain, sentence

LOOK_AGAIN_S = 60


@st.cache_resource(ttl=LOOK_AGAIN_S, max_entries=8, show_spinner="Looking for the images …")
@known_signature
def _here(checksum: str, place: str, _bundle: Bundle) -> tuple[GalleryRow, ...]:
    """The rows whose image is on this machine; looked up once per data set, as that is slow."""
    ready: dict[str, bool] = {}
    find = loaders.find(_bundle)
    kinds = [_data_set(row.id, bool(place)) for row in _bundle.gallery]
    for row, kind in zip(_bundle.gallery, kinds, strict=True):
        if kind not in ready:
            try:
                find(row.id)
                ready[kind] = True
            except NeuralDivergenceError:
                ready[kind] = False
    pairs = zip(_bundle.gallery, kinds, strict=True)
    return tuple(row for row, kind in pairs if ready[kind])


def _data_set(image_id: str, own: bool) -> str:
    """`samples`, `cifar10`, `digits`, or `/` for a path; a file of an own folder by itself."""
    if "/" in image_id:
        return image_id if own else "/"
    return image_id.partition(":")[0].partition("-")[0]


def rows_here(bundle: Bundle) -> list[GalleryRow]:
    """The gallery's rows whose images are on this machine."""
    place = str(own_folder(bundle) or "")
    return list(_here(bundle.manifest["files"]["gallery.json"], place, bundle))


def where_images(bundle: Bundle) -> str:
    """How the images of a bundle come to this machine: a sentence; "" where nobody can tell."""
    name = folder_name(bundle)
    if name and own_folder(bundle) is None:
        return (
            f"This bundle was built from a folder {plain(name)} that is not on this machine: bring "
            "it to where it was, or into the folder that `ND_DATA` names."
        )
    if name:
        try:
            loaders.source(FOLDER, bundle)
        except NeuralDivergenceError as error:
            return sentence(f"the folder that this bundle was built from cannot be used: {error}")
        return "Some images of the folder that this bundle was built from are gone."
    if bundle.classes == CIFAR10_CLASSES:
        return f"Get the images with `{CIFAR10_HOW}`."
    return ""
