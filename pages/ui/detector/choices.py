"""What one image and many are judged by: the detector, and the false alarms allowed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import folder_name, own_folder
from ndcore.detectors import Detector
from ndcore.errors import NeuralDivergenceError
from ndcore.study.calibrated import Detectors
from pages.ui.frame.link import LONGEST_TEXT, choice, just_linked, recall, remember
from pages.ui.frame.words import capital, command, sentence

PERCENT = (0.5, 1, 2, 5, 10, 20)


def study_command(bundle: Bundle) -> str:
    """What makes a bundle's study, in Markdown; a folder that is not here has to be named."""
    away = ("--data", "FOLDER") if folder_name(bundle) and not own_folder(bundle) else ()
    told = command("study", "detectors", "--bundle", bundle.name, *away)
    return f"{told} (FOLDER: where its images lie now)" if away else told


def choose_alpha(place: Any) -> float:
    """Share of benign images that may be flagged."""
    percent = choice(
        place.select_slider,
        "False alarms allowed among benign images",
        PERCENT,
        key="alpha",
        default=5,
        format_func=lambda share: f"{share:g}%",
    )
    return percent / 100


def choose_detector(here: Detectors, place: Any) -> Detector[Any] | None:
    """One that has a calibration; None, with a sentence, where the bundle has none."""
    if not here.entries:
        place.error("No detector has a calibration in this bundle; build it again.")
        return None
    asked = recall("detector")[:LONGEST_TEXT]
    if just_linked("detector") and asked not in here.entries:
        # A name of an earlier version is followed; why another one is none, its error tells.
        st.session_state.pop("detector", None)
        try:
            remember("detector", here.open(asked).name)
        except NeuralDivergenceError as error:
            st.warning(sentence(error))
            remember("detector", "")
    name = choice(
        place.selectbox,
        "Detector",
        list(here.entries),
        key="detector",
        default=here.usual,
        format_func=lambda name: capital(here.entries[name].title),
    )
    place.caption(f"{sentence(here.entries[name].about)} Its name in commands: `{name}`.")
    return here.open(name)
