"""The instances of the Explorer: the current pair and up to seven further ones.

The current pair is instance 1 and lives where every page finds it (`page.current_pair`). A further
instance has a slot from 2 to 8 and keeps it until it is removed, so that its number and colour
stay. In the link they are `with=TOKEN;TOKEN` by slot, empty where a slot is free or holds what no
link can, and `off=KEY,KEY` for the images that are switched off.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import Find, find_image
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError, NeuralDivergenceError
from pages.ui.frame import loaders
from pages.ui.frame.link import just_linked, recall, remember
from pages.ui.frame.pair import current_pair, drop_pair, keep_pair
from pages.ui.frame.words import plain, sentence

MOST = 8
SLOTS = range(2, MOST + 1)
LONGEST_LINK = 2000
KEY = re.compile(rf"benign|attacked|[2-{MOST}]\.(?:benign|attacked|image)")
MOST_READINGS = 64
READINGS = "tray_readings"


@dataclass(frozen=True)
class Entry:
    """A pair or a single image (a pair that was not attacked), and its name for people."""

    pair: Pair
    name: str

    @property
    def identity(self) -> str:
        """See `identity_of`."""
        return identity_of(self.pair)


def further(bundle: Bundle) -> dict[int, Entry]:
    """Slot -> entry, those of the link when one was just followed; what is damaged in it is told.

    An entry that is the current pair as well is left out until another pair is current.
    """
    held = _followed(bundle)
    pair = current_pair(bundle)
    current = identity_of(pair) if pair else ""
    return {slot: held[slot] for slot in sorted(held) if held[slot].identity != current}


def add(bundle: Bundle, pair: Pair, name: str = "") -> str:
    """Put a pair or an image beside those that are there; nothing is replaced.

    Where no pair is current yet, an attacked one becomes it.

    Returns:
        One sentence: where it is now.

    Raises:
        BadRequestError: the tray is full.
    """
    held = _followed(bundle)
    entry = Entry(pair, name or pair.image_id or "upload")
    called = plain(entry.name)
    if entry.identity in {other.identity for other in held.values()}:
        return f"{called} is an instance of the Activation Explorer already."
    current = current_pair(bundle)
    if current is None and pair.attacked is not None:
        keep_pair(bundle, pair)
        return f"{called} is the current pair of the Activation Explorer."
    free = [slot for slot in SLOTS if slot not in held]
    if not free:
        raise BadRequestError(f"there is room for {MOST} instances; remove one first")
    held[free[0]] = entry
    _into_link(held)
    if current is not None and identity_of(current) == entry.identity:
        return f"{called} is the current pair; it stays an instance when another one becomes so."
    return f"{called} is instance {free[0]} in the Activation Explorer."


def is_full(bundle: Bundle) -> bool:
    """Whether nothing more can be added."""
    return len(_held(bundle)) >= len(SLOTS)


def remove(bundle: Bundle, slot: int) -> None:
    """Callback: take an instance out; slot 1 is the current pair."""
    held = _held(bundle)
    if slot == 1:
        pair = current_pair(bundle)
        gone = identity_of(pair) if pair else ""
        for other in [other for other, entry in held.items() if entry.identity == gone]:
            del held[other]
        drop_pair()
    else:
        held.pop(slot, None)
    _switch_on(slot)
    _into_link(held)


def make_current(bundle: Bundle, slot: int) -> None:
    """Callback: the instance of a slot and the current pair change places."""
    held = _held(bundle)
    entry = held.pop(slot, None)
    if entry is None:
        return
    before = current_pair(bundle)
    if before is not None:
        old = Entry(before, before.image_id or "upload")
        if old.identity not in {other.identity for other in held.values()}:
            held[slot] = old
    keep_pair(bundle, entry.pair)
    _switch_on(1)
    _switch_on(slot)
    _into_link(held)


def keys_of(slot: int, pair: Pair) -> list[str]:
    """Keys of an instance's images: `benign`, `attacked`; `2.benign`, `2.attacked`; `3.image`."""
    if slot == 1:
        return ["benign"] if pair.attacked is None else ["benign", "attacked"]
    parts = ["image"] if pair.attacked is None else ["benign", "attacked"]
    return [f"{slot}.{part}" for part in parts]


def switch(key: str) -> str:
    """Key of the widget that switches an image, its state as the link or the user left it."""
    widget = f"show_{key}"
    if just_linked("off"):
        st.session_state.pop(widget, None)
    st.session_state.setdefault(widget, key not in recall("off").split(","))
    return widget


