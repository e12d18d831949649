"""Divergence Detector: is this image unusually far from the class it is taken for?"""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundle import Bundle
from ndcore.detectors import DETECTORS, Verdict
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.verdict import layer_profile, null_distribution, unit_evidence
from pages.ui import loaders
from pages.ui.case_file import case_file_buttons
from pages.ui.choosing import NAMES, ready_sources, upload
from pages.ui.clamp import clamp_panel
from pages.ui.page import current_pair, recall, remember, setup
from pages.ui.pictures import show_image
from pages.ui.study import study_panel
from pages.ui.suspect import suspect_panel
from pages.ui.words import with_article

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
    found: list[Subject] = [("benign", pair.benign, list(pair.changes))]
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


def sentence(bundle: Bundle, name: str, verdict: Verdict) -> str:
    """The verdict in words, without more confidence than the numbers carry."""
    label = bundle.classes[verdict.predicted]
    if not verdict.guaranteed:
        return (
            f":orange-badge[Undecided] {verdict.calibration_images} benign calibration images "
            f"taken for {label} are too few for a false-positive rate of {100 * verdict.alpha:g}%."
        )
    share = f"{100 * verdict.p_value:.1f}% of benign images taken for {label} score as high."
    if verdict.flagged:
        return f":red-badge[Flagged] Only {share}" + (" A false alarm." if name == "benign" else "")
    missed = " If this is an attack, it is missed." if name != "benign" else ""
    return f":gray-badge[Not flagged] {share}{missed}"


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
        words.markdown(sentence(bundle, name, verdict))
        threshold = f"{verdict.threshold:.2f}" if verdict.guaranteed else "none"
        words.caption(
            f"Score {verdict.score:.2f} · threshold {threshold} · p = {verdict.p_value:.4f}"
        )


def guarantee(bundle: Bundle, verdict: Verdict) -> str:
    """What the threshold promises, and how sharply."""
    if not verdict.guaranteed:
        needed = math.ceil(1 / verdict.alpha - 1e-9) - 1
        return (
            "No guarantee and no threshold, so nothing is ever flagged here: a false-positive rate "
            f"of {100 * verdict.alpha:g}% takes at least {needed:,} calibration images per class. "
            "Allow more false alarms, or build the bundle with more images."
        )
    low, high = verdict.fpr_band
    return (
        f"Guarantee: of benign images taken for {bundle.classes[verdict.predicted]}, on average at "
        f"most {100 * verdict.alpha:g}% are flagged. With {verdict.calibration_images} calibration "
        f"images the realised rate lies between {100 * low:.1f}% and {100 * high:.1f}% in 95 of "
        "100 calibrations. Nothing is guaranteed about attacks: a score may miss them."
    )


def evidence(bundle: Bundle, found: list[Subject], verdicts: list[Verdict], alpha: float) -> None:
    """Layer profile, null distribution and units of the images."""
    named = [(subject[0], verdict) for subject, verdict in zip(found, verdicts, strict=True)]
    profile = {name: [layer.p_value for layer in verdict.layers] for name, verdict in named}
    st.plotly_chart(layer_profile(bundle.layers, profile, alpha), key="profile")
    st.caption(
        "Per layer: the share of benign images of the same predicted class that score as high."
    )
    tabs = st.tabs([f"{name.capitalize()} image" for name, _ in named])
    detector = loaders.detector(bundle, str(st.session_state["detector"]))
    for tab, (name, verdict) in zip(tabs, named, strict=True):
        label = bundle.classes[verdict.predicted]
        with tab:
            charts = st.container(horizontal=True, gap="large")
            left, right = charts.container(width=450), charts.container(width=450)
            left.plotly_chart(
                null_distribution(
                    detector.calibration_scores(verdict.predicted),
                    {name: verdict.score},
                    verdict.threshold,
                    label=label,
                ),
                key=f"null_{name}",
            )
            top = verdict.units[:12]
            right.plotly_chart(
                unit_evidence(
                    [f"{unit.layer} · {unit.unit}" for unit in top],
                    [unit.contribution for unit in top],
                ),
                key=f"units_{name}",
            )
            st.caption(guarantee(bundle, verdict))
            units = pd.DataFrame([vars(unit) for unit in verdict.units])
            with st.expander("Numbers"):
                st.dataframe(units, hide_index=True)
                st.dataframe(
                    pd.DataFrame([vars(layer) for layer in verdict.layers]), hide_index=True
                )
            mark_units(bundle, verdict, name)


def mark_units(bundle: Bundle, verdict: Verdict, name: str) -> None:
    """Open the Explorer with these very neurons marked."""
    marks: dict[str, list[str]] = {}
    for unit in verdict.units[:12]:
        marks.setdefault(unit.layer, []).append(str(unit.unit))
    if st.button(
        "Mark these neurons in the Explorer", icon=":material/neurology:", key=f"mark_{name}"
    ):
        link = {
            "bundle": bundle.name,
            "layers": ",".join(layer for layer in bundle.layers if layer in marks),
            "marks": ";".join(f"{layer}:{','.join(units)}" for layer, units in marks.items()),
        }
        token = recall("pair")
        for stale in ("pills_layers", "explorer_view"):
            st.session_state.pop(stale, None)
        st.switch_page(
            "pages/2_Activation_Explorer.py",
            query_params=link | ({"pair": token} if token else {}),
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
    left.caption(f"{DETECTORS[name][:1].upper()}{DETECTORS[name][1:]}.")
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
    suspect_panel(bundle, found)
    evidence(bundle, found, verdicts, alpha)
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
    tabs = st.tabs(["One image", "The study"], key="detector_tab", on_change="rerun")
    for tab, panel in zip(tabs, (judge, study_panel), strict=True):
        if tab.open:
            with tab:
                panel(bundle)


main()
