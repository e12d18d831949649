"""Divergence Detector: is this image unusually far from the class it is taken for?"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.detectors import Detector, Verdict
from ndcore.detectors.by_repair import RepairDetector
from pages.ui.detector.case_file import case_file_buttons
from pages.ui.detector.choices import choose_alpha, choose_detector
from pages.ui.detector.clamp import clamp_panel
from pages.ui.detector.desk import desk_panel
from pages.ui.detector.evidence import evidence, guarantee, numbers
from pages.ui.detector.study import study_panel
from pages.ui.detector.suspect import Subject, repairs_of, suspect_panel
from pages.ui.detector.triage import triage_panel
from pages.ui.elements.download import download
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.link import box, choice, number, remember, tabs
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import DETECTOR, LAB
from pages.ui.frame.pair import current_pair, keep_pair
from pages.ui.frame.story_banner import story_banner
from pages.ui.frame.words import noticed_sentence, plain, verdict_sentence, with_article
from pages.ui.images.example import offer_example
from pages.ui.images.picker import NAMES, ready_sources, upload

WAYS = {
    "between classes": "lower than in nine of ten of its images, as between two classes: where one "
    "changed pixel leaves an image",
    "over-typical": "higher than in nine of ten of its images: where attacks end that go on beyond "
    "the boundary, like PGD",
    "typical": "as in most of its images",
}


def subjects(bundle: Bundle) -> list[Subject]:
    """The images to judge: the current pair, one image of a source, or an upload."""
    pair = current_pair(bundle)
    options = [*(["pair"] if pair else []), "upload", *ready_sources(bundle)]
    names = NAMES | {"pair": "The current pair", "upload": "Upload an image"}
    chosen = choice(
        st.segmented_control,
        "Judge",
        options,
        key="judge",
        format_func=lambda option: names.get(option, option),
    )
    if pair is None:
        st.info(
            "No pair is chosen. Make one in the Attack Lab, or judge an upload or a natural image."
        )
        st.page_link(LAB.path, label=f"Open the {LAB.name}", icon=LAB.icon)
    if chosen == "upload":
        brought = upload(bundle, "detector_upload")
        return [("upload", brought.pixels[0], [])] if brought else []
    if chosen != "pair" or pair is None:
        return [natural(bundle, chosen)]
    # An upload that came alone is nobody's known benign image.
    first = "benign" if pair.image_id or pair.attacked is not None else "upload"
    found: list[Subject] = [(first, pair.benign, list(pair.changes))]
    if pair.attacked is not None:
        found.append(("attacked", pair.attacked, list(pair.changes)))
    return found


def natural(bundle: Bundle, name: str) -> Subject:
    """One image of a source, picked by its number."""
    source = loaders.source(name)
    last, key = len(source) - 1, f"natural_{name}"
    at = number(
        st.number_input, "Image number", 0, last, 0, key=key, name="image_number", width=180
    )
    true = with_article(bundle.classes[int(source.labels[at])])
    st.caption(plain(f"{source.ids[at]}, {true}", 200))
    return ("benign", source.pixels([at])[0], [])


def verdicts_by(
    bundle: Bundle, detector: Detector[Any], found: list[Subject], alpha: float
) -> list[Verdict]:
    """One for each image, which is looked at once however often the page runs."""
    if isinstance(detector, RepairDetector):
        seen = repairs_of(bundle, found)
    else:
        seen = [loaders.seen(bundle, detector, pixels) for _, pixels, _ in found]
    return [detector.explain(one, alpha)[0] for one in seen]


def open_one(bundle: Bundle, detector: str, pair: Pair) -> None:
    """Callback: make this the current pair and open the tab that judges one."""
    keep_pair(bundle, pair)
    st.session_state["detector_tab"] = "One image"
    st.session_state.pop("judge", None)  # so that it falls back to the pair
    remember("judge", "")
    if detector in loaders.detectors(bundle).entries:
        st.session_state.pop("detector", None)
        remember("detector", detector)


def show_verdict(bundle: Bundle, subject: Subject, verdict: Verdict) -> None:
    """One image with its verdict."""
    name, pixels, changes = subject
    with st.container(border=True):
        picture, words = st.columns([1, 2])
        label = plain(bundle.classes[verdict.predicted])
        show_image(pixels, f"{name} image", changes=changes, width=200, place=picture)
        words.markdown(
            f"**{name.capitalize()} image**, taken for **{label}** "
            f"({100 * verdict.confidence:.1f}%)"
        )
        words.markdown(verdict_sentence(label, name, verdict))
        words.caption(numbers(verdict))
        if not verdict.layers:
            words.caption(guarantee(bundle, verdict))
        if verdict.regime is not None:
            words.caption(
                f"{verdict.regime.capitalize()}: the logit of {label} is {WAYS[verdict.regime]}."
            )


def others(bundle: Bundle, leading: str, found: list[Subject], alpha: float) -> None:
    """What every other detector says, asked when it is opened."""
    with box(st.expander, "What the other detectors say", key="others") as opened:
        if not opened.open:
            return
        here = loaders.detectors(bundle)
        rows = []
        for name in here.entries:
            if name != leading:
                told = verdicts_by(bundle, here.open(name), found, alpha)
                flags = ["flagged" if one.flagged else "not flagged" for one in told]
                names = (subject[0] for subject in found)
                rows.append({"detector": name} | dict(zip(names, flags, strict=False)))
        st.dataframe(rows, hide_index=True, key="others_table")


def judge(bundle: Bundle) -> None:
    """Verdicts on the chosen images, with their evidence."""
    found = subjects(bundle)
    left, right = st.columns(2, gap="large")
    detector, alpha = choose_detector(bundle, left), choose_alpha(right)
    if not found or detector is None:
        return
    verdicts = verdicts_by(bundle, detector, found, alpha)
    if not verdicts:
        return
    if len(verdicts) > 1:
        st.markdown(noticed_sentence(*verdicts))
    for column, subject, verdict in zip(
        st.columns(max(2, len(found))), found, verdicts, strict=False
    ):
        with column:
            show_verdict(bundle, subject, verdict)
    others(bundle, detector.name, found, alpha)
    repairs = suspect_panel(bundle, found, alpha, detector)
    name, told, by_layers = detector.name, verdicts, []
    layered = loaders.detectors(bundle).layered(detector.name)
    if layered is not None:
        if not detector.layered:
            st.subheader(f"Layers and neurons, by {layered.name}")
            st.caption(f"{detector.name} looks at no layers and no neurons of its own.")
            told = verdicts_by(bundle, layered, found, alpha)
            by_layers = [(layered.name, verdict) for verdict in told]
        evidence(bundle, layered, [(s[0], v) for s, v in zip(found, told, strict=True)], alpha)
        clamp_panel(bundle, layered.name, found, told)
    st.subheader("Keep the verdicts")
    case_file_buttons(bundle, name, found, verdicts, repairs, by_layers)
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "detector": name,
        "results": [
            {"file": s[0]} | v.to_dict(bundle.classes) for s, v in zip(found, verdicts, strict=True)
        ],
    }
    document_json = partial(json.dumps, document, indent=1)
    download("Verdicts as JSON", document_json, "verdicts.json", key="verdicts_json")


def main() -> None:
    """Lay out the page."""
    bundle = setup("Divergence Detector")
    if bundle is None:
        return
    st.title("Divergence Detector")
    story_banner(DETECTOR)
    st.caption(
        "Compares an image with benign images of the class it is taken for, by its pixels or its "
        "neurons. The threshold was fixed on them before any attack was seen."
    )
    offer_example(bundle)
    panels = {
        "One image": judge,
        "Many images": lambda of: triage_panel(of, partial(open_one, of)),
        "The study": study_panel,
        "Hypothesis desk": desk_panel,
    }
    bar = tabs(list(panels), key="detector_tab")
    for tab, panel in zip(bar, panels.values(), strict=True):
        if tab.open:
            with tab:
                panel(bundle)


main()