def remember_switches(off: Collection[str]) -> None:
    """Keep in session and link which images are switched off; damaged keys of a link are told."""
    if just_linked("off"):
        asked = [key for key in recall("off")[:LONGEST_LINK].split(",") if key]
        damaged = [key for key in asked if not KEY.fullmatch(key)]
        if damaged:
            st.warning(f"The link switches off “{plain(damaged[0])}”, which is no instance.")
    remember("off", ",".join(off))


def show_only(bundle: Bundle, keys: Collection[str]) -> None:
    """Callback: switch these images on and all others off."""
    pair = current_pair(bundle)
    pairs = {slot: entry.pair for slot, entry in _held(bundle).items()}
    if pair is not None:
        pairs[1] = pair
    known = [key for slot, one in pairs.items() for key in keys_of(slot, one)]
    for key in known:
        st.session_state[f"show_{key}"] = key in keys
    remember("off", ",".join(key for key in known if key not in keys))


def read(bundle: Bundle, images: Sequence[NDArray[np.uint8]]) -> Reading:
    """What the model makes of one or more images (H, W, C), in their order.

    Those that this session has not read yet go through the model in one pass; the others are
    remembered.
    """
    kept: dict[tuple[str, str], Reading] = st.session_state.setdefault(READINGS, {})
    keys = [(bundle.weight_hash, _digest(image)) for image in images]
    new = {key: image for key, image in zip(keys, images, strict=True) if key not in kept}
    if new:
        found = bundle.read(np.stack(list(new.values())))
        for row, key in enumerate(new):
            kept[key] = Reading(
                found.logits[row : row + 1].copy(),
                {name: rows[row : row + 1].copy() for name, rows in found.activations.items()},
            )
    parts = [kept[key] for key in keys]
    for key in [key for key in kept if key not in keys][: max(0, len(kept) - MOST_READINGS)]:
        del kept[key]
    return Reading(
        np.concatenate([part.logits for part in parts]),
        {
            name: np.concatenate([part.activations[name] for part in parts])
            for name in parts[0].activations
        },
    )


def entries_from_link(
    text: str, shape: Sequence[int], find: Find = find_image
) -> tuple[dict[int, Entry], list[str]]:
    """The instances that a link names, looked up by `find`, and a sentence for each that cannot be
    shown."""
    problems = []
    tokens = text[:LONGEST_LINK].split(";")
    if len(text) > LONGEST_LINK or len(tokens) > len(SLOTS):
        problems.append(f"The link names more than {MOST} instances; some are left out")
    entries: dict[int, Entry] = {}
    for slot, token in zip(SLOTS, tokens, strict=False):
        if not token:
            continue
        try:
            pair = Pair.from_token(token, shape, find)
        except NeuralDivergenceError as error:
            problems.append(f"Instance {slot} of the link cannot be shown: {error}")
            continue
        entry = Entry(pair, pair.image_id)
        if entry.identity not in {other.identity for other in entries.values()}:
            entries[slot] = entry
    return entries, problems


def _held(bundle: Bundle) -> dict[int, Entry]:
    """This session's entries of bundles with these classes and this image shape.

    A bundle that knows its own images alone has entries of its own.
    """
    trays = st.session_state.setdefault("tray", {})
    own = bundle.weight_hash if bundle.unasked else ""
    found: dict[int, Entry] = trays.setdefault((bundle.shape, bundle.classes, own), {})
    return found


def _followed(bundle: Bundle) -> dict[int, Entry]:
    """As `_held`, after a link was taken over."""
    held = _held(bundle)
    if just_linked("with"):
        with st.spinner("Looking up the instances of the link …"):
            entries, problems = entries_from_link(
                recall("with"), bundle.shape, loaders.find(bundle)
            )
        for slot in [at for at, each in entries.items() if each.pair.attacked is not None]:
            if bundle.unasked:
                del entries[slot]
                problems.append(f"Instance {slot} of the link cannot be shown: {bundle.unasked}")
        held.clear()
        held.update(entries)
        if problems:
            st.warning(sentence(". ".join(problems)))
    _into_link(held)
    return held


def _into_link(held: dict[int, Entry]) -> None:
    tokens = [held[slot].pair.token() if slot in held else "" for slot in SLOTS]
    remember("with", ";".join(tokens).rstrip(";"))


def _switch_on(slot: int) -> None:
    """All images of a slot are shown, whatever takes it next."""
    parts = ("benign", "attacked", "image")
    keys = {part if slot == 1 else f"{slot}.{part}" for part in parts}
    for key in keys:
        st.session_state.pop(f"show_{key}", None)
    remember("off", ",".join(key for key in recall("off").split(",") if key not in keys))


def _digest(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def identity_of(pair: Pair) -> str:
    """Equal for equal pictures, whatever they are called."""
    return _digest(pair.benign) + ("" if pair.attacked is None else _digest(pair.attacked))
