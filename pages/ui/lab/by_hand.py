"""Pixel by pixel: set a pixel by hand and read at once what the model and the detector say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.activations.reading import Reading
from ndcore.attacks import VulnerabilityMap, apply_changes
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.detectors import DivergenceDetector, Verdict
from ndcore.figures.lab.pixel_panel import opaque
from pages.ui.components.hand import MOST_SPOTS, Hand, Pick, read_changes, read_pick
from pages.ui.components.pixel_view import PixelScene, pixel_view
from pages.ui.elements.pictures import show_image
from pages.ui.frame.link import choice, just_linked, recall, refuse, remember, switch
from pages.ui.frame.words import with_article
from pages.ui.images.send_buttons import send_buttons
from pages.ui.lab.grid_map import map_scene
from pages.ui.lab.readout import (
    live_detector,
    show_alarm,
    show_layers,
    show_prediction,
    show_units,
    verdict_on,
)

CANVAS_WIDTH = 430
ORIENTATION = 110
READOUT_WIDTH = 470
HAND, SEVERAL = "hand", "several"  # names in the link
VIEWS = {"lowest": "Vulnerability", "flips": "Flips to", "picture": "Picture"}


@dataclass(frozen=True)
class Subject:
    """The image in hand.

    Attributes:
        name: for people.
        pair: the image, and what it begins with.
        label: true class.
        map: vulnerability map, if one was made.
    """

    name: str
    pair: Pair
    label: int
    map: VulnerabilityMap | None = None

    @cached_property
    def identity(self) -> str:
        """Short name of image and start, for keys."""
        seen = hashlib.sha256()
        for image in self.pair.images:
            seen.update(image.tobytes())
        return seen.hexdigest()[:16]

    @cached_property
    def start(self) -> Hand:
        """The hand to begin with."""
        return Hand.start(self.pair.changes, self.pair.benign.shape[2])


def drive(bundle: Bundle, subject: Subject, key: str) -> None:
    """The picture to click on and the readings; only this part of the page runs again.

    `key` begins the keys of the widgets, one per place on the page.
    """

    @st.fragment
    def live() -> None:
        hand = _hand(bundle, subject, key)
        row = st.container(horizontal=True, gap="medium", key=f"by_hand_{key}")
        left, right = row.container(width=CANVAS_WIDTH), row.container(width=READOUT_WIDTH)
        detector = live_detector(bundle)
        attacked = apply_changes(subject.pair.benign, hand.changes)
        before = _Kept(bundle, detector, subject.pair.benign, f"{key}_before")
        now = _Kept(bundle, detector, attacked, f"{key}_now")
        with left:
            top = float(before.reading.probabilities[0, subject.label])
            _picture(bundle, subject, hand, attacked, key, top)
            _controls(bundle, subject, hand, key)
        # Each reading is sent as soon as it is known; the divergence takes longest.
        with right:
            show_prediction(bundle, subject.label, hand, before.reading, now.reading)
        below = st.container(horizontal=True, gap="medium", key=f"by_hand_{key}_below")
        layers, units = below.container(width=CANVAS_WIDTH), below.container(width=READOUT_WIDTH)
        with units:
            show_units(bundle, before.reading, now.reading)
        was, verdict = before.verdict, now.verdict
        if detector is not None and verdict is not None and was is not None:
            with right:
                touched = bool(hand.spots)
                show_alarm(bundle, detector.name, verdict, was, touched=touched)
            with layers:
                show_layers(bundle, was, verdict)
        pair = replace(subject.pair, attacked=attacked if hand.spots else None)
        send_buttons(bundle, pair, key, "this change")

    live()


def _hand(bundle: Bundle, subject: Subject, key: str) -> Hand:
    """The hand on this image: as the link says, as it was left, or as it starts."""
    held = st.session_state.get(f"{key}_hand")
    if held is None or held[0] != subject.identity or just_linked(HAND) or just_linked(SEVERAL):
        hand = subject.start
        if just_linked(HAND):
            changes = read_changes(recall(HAND), bundle.shape)
            if changes is None:
                refuse("changed pixels", [recall(HAND)])
            else:
                hand = Hand.start(changes, bundle.shape[2])
        if just_linked(SEVERAL):
            hand = hand.keep_several(recall(SEVERAL) == "1")
    else:
        hand = held[1]
    _set(subject, key, hand)
    remember(HAND, "" if hand.token == subject.start.token else hand.token)
    return hand


def _set(subject: Subject, key: str, hand: Hand) -> None:
    st.session_state[f"{key}_hand"] = (subject.identity, hand)


def _picture(
    bundle: Bundle,
    subject: Subject,
    hand: Hand,
    attacked: NDArray[np.uint8],
    key: str,
    top: float,
) -> None:
    found = subject.map
    backdrop = "picture"
    if found is not None:
        backdrop = choice(
            st.segmented_control,
            "View of the map",
            list(VIEWS),
            key=f"{key}_backdrop",
            name="map_view",
            format_func=lambda name: VIEWS[name],
            label_visibility="collapsed",
        )
    if found is None or backdrop == "picture":
        scene = PixelScene(
            subject=subject.identity,
            colours=opaque(subject.pair.benign),
            label=f"{subject.name}, {with_article(bundle.classes[subject.label])}, enlarged",
            channels=bundle.shape[2],
        )
        legend = ""
    else:
        scene, legend = map_scene(bundle, found, backdrop, subject.name, subject.identity, top)

    def picked() -> None:
        pick = read_pick(st.session_state[f"{key}_canvas"]["picked"], bundle.shape)
        if pick is None:
            return
        if found is not None and backdrop != "picture" and pick.row is not None:
            worst = found.colours[found.worst[0][pick.row, pick.col]]
            pick = replace(pick, colour=tuple(int(value) for value in worst))
        _set(subject, key, _hand(bundle, subject, key).take(pick))

    pixel_view(scene, hand, key=f"{key}_canvas", on_pick=picked)
    if legend:
        row = st.container(horizontal=True, vertical_alignment="center")
        show_image(
            attacked, "The image now", width=ORIENTATION, place=row.container(width=ORIENTATION)
        )
        beside = row.container(width=CANVAS_WIDTH - ORIENTATION - 30)
        beside.html(legend)
        beside.caption("A click sets the pixel to its worst colour; a swatch changes it.")


def _controls(bundle: Bundle, subject: Subject, hand: Hand, key: str) -> None:
    bar = st.container(horizontal=True, gap="small", vertical_alignment="center")
    bar.button(
        "Undo",
        icon=":material/undo:",
        disabled=len(hand.steps) < 2,
        on_click=lambda: _set(subject, key, hand.undo()),
        key=f"{key}_undo",
    )
    bar.button(
        "Reset",
        icon=":material/restart_alt:",
        disabled=not hand.spots,
        on_click=lambda: _set(subject, key, hand.clear()),
        key=f"{key}_reset",
        help="Back to the untouched image.",
    )
    toggle = f"{key}_several"
    # Set before the toggle is made, so that another image moves it.
    st.session_state[toggle] = hand.several
    switch(
        bar.toggle,
        f"Up to {MOST_SPOTS} pixels",
        key=toggle,
        name=SEVERAL,
        default=subject.start.several,
        on_change=lambda: _set(subject, key, hand.keep_several(bool(st.session_state[toggle]))),
        help="Off: a new pixel replaces the last one.",
    )
    _typed(bundle, subject, hand, key)


def _typed(bundle: Bundle, subject: Subject, hand: Hand, key: str) -> None:
    """Row and column as numbers: what a click does, without sight or mouse."""
    height, width, _ = bundle.shape
    row, col = f"{key}_row", f"{key}_col"
    # Follow the picture when it changes; between changes the user is typing.
    told = (subject.identity, hand.spots)
    if st.session_state.get(f"{key}_told") != told:
        st.session_state[f"{key}_told"] = told
        if hand.spots:
            st.session_state[row], st.session_state[col] = hand.spots[-1].row, hand.spots[-1].col

    def typed() -> None:
        place = int(st.session_state[row]), int(st.session_state[col])
        _set(subject, key, hand.take(Pick(*place, hand.colour, hand.stamp + 1)))

    with st.form(f"{key}_typed", border=False):
        bar = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        bar.number_input("Row", 0, height - 1, key=row, width=115)
        bar.number_input("Column", 0, width - 1, key=col, width=115)
        bar.form_submit_button("Set this pixel", on_click=typed, key=f"{key}_set")


class _Kept:
    """What the model and the detector said to the last image in this place, asked once each."""

    def __init__(
        self,
        bundle: Bundle,
        detector: DivergenceDetector | None,
        pixels: NDArray[np.uint8],
        key: str,
    ) -> None:
        self._bundle, self._detector, self._pixels = bundle, detector, pixels
        stamp = (bundle.weight_hash, hashlib.sha256(pixels.tobytes()).hexdigest())
        held = st.session_state.get(key)
        if held is None or held["stamp"] != stamp:
            held = st.session_state[key] = {"stamp": stamp}
        self._held: dict[str, Any] = held

    @property
    def reading(self) -> Reading:
        """Of the one image."""
        if "reading" not in self._held:
            self._held["reading"] = self._bundle.read(self._pixels[None])
        found: Reading = self._held["reading"]
        return found

    @property
    def verdict(self) -> Verdict | None:
        """None without a detector."""
        name = f"verdict by {self._detector.name if self._detector else ''}"
        if name not in self._held:
            self._held[name] = verdict_on(self._detector, self.reading)
        found: Verdict | None = self._held[name]
        return found
