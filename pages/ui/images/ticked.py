"""The images ticked in a source: kept while the user pages through it, and as a link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from pages.ui.frame.link import just_linked, recall, remember

MOST_IMAGES = 500
LONGEST_LINK = 4000
FAMILIES = ("/", "samples", "digits", "cifar10")
NUMBERS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def ids_to_link(ids: Sequence[str]) -> str:
    """`samples:0,3,7-9,train/cat/0001`, odd characters of paths as `%2C`; "" when it would be too
    long for a link."""
    parts: list[str] = []
    run: tuple[str, int, int] | None = None
    last_prefix = ""

    def close() -> None:
        nonlocal run, last_prefix
        if run is None:
            return
        prefix, first, last = run
        numbers = str(first) if first == last else f"{first}-{last}"
        parts.append(numbers if prefix == last_prefix else f"{prefix}:{numbers}")
        last_prefix, run = prefix, None

    for image_id in ids:
        prefix, _, number = image_id.partition(":")
        if not number.isdigit() or "/" in prefix:
            close()
            last_prefix = ""
            parts.append(quote(image_id, safe="/"))
        elif run is not None and run[0] == prefix and int(number) == run[2] + 1:
            run = (prefix, run[1], int(number))
        else:
            close()
            run = (prefix, int(number), int(number))
    close()
    text = ",".join(parts)
    return text if len(text) <= LONGEST_LINK else ""


def ids_from_link(text: str) -> list[str]:
    """The ids that `ids_to_link` wrote, at most `MOST_IMAGES`; what is not understood stays."""
    found: dict[str, None] = {}
    prefix = ""
    for item in text[: 2 * LONGEST_LINK].split(","):
        if ":" in item:
            prefix, _, item = item.partition(":")
        elif not NUMBERS.fullmatch(item):
            prefix = ""
        match = NUMBERS.fullmatch(item)
        if match is None or not prefix:
            if item:
                found[f"{prefix}:{item}" if prefix else unquote(item)] = None
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        for number in range(first, min(last, first + MOST_IMAGES) + 1):
            found[f"{prefix}:{number}"] = None
    return list(found)[:MOST_IMAGES]


class Selection:
    """Ticked images of one source in this session, in the order of ticking.

    Args:
        bundle: in use; another bundle has a selection of its own.
        source: the images.
    """

    def __init__(self, bundle: Bundle, source: ImageSource) -> None:
        self._key = f"chosen_{bundle.name}_{source.name}_{source.root}"
        self.missing: list[str] = []
        new = self._key not in st.session_state
        if new:
            self._take([], source)
        if new or just_linked("images"):
            asked = ids_from_link(recall("images"))
            family = _family(asked[0]) if asked else ""
            if family == _family(source.ids[0]) or family not in FAMILIES:
                self._take(asked, source)

    def _take(self, asked: Sequence[str], source: ImageSource) -> None:
        """What a link asks for, by id or by key."""
        places = source.places
        ids = [source.ids[places[name]] for name in asked if name in places]
        self.missing = [name for name in asked if name not in places]
        st.session_state[self._key] = dict.fromkeys(ids)
        st.session_state[f"{self._key}_first"] = frozenset(ids)

    @property
    def ids(self) -> list[str]:
        """Ids in the order of ticking."""
        return list(st.session_state[self._key])

    @property
    def first(self) -> frozenset[str]:
        """Ids that the link asked for."""
        found: frozenset[str] = st.session_state[f"{self._key}_first"]
        return found

    def __contains__(self, image_id: object) -> bool:
        return image_id in st.session_state[self._key]

    def follow(self, image_id: str, box: str) -> None:
        """Callback of the checkbox with key `box`: tick the image if it is ticked now.

        What the box says counts, not that it was called: Streamlit calls for every box that the
        server has forgotten, and some of them then say nothing.
        """
        told = st.session_state.get(box)
        if told:
            self.add([image_id])
        elif told is not None:
            st.session_state[self._key].pop(image_id, None)

    def add(self, ids: Iterable[str]) -> None:
        """Tick images, as many as fit."""
        held = st.session_state[self._key]
        for image_id in ids:
            if len(held) < MOST_IMAGES:
                held[image_id] = None

    def replace(self, ids: Iterable[str]) -> None:
        """Tick these and no others."""
        st.session_state[self._key] = {}
        self.add(ids)

    def into_link(self) -> None:
        """Keep the ids in the link, as far as they fit."""
        remember("images", ids_to_link(self.ids))


def _family(image_id: str) -> str:
    """`cifar10` of `cifar10-test:7`, `/` of a path, "" of what is no id."""
    prefix, colon, _ = image_id.partition(":")
    if "/" in prefix:
        return "/"
    return prefix.partition("-")[0] if colon else ""
