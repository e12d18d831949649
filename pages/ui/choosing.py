"""Choose images: a thumbnail grid of a source, or an upload."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundle import Bundle
from ndcore.data import source_status
from ndcore.errors import NeuralDivergenceError
from ndcore.images import decode
from pages.ui import loaders
from pages.ui.page import recall, remember

__all__ = ["Choice", "choose_from_source", "ready_sources", "upload"]

PER_SCREEN = 20
TILE = 92  # CSS pixels; tiles wrap on narrow screens


@dataclass(frozen=True)
class Choice:
    """Images to work on: ids ("" = upload), uint8 (N, H, W, C), labels, and names to show."""

    ids: list[str]
    pixels: NDArray[np.uint8]
    labels: list[int]
    names: list[str]


def ready_sources(bundle: Bundle) -> list[str]:
    """Sources on this machine whose classes and image shape are the bundle's."""
    ready = [row.name for row in source_status() if row.ready]
    opened = {name: loaders.source(name) for name in ready}
    return [
        name
        for name, source in opened.items()
        if source.classes == bundle.classes and source.shape == bundle.shape
    ]


def choose_from_source(bundle: Bundle, name: str, preselected: list[str]) -> Choice | None:
    """A grid of thumbnails to tick; None while nothing is ticked."""
    source = loaders.source(name)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    wanted = bar.multiselect(
        "Classes",
        bundle.classes,
        key=f"classes_{bundle.name}",
        placeholder="all classes",
        width=340,
    )
    correct_only = bar.toggle("Correctly classified only", value=True, key="correct_only")
    labels = {bundle.classes.index(label) for label in wanted}
    members = [i for i, label in enumerate(source.labels) if not labels or int(label) in labels]
    # What a link asks for is on the first screen.
    members.sort(key=lambda i: source.ids[i] not in preselected)
    screens = max(1, -(-len(members) // PER_SCREEN))
    screen = 0
    if screens > 1:
        label = f"Page of {screens:,}"
        screen = int(bar.number_input(label, 1, screens, key=f"screen_{name}", width=150)) - 1
    shown = members[screen * PER_SCREEN : (screen + 1) * PER_SCREEN]
    predicted = loaders.predictions(bundle, name, tuple(shown))
    rows = list(zip(shown, predicted, strict=True))
    if correct_only:
        rows = [(i, label) for i, label in rows if label == int(source.labels[i])]
    if not rows:
        st.info("No image here fits the filter; choose other classes or another page.")
        return None
    ticked = []
    grid = st.container(horizontal=True, key="thumbnails")
    for i, label in rows:
        image_id = source.ids[i]
        true = bundle.classes[int(source.labels[i])]
        tile = grid.container(width=TILE, gap="xsmall")
        tile.image(loaders.thumbnail(name, i), width="stretch", alt=f"{image_id}, a {true}")
        told = true if label == int(source.labels[i]) else f"{true} → {bundle.classes[label]}"
        value = image_id in preselected
        if tile.checkbox(told, value=value, key=f"pick_{bundle.name}_{image_id}"):
            ticked.append(i)
    if not ticked:
        return None
    return Choice(
        ids=[source.ids[i] for i in ticked],
        pixels=source.pixels(ticked),
        labels=[int(source.labels[i]) for i in ticked],
        names=[source.ids[i] for i in ticked],
    )


def upload(bundle: Bundle, key: str) -> Choice | None:
    """A file from the browser, brought to the model's shape; None while there is none.

    Its label is unknown, so the predicted class stands in for it.
    """
    file = st.file_uploader(
        "PNG, JPEG, WebP or BMP, up to 10 MB",
        type=["png", "jpg", "jpeg", "webp", "bmp"],
        key=key,
        max_upload_size=10,
    )
    if file is None:
        return None
    try:
        decoded = decode(file.getvalue(), bundle.shape, name=file.name)
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return None
    for note in decoded.notes:
        st.caption(f":material/info: {note}")
    pixels = np.stack([decoded.pixels])
    label = int(bundle.read(pixels).predicted[0])
    st.caption(
        f"The model sees: {bundle.classes[label]}. The true class of an upload is unknown, so "
        "this stands in for it."
    )
    return Choice([""], pixels, [label], [file.name])


def source_picker(bundle: Bundle, extra: list[str]) -> str:
    """Which source to choose from; `extra` are further entries such as an upload."""
    options = [*ready_sources(bundle), *extra]
    kept = recall("source", options[0])
    default = kept if kept in options else options[0]
    chosen = st.segmented_control(
        "Images from",
        options,
        default=default,
        required=True,
        key="source",
        format_func=lambda name: NAMES.get(name, name),
    )
    remember("source", str(chosen))
    return str(chosen)


NAMES = {
    "samples": "Sample images",
    "cifar10": "CIFAR-10",
    "digits": "Digits",
    "gallery": "Gallery of attacks",
    "upload": "Upload",
}
