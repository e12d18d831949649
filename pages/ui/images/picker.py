"""Choose images: thumbnails of a source to click on, or an upload."""

from __future__ import annotations

import os

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import FOLDER, folder_name, own_folder
from ndcore.data.apart.process import decode_apart
from ndcore.data.batch import Choice
from ndcore.data.decode import Decoded
from ndcore.data.sources import ImageSource
from ndcore.errors import BadImageError, NeuralDivergenceError
from ndcore.legible.plurals import counted
from pages.ui.elements.tiles import tile_key, tile_row
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, number, remember, several, switch
from pages.ui.frame.uploads import FILE_MB
from pages.ui.frame.words import plain, sentence
from pages.ui.images.gallery import where_images
from pages.ui.images.ticked import MOST_IMAGES, Selection
from pages.ui.images.tray import read

PER_SCREEN = 20
LOOK_AGAIN_S = 20
DRAWN_AT_ONCE = 100  # images whose prediction is asked at a time
TILES, TILE = "thumbnails", 68  # the row, and CSS pixels of each


def ready_sources(bundle: Bundle) -> list[str]:
    """Sources on this machine that fit a bundle in classes and shape, and the folder that it was
    built from; what is new on the machine is seen after some seconds."""
    return _ready(bundle.name, bundle.weight_hash, repr(bundle.intake), bundle)


@st.cache_data(ttl=LOOK_AGAIN_S, max_entries=8, show_spinner="Looking for images …")
@known_signature
def _ready(name: str, weight_hash: str, intake: str, _bundle: Bundle) -> list[str]:
    if _bundle.unasked:
        return [FOLDER]
    ready = [row.name for row in loaders.source_rows() if row.ready]
    opened = {name: loaders.source(name) for name in ready}
    fitting = {
        name: source
        for name, source in opened.items()
        if source.classes == _bundle.classes and source.shape == _bundle.shape
    }
    place = own_folder(_bundle)
    known = {os.path.realpath(source.root) for source in fitting.values() if source.root}
    if place is None or os.path.realpath(place) in known:
        return list(fitting)
    try:
        loaders.source(FOLDER, _bundle)
    except NeuralDivergenceError:  # `where_images` says so
        return list(fitting)
    return [FOLDER, *fitting]


def source_name(bundle: Bundle, name: str) -> str:
    """What a source is called; text from outside."""
    if name != FOLDER:
        return NAMES.get(name, name)
    return f"{'File' if bundle.unasked else 'Folder'} {folder_name(bundle)}"


