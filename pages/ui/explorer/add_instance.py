"""Add an instance to the tray: a gallery attack, a natural error, an image or an upload."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.data.sources import ImageSource
from ndcore.errors import NeuralDivergenceError
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.link import box, choice, tabs, text
from pages.ui.frame.words import sentence, with_article
from pages.ui.images.gallery import rows_here, where_images
from pages.ui.images.natural_errors import known_errors, sources_for
from pages.ui.images.one_image import one_image
from pages.ui.images.picker import source_name, upload
from pages.ui.images.tray import MOST, add, is_full

BOX = "add_instance"
WIDTH = 400
PREVIEW = 96
FILTER_WIDTH = 190
ANY = "any class"


def add_instance(bundle: Bundle, place: DeltaGenerator) -> None:
    """A button in `place` that opens the four ways to add an instance."""
    full = is_full(bundle)
    opened = box(
        place.popover,
        "Add an instance",
        icon=":material/add:",
        disabled=full,
        help=f"There is room for {MOST} instances; remove one first." if full else None,
        key=BOX,
    )
    if full or not opened.open:
        return
    ways = {
        "From the gallery": _from_gallery,
        "Natural error": _natural_error,
        "Image": _image,
        "Upload": _upload,
    }
    with opened.container(width=WIDTH):
        for tab, draw in zip(tabs(list(ways), key="add_way"), ways.values(), strict=True):
            if tab.open:
                with tab:
                    draw(bundle)


def _from_gallery(bundle: Bundle) -> None:
    rows = rows_here(bundle)
    if not rows:
        st.info(
            f"No image of this bundle's gallery is on this machine. {where_images(bundle)}"
            if bundle.gallery
            else "This bundle has no gallery; attack some images of your own in the Attack Lab."
        )
        return
    by_id = {row.id: row for row in rows}
    names = {"": "Type to search: cat → dog"} | {
        image_id: f"{row.predicted_before} → {row.predicted_after}, {image_id}"
        for image_id, row in by_id.items()
    }
    picked = choice(
        st.selectbox,
        f"Verified attacks ({len(rows):,})",
        list(names),
        format_func=names.__getitem__,
        key="add_attack",
    )
    if not picked:
        return
    try:
        pair = by_id[picked].look_up(loaders.find(bundle))
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return
    _offer(bundle, pair, pair.image_id, names[picked])


def _natural_error(bundle: Bundle) -> None:
    sources = sources_for(bundle)
    if not sources:
        st.info(f"No images of this bundle are on this machine; upload one. {where_images(bundle)}")
        return
    name = choice(
        st.selectbox,
        "Images from",
        list(sources),
        format_func=lambda name: _told(bundle, name, sources[name]),
        key="error_source",
    )
    source = sources[name]
    errors = known_errors(bundle, name)
    if errors is None:
        return
    if not errors:
        more = "Choose other images above." if len(sources) > 1 else where_images(bundle)
        st.info(f"The model makes no error on these {len(source):,} images. {more}")
        return
    bar = st.container(horizontal=True, gap="small")
    filters = ("True class", "error_true"), ("Taken for", "error_predicted")
    true, predicted = (
        choice(bar.selectbox, label, [ANY, *bundle.classes], key=key, width=FILTER_WIDTH)
        for label, key in filters
    )
    listed = {
        error.image_id: error
        for error in errors
        if true in (ANY, bundle.classes[error.true])
        and predicted in (ANY, bundle.classes[error.predicted])
    }
    if not listed:
        st.info(f"None of the {len(errors):,} errors found is of this kind.")
        return

    def words(image_id: str) -> str:
        error = listed[image_id]
        classes = f"{bundle.classes[error.true]} → {bundle.classes[error.predicted]}"
        return f"{classes}, {100 * error.confidence:.0f}% sure, {image_id}"

    picked = choice(
        st.selectbox,
        f"{len(listed):,} of {len(errors):,} errors, the surest first",
        list(listed),
        format_func=words,
        key="error",
    )
    pixels = source.pixels([source.index(picked)])[0]
    _offer(bundle, Pair(picked, pixels, None, listed[picked].true), picked, words(picked))


def _image(bundle: Bundle) -> None:
    sources = sources_for(bundle)
    if sources:
        name = choice(
            st.selectbox,
            "Images from",
            list(sources),
            format_func=lambda name: _told(bundle, name, sources[name]),
            key="add_source",
        )
        bar = st.container(horizontal=True, gap="small")
        image_id = sources[name].ids[one_image(bundle, name, bar, "add")]
    typed = text(st.text_input, "Or the id of an image", key="add_image")
    if not sources and not typed:
        st.info(f"No images of this bundle are on this machine; upload one. {where_images(bundle)}")
        return
    try:
        pixels, label = loaders.find(bundle)(typed or image_id)
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return
    image_id = typed or image_id
    if pixels.shape != bundle.shape:
        st.error(sentence(f"image '{image_id}' is {pixels.shape}, the model takes {bundle.shape}"))
        return
    true = label if 0 <= label < len(bundle.classes) else None
    told = image_id if true is None else f"{image_id}, {with_article(bundle.classes[true])}"
    _offer(bundle, Pair(image_id, pixels, None, true), image_id, told)


def _told(bundle: Bundle, name: str, source: ImageSource) -> str:
    return f"{source_name(bundle, name)}, {len(source):,} images"


def _upload(bundle: Bundle) -> None:
    choice = upload(bundle, f"add_upload_{bundle.name}")
    st.caption("An upload stays in this session; a link cannot hold it.")
    if choice is None:
        return
    _offer(bundle, Pair("", choice.pixels[0]), choice.names[0], choice.names[0])


def _offer(bundle: Bundle, pair: Pair, name: str, told: str) -> None:
    """The picture, and the button that adds it."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    image = pair.benign if pair.attacked is None else pair.attacked
    place = row.container(width=170)
    show_image(image, told, changes=pair.changes, width=PREVIEW, place=place)
    row.button(
        "Add it",
        icon=":material/add:",
        type="primary",
        on_click=_add,
        args=(bundle, pair, name),
        key="add_it",
    )


def _add(bundle: Bundle, pair: Pair, name: str) -> None:
    """Callback: into the tray, and say where."""
    try:
        st.toast(add(bundle, pair, name))
    except NeuralDivergenceError as error:
        st.toast(sentence(error))
    if is_full(bundle):
        st.session_state[BOX] = False
