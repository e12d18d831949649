"""Before an attack: what was chosen here or on another page, and what the model says to it."""

from __future__ import annotations

import streamlit as st

from ndcore.attacks import AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.data.decode import small_png
from ndcore.data.pairs import Pair
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from pages.ui.frame import loaders
from pages.ui.frame.pair import current_pair, keep_pair
from pages.ui.frame.words import plain, with_article
from pages.ui.images.example import example
from pages.ui.images.picker import ready_sources
from pages.ui.images.send_buttons import send_buttons
from pages.ui.images.ticked import Selection
from pages.ui.images.tray import identity_of, read
from pages.ui.lab.result import pair_of, show_pictures

_OPENED = "lab_opened"  # the result that is open here, and which pair it made current
MOST_TILES = 48
TILE = 76  # CSS pixels


def show_chosen(bundle: Bundle, chosen: Choice) -> None:
    """One image with what the model believes, or many as tiles."""
    count = len(chosen.ids)
    if count == 1:
        label = int(chosen.labels[0])
        name = plain(with_article(bundle.classes[label]))
        st.header(f"{name[:1].upper()}{name[1:]}, not attacked yet")
        st.markdown(f"{plain(chosen.names[0])}. Press “Attack”, and a search changes its pixels.")
        before = read(bundle, [chosen.pixels[0]]).probabilities[0]
        pair = Pair(chosen.ids[0], chosen.pixels[0], None, label)
        show_pictures(bundle, pair, (before, None), "chosen_probabilities")
        return
    st.header(f"{counted(count, 'image')}, not attacked yet")
    told = f" The first {MOST_TILES} are drawn." if count > MOST_TILES else ""
    st.markdown(f"Press “Attack {count:,} images”, and each is searched.{told}")
    height, width = chosen.pixels.shape[1:3]
    tiles = [
        ImageTile(small_png(pixels, TILE), (height, width), (), (bundle.classes[int(label)], name))
        for pixels, label, name in zip(
            chosen.pixels[:MOST_TILES], chosen.labels, chosen.names, strict=False
        )
    ]
    st.html(image_tiles(tiles, width=TILE))


def show_first(bundle: Bundle) -> None:
    """Before the first attack: the current pair, else the example; else what to do."""
    if show_current(bundle):
        return
    found = example(bundle)
    if found is None:
        st.info("Choose one or more images, then start the attack.")
        return
    pair, row = found.pair, found.row
    probabilities = read(bundle, pair.images).probabilities
    if row is None:
        true = bundle.classes[0 if pair.label is None else pair.label]
        st.header(f"The example: {plain(with_article(true))}, not attacked yet")
        st.markdown("Click an image and press “Attack” to see whether one pixel fools the network.")
        show_pictures(bundle, pair, (probabilities[0], None), "example_probabilities")
        return
    true, after = (plain(with_article(name)) for name in (row.true, row.predicted_after))
    st.header(f"The example: {true} became {after}")
    took = counted(row.queries, "query", "queries")
    st.markdown(
        f"One pixel, found with {took}. Click an image and press “Attack” to see it happen."
    )
    send_buttons(bundle, pair)
    before, after = probabilities
    show_pictures(bundle, pair, (before, after), "example_probabilities")


def show_current(bundle: Bundle) -> bool:
    """The pair that was chosen on another page, and a way to attack its image; whether one was."""
    pair, found = current_pair(bundle), example(bundle)
    if pair is None or (found is not None and pair.token() == found.pair.token()):
        return False
    seen = read(bundle, pair.images)
    names = [plain(with_article(name)) for name in bundle.classes]
    true = "an image of unknown class" if pair.label is None else names[pair.label]
    if pair.attacked is None:
        st.header(f"{true[:1].upper()}{true[1:]}, not attacked yet")
    else:
        st.header(f"{true[:1].upper()}{true[1:]} became {names[int(seen.predicted[1])]}")
    places = _places(bundle, pair.image_id)
    attack = " Choose it and press “Attack” to let a search change its pixels." if places else ""
    st.markdown(f"The current image of all pages.{attack}")
    if places:
        st.button(
            "Choose it",
            icon=":material/check:",
            key="choose_current",
            on_click=_tick,
            args=(bundle, *places),
        )
    send_buttons(bundle, pair)
    before, *after = seen.probabilities
    shares = (before, after[0] if after else None)
    show_pictures(bundle, pair, shares, "current_probabilities")
    return True


def keep_result(bundle: Bundle, job: Job, result: AttackResult) -> bool:
    """Make the result that is open the current pair, unless another page made one current since.

    Returns:
        Whether the result is the current pair.
    """
    opened, pair = (job.id, result.id), current_pair(bundle)
    before, made = st.session_state.get(_OPENED, (None, ""))
    if before == opened and pair is not None and identity_of(pair) != made:
        return False
    mine = pair_of(result)
    st.session_state[_OPENED] = (opened, identity_of(mine))
    keep_pair(bundle, mine)
    return True


def open_again() -> None:
    """Callback: the result of the last attack is to be the current pair again."""
    st.session_state.pop(_OPENED, None)


def _places(bundle: Bundle, image_id: str) -> tuple[str, str] | None:
    """The source on this machine that holds an image, and its id there."""
    for name in ready_sources(bundle):
        source = loaders.source(name, bundle)
        if image_id in source.places:
            return name, source.ids[source.places[image_id]]
    return None


def _tick(bundle: Bundle, name: str, image_id: str) -> None:
    """Callback: choose an image and no other."""
    st.session_state["source"] = name
    Selection(bundle, loaders.source(name, bundle)).replace([image_id])