def choose_from_source(bundle: Bundle, name: str) -> Choice | None:
    """Thumbnails to tick; ticks stay while the user pages. None without a tick."""
    source = loaders.source(name, bundle)
    selection = Selection(bundle, source)
    if selection.missing:
        first, *others = selection.missing
        more = f" and {len(others)} more" if others else ""
        where = plain(source_name(bundle, name))
        st.warning(f"The link names images that are not in {where}: {plain(first)}{more}.")
    head, tiles = st.container(horizontal=True, vertical_alignment="center"), st.container()
    bar = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall")
    wanted = several(
        bar.multiselect,
        "Classes",
        [bundle.classes[label] for label in np.unique(source.labels)],
        key="filter",
        on_change=_first_screen,
        placeholder="all classes",
    )
    labels = {bundle.classes.index(label) for label in wanted}
    members = [i for i, label in enumerate(source.labels) if not labels or int(label) in labels]
    # What a link asks for is on the first screen.
    members.sort(key=lambda i: source.ids[i] not in selection.first)
    screens = max(1, -(-len(members) // PER_SCREEN))
    screen = 1
    if screens > 1:
        screen = number(
            bar.number_input, f"Page of {screens:,}", 1, screens, 1, key="screen", width=130
        )
    many = bar.popover("Choose many", icon=":material/library_add_check:")
    correct_only = switch(
        many.toggle,
        "Correctly classified only",
        default=True,
        key="correct_only",
        help="An attack on a misclassified image proves nothing; such images are skipped.",
    )
    shown = members[(screen - 1) * PER_SCREEN : screen * PER_SCREEN]
    try:
        predicted = loaders.predictions(bundle, name, shown)
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return None
    rows = list(zip(shown, predicted, strict=True))
    if correct_only:
        rows = [(i, label) for i, label in rows if label == int(source.labels[i])]
    with tiles:
        _grid(bundle, name, source, rows, selection)
    with many:
        _many(bundle, name, source, [i for i, _ in rows], members, correct_only, selection)
    _count(head, selection)
    _tell_trained(bundle, source, selection)
    selection.into_link()
    ids = selection.ids
    if not ids:
        return None
    return Choice.of(source, [source.index(image_id) for image_id in ids], names=tuple(ids))


def _first_screen() -> None:
    """Callback: other images begin on their first page."""
    st.session_state["screen"] = 1
    remember("screen", "")


def _count(head: DeltaGenerator, selection: Selection) -> None:
    """How many images are chosen, and a way to choose none."""
    count = len(selection.ids)
    head.markdown(
        f"**{counted(count, 'image')} chosen**" if count else "Click the images to attack.",
        width="content",
    )
    if count:
        head.button(
            "Clear",
            type="tertiary",
            icon=":material/close:",
            on_click=selection.replace,
            args=([],),
            key="clear_chosen",
        )


def _tell_trained(bundle: Bundle, source: ImageSource, selection: Selection) -> None:
    """How many of the chosen images the network learnt from, where that is known."""
    if not bundle.manifest["training"] or not selection.ids:
        return
    learnt = {source.places.get(key) for key in bundle.splits["reference"]}
    count = sum(source.index(image_id) in learnt for image_id in selection.ids)
    if count:
        those = "it" if len(selection.ids) == 1 else f"{count:,} of them"
        st.caption(f":material/school: The network was trained on {those}.")


def _grid(
    bundle: Bundle,
    name: str,
    source: ImageSource,
    rows: list[tuple[int, int]],
    selection: Selection,
) -> None:
    if not rows:
        st.info("No image here fits the filter; choose other classes or another page.")
        return
    ids = [source.ids[i] for i, _ in rows]
    images = loaders.thumbnails(bundle, name, [i for i, _ in rows])
    grid = tile_row(TILES, dict(zip(ids, images, strict=True)))
    for image_id, (i, label) in zip(ids, rows, strict=True):
        true = bundle.classes[int(source.labels[i])]
        told = true if label == int(source.labels[i]) else f"{true} → {bundle.classes[label]}"
        key = tile_key(TILES, image_id)
        st.session_state[key] = image_id in selection
        grid.checkbox(
            f"{plain(told)} {plain(_number(image_id))}",
            key=key,
            width=TILE,
            on_change=selection.follow,
            args=(image_id, key),
        )


def _number(image_id: str) -> str:
    """What tells images of one class apart: `7` of `samples:7`, `0001` of `train/cat/0001`."""
    return image_id.rpartition(":")[2].rpartition("/")[2]


def _many(
    bundle: Bundle,
    name: str,
    source: ImageSource,
    shown: list[int],
    members: list[int],
    correct_only: bool,
    selection: Selection,
) -> None:
    """Ways to choose many images at once."""
    st.button(
        "Choose all shown",
        disabled=not shown,
        on_click=selection.add,
        args=([source.ids[i] for i in shown],),
        key="choose_shown",
    )
    most = min(MOST_IMAGES, len(members))
    wanted = number(st.number_input, "Images at random", 1, most, min(50, most), key="random_n")
    seed = number(st.number_input, "Seed of the choice", 0, 2**31 - 1, 0, key="random_seed")
    # The model is asked outside the callback, where a spinner can show.
    if st.button("Choose at random", icon=":material/casino:", key="choose_random"):
        with st.spinner("Choosing …"):
            drawn = _draw(bundle, name, source, members, wanted, seed, correct_only)
        selection.replace(source.ids[i] for i in drawn)
        st.rerun()
    st.caption(f"From the classes chosen, at most {MOST_IMAGES}; replaces what is chosen.")


def _draw(
    bundle: Bundle,
    name: str,
    source: ImageSource,
    members: list[int],
    count: int,
    seed: int,
    correct_only: bool,
) -> list[int]:
    """Positions drawn without replacement; the same seed and filter draw the same images."""
    order = np.random.default_rng(seed).permutation(sorted(members))
    found: list[int] = []
    for start in range(0, len(order), DRAWN_AT_ONCE):
        part = [int(i) for i in order[start : start + DRAWN_AT_ONCE]]
        if correct_only:
            predicted = loaders.predictions(bundle, name, part)
            part = [
                i for i, label in zip(part, predicted, strict=True) if label == source.labels[i]
            ]
        found += part
        if len(found) >= count:
            break
    return found[:count]


def upload(bundle: Bundle, key: str) -> Choice | None:
    """A file from the browser, brought to the model's shape; None while there is none.

    Its label is unknown, so the predicted class stands in for it.
    """
    if bundle.unasked:
        st.info(bundle.unasked)
        return None
    file = st.file_uploader(
        f"PNG, JPEG, WebP or BMP, up to {FILE_MB} MB",
        type=["png", "jpg", "jpeg", "webp", "bmp"],
        key=key,
        max_upload_size=FILE_MB,
    )
    if file is None:
        return None
    decoded = _decoded(file.file_id, bundle.shape, file.name, bundle.intake.crop, file)
    if isinstance(decoded, str):
        st.error(sentence(f"file {decoded}"))
        return None
    for note in decoded.notes:
        st.caption(f":material/info: {note}")
    label = int(read(bundle, [decoded.pixels]).predicted[0])
    st.caption(
        f"The model sees: {plain(bundle.classes[label])}. The true class of an upload is unknown, "
        "so this stands in for it."
    )
    return Choice(("",), np.array([label]), decoded.pixels[None], (file.name,))


@st.cache_data(max_entries=16, show_spinner="Reading the image …", scope="session")
@known_signature
def _decoded(
    file_id: str,
    shape: tuple[int, int, int],
    name: str,
    crop: float | None,
    _file: UploadedFile,
) -> Decoded | str:
    """The image, read once for every upload, or why it cannot be."""
    try:
        return decode_apart(_file.getvalue(), shape, name, crop)
    except BadImageError as error:
        return str(error)


def tell_missing(bundle: Bundle) -> None:
    """A line where the folder that a bundle was built from cannot be chosen from."""
    if folder_name(bundle) and own_folder(bundle) is None:
        st.caption(f":material/folder_off: {where_images(bundle)}")


def source_picker(bundle: Bundle, extra: list[str], place: DeltaGenerator) -> str:
    """Which source to choose from; `extra` are further entries such as an upload."""
    return choice(
        place.segmented_control,
        "Images from",
        [*ready_sources(bundle), *extra],
        key="source",
        on_change=_first_screen,
        format_func=lambda name: plain(source_name(bundle, name)),
        label_visibility="collapsed",
    )


NAMES = {
    "samples": "Sample images",
    "cifar10": "CIFAR-10",
    "digits": "Digits",
    "gallery": "Gallery",
    "upload": "Upload",
}
