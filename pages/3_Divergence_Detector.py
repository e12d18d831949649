"""Divergence Detector: is this image unusually far from the class it is taken for?"""

from __future__ import annotations

import json

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.detectors import DETECTORS, Verdict
from ndcore.errors import NeuralDivergenceError
from pages.ui.detector.case_file import case_file_buttons
from pages.ui.detector.clamp import clamp_panel
from pages.ui.detector.desk import desk_panel
from pages.ui.detector.evidence import evidence
from pages.ui.detector.study import study_panel
from pages.ui.detector.suspect import suspect_panel
from pages.ui.detector.triage import triage_panel
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.link import recall, remember
from pages.ui.frame.page import setup
from pages.ui.frame.pair import current_pair
from pages.ui.frame.words import sentence, verdict_sentence, with_article
from pages.ui.images.picker import NAMES, ready_sources, upload

WAYS = {
    "between classes": "lower than in nine of ten of its images, as between two classes: where one "
    "changed pixel leaves an image",
    "over-typical": "higher than in nine of ten of its images: where attacks end that go on beyond "
    "the boundary, like PGD",
    "typical": "as in most of its images",
}
Subject = tuple[str, NDArray[np.uint8], list]


def subjects(bundle: Bundle) -> list[Subject]:
    """The images to judge: the current pair, one image of a source, or an upload."""
    pair = current_pair(bundle)
    options = [*(["pair"] if pair else []), "upload", *ready_sources(bundle)]
    names = NAMES | {"pair": "The current pair", "upload": "Upload an image"}
    chosen = st.segmented_control(
        "Judge",
        options,
        default=options[0],
        required=True,
        key="judge",
        format_func=lambda option: names.get(option, option),
    )
    if pair is None:
        st.info(
            "No pair is chosen. Make one in the Attack Lab, or judge an upload or a natural image."
        )
        st.page_link("pages/1_Attack_Lab.py", label="Open the Attack Lab", icon=":material/bolt:")
    if chosen == "upload":
        choice = upload(bundle, "detector_upload")
        return [("upload", choice.pixels[0], [])] if choice else []
    if chosen != "pair" or pair is None:
        return [natural(bundle, str(chosen))]
    # An upload that came alone is nobody's known benign image.
    first = "benign" if pair.image_id or pair.attacked is not None else "upload"
    found: list[Subject] = [(first, pair.benign, list(pair.changes))]
    if pair.attacked is not None:
        found.append(("attacked", pair.attacked, list(pair.changes)))
    return found


def natural(bundle: Bundle, name: str) -> Subject:
    """One image of a source, picked by its number."""
    source = loaders.source(name)
    number = st.number_input("Image number", 0, len(source) - 1, key=f"natural_{name}", width=180)
    true = with_article(bundle.classes[int(source.labels[int(number)])])
    st.caption(f"{source.ids[int(number)]}, {true}")
    return ("benign", source.pixels([int(number)])[0], [])


def show_verdict(bundle: Bundle, subject: Subject, verdict: Verdict) -> None:
    """One image with its verdict."""
    name, pixels, changes = subject
    with st.container(border=True):
        picture, words = st.columns([1, 2])
        label = bundle.classes[verdict.predicted]
        show_image(pixels, f"{name} image", changes=changes, width=200, place=picture)
        words.markdown(
            f"**{name.capitalize()} image**, taken for **{label}** "
            f"({100 * verdict.confidence:.1f}%)"
        )
        words.markdown(verdict_sentence(label, name, verdict))
        threshold = f"{verdict.threshold:.2f}" if verdict.guaranteed else "none"
        words.caption(
            f"Score {verdict.score:.2f} · threshold {threshold} · p = {verdict.p_value:.4f}"
        )
        if verdict.regime is not None:
            words.caption(
                f"{verdict.regime.capitalize()}: the logit of {label} is {WAYS[verdict.regime]}."
            )


def judge(bundle: Bundle) -> None:
    """Verdicts on the chosen images, with their evidence."""
    found = subjects(bundle)
    left, right = st.columns(2, gap="large")
    kept = recall("detector", "wasserstein")
    name = left.selectbox(
        "Score",
        list(DETECTORS),
        index=list(DETECTORS).index(kept) if kept in DETECTORS else 0,
        format_func=lambda n: n.capitalize(),
        key="detector",
    )
    left.caption(sentence(DETECTORS[name]))
    remember("detector", "" if name == "wasserstein" else name)
    percent = right.select_slider(
        "False alarms allowed among benign images",
        [0.5, 1.0, 2.0, 5.0, 10.0, 20.0],
        value=5.0,
        format_func=lambda p: f"{p:g}%",
        key="alpha",
    )
    if not found:
        return
    alpha = percent / 100
    try:
        verdicts = loaders.detector(bundle, name).detect(np.stack([s[1] for s in found]), alpha)
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return
    for column, subject, verdict in zip(
        st.columns(max(2, len(found))), found, verdicts, strict=False
    ):
        with column:
            show_verdict(bundle, subject, verdict)
    suspect_panel(bundle, found, alpha)
    evidence(bundle, [(s[0], v) for s, v in zip(found, verdicts, strict=True)], alpha)
    clamp_panel(bundle, name, found, verdicts)
    st.subheader("Keep the verdicts")
    case_file_buttons(bundle, name, found, verdicts)
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "detector": name,
        "results": [
            {"file": s[0]} | v.to_dict(bundle.classes) for s, v in zip(found, verdicts, strict=True)
        ],
    }
    st.download_button(
        "Verdicts as JSON",
        json.dumps(document, indent=1),
        "verdicts.json",
        icon=":material/download:",
        on_click="ignore",
    )


def main() -> None:
    """Lay out the page."""
    bundle = setup("Divergence Detector")
    if bundle is None:
        return
    st.title("Divergence Detector")
    st.caption(
        "Compares an image's neurons with their distributions over the class it is taken for. The "
        "threshold was fixed on benign images before any attack was seen."
    )
    panels = {
        "One image": judge,
        "Many images": triage_panel,
        "The study": study_panel,
        "Hypothesis desk": desk_panel,
    }
    tabs = st.tabs(list(panels), key="detector_tab", on_change="rerun")
    for tab, panel in zip(tabs, panels.values(), strict=True):
        if tab.open:
            with tab:
                panel(bundle)


main()
