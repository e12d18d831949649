"""Divergence Detector: is this image unusually far from the class it is taken for?"""

from __future__ import annotations

import json
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.detectors import DivergenceDetector, Verdict
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.repair import Repairs
from ndcore.errors import NeuralDivergenceError
from pages.ui.detector.cards import image_cards, show_verdict
from pages.ui.detector.case_file import case_file_buttons
from pages.ui.detector.choices import choose_alpha, choose_detector
from pages.ui.detector.clamp import clamp_panel
from pages.ui.detector.evidence import evidence
from pages.ui.detector.judging import others_table, verdicts_by
from pages.ui.detector.pixels.proof import show_proofs, show_proven
from pages.ui.detector.pixels.suspect import suspect_panel
from pages.ui.detector.pixels.two_pixels import two_pixels_panel
from pages.ui.detector.search import Subject, known_repairs
from pages.ui.detector.study.desk import desk_panel
from pages.ui.detector.study.panel import study_panel
from pages.ui.detector.triage import triage_panel
from pages.ui.elements.download import download
from pages.ui.frame import loaders
from pages.ui.frame.link import choice, remember, tabs
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import DETECTOR, LAB
from pages.ui.frame.pair import current_pair, keep_pair
from pages.ui.frame.story_banner import story_banner
from pages.ui.frame.words import noticed_sentence, plain, sentence, with_article
from pages.ui.images.example import offer_example
from pages.ui.images.one_image import one_image
from pages.ui.images.picker import ready_sources, source_name, tell_missing, upload


def subjects(bundle: Bundle, bar: DeltaGenerator) -> list[Subject]:
    """The images to judge: the current pair, one image of a source, or an upload."""
    pair = current_pair(bundle)
    options = [*(["pair"] if pair else []), "upload", *ready_sources(bundle)]
    alone = pair is not None and pair.attacked is None
    names = {
        "pair": "The current image" if alone else "The current pair",
        "upload": "Upload an image",
    }
    chosen = choice(
        bar.segmented_control,
        "Judge",
        options,
        key="judge",
        format_func=lambda option: names.get(option) or plain(source_name(bundle, option)),
    )
    tell_missing(bundle)
    if pair is None:
        st.info(
            "No pair is chosen. Make one in the Attack Lab, or judge an upload or a natural image."
        )
        st.page_link(LAB.path, label=f"Open the {LAB.name}", icon=LAB.icon)
    if chosen == "upload":
        brought = upload(bundle, "detector_upload")
        return [("upload", brought.pixels[0], [])] if brought else []
    if chosen != "pair" or pair is None:
        return natural(bundle, chosen, bar)
    # An upload that came alone is nobody's known benign image.
    first = "benign" if pair.image_id or pair.attacked is not None else "upload"
    found: list[Subject] = [(first, pair.benign, list(pair.changes))]
    if pair.attacked is not None:
        found.append(("attacked", pair.attacked, list(pair.changes)))
    return found


def natural(bundle: Bundle, name: str, bar: DeltaGenerator) -> list[Subject]:
    """One image of a source, picked by its class and number."""
    source = loaders.source(name, bundle)
    at = one_image(bundle, name, bar, "image")
    true = with_article(bundle.classes[int(source.labels[at])])
    st.caption(plain(f"{source.ids[at]}, {true}", 200))
    try:
        return [("benign", source.pixels([at])[0], [])]
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return []


def open_one(bundle: Bundle, detector: str, pair: Pair) -> None:
    """Callback: make this the current pair and open the tab that judges one."""
    keep_pair(bundle, pair)
    st.session_state["detector_tab"] = "One image"
    st.session_state.pop("judge", None)  # so that it falls back to the pair
    remember("judge", "")
    if detector in loaders.detectors(bundle).entries:
        st.session_state.pop("detector", None)
        remember("detector", detector)


def judge(bundle: Bundle) -> None:
    """Verdicts on the chosen images: pictures first, and the search for the pixel last."""
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    found = subjects(bundle, bar)
    more = bar.popover("More", icon=":material/tune:", key="judge_more")
    here = loaders.detectors(bundle)
    detector, alpha = choose_detector(here, more), choose_alpha(more)
    if not found or detector is None:
        return
    best = here.repairer()
    order = found[::-1]  # the suspicious image first
    answer = st.empty()
    cards, beside = image_cards(bundle, order)
    table, searched = beside.empty(), bool(known_repairs(bundle, found))
    others = partial(others_table, here, detector.name, order, alpha)
    table.table(others(searched=searched), border="horizontal", hide_index=True)
    pixels, layers, keep = st.container(), st.container(), st.container()
    by_layers: list[tuple[str, Verdict]] = []
    layered = here.layered(detector.name)
    if layered is not None:
        with layers:
            told = verdicts_by(bundle, layered, found, alpha)
            show_layers(bundle, layered, found, told, by_itself=detector.layered)
        by_layers = [] if detector.layered else [(layered.name, verdict) for verdict in told]
    if isinstance(detector, RepairDetector) and not searched:
        answer.markdown(
            "The verdict follows once every pixel was looked at; the search is below the images."
        )
    with pixels:
        verdicts = verdicts_by(bundle, detector, found, alpha)
    if not verdicts:
        return
    answer.empty()
    if len(verdicts) > 1:
        answer.markdown(noticed_sentence(detector.title, *verdicts))
    for (name, _, _), verdict, card in zip(order, verdicts[::-1], cards, strict=True):
        show_verdict(bundle, name, verdict, card)
    repairs: list[Repairs] = []
    with pixels:
        if bundle.unasked:
            st.info(bundle.unasked)
        else:
            repairs = suspect_panel(bundle, best, found, alpha, detector)
            show_proofs(bundle, order, cards)
            two_pixels_panel(bundle, order)
    if repairs and not searched:
        table.table(others(searched=True), border="horizontal", hide_index=True)
    with keep:
        keep_verdicts(bundle, detector.name, found, verdicts, best, repairs, by_layers)


def show_layers(
    bundle: Bundle,
    layered: DivergenceDetector,
    found: list[Subject],
    told: list[Verdict],
    *,
    by_itself: bool,
) -> None:
    """Layers, neurons and whether they carry the label; by another detector if not `by_itself`."""
    st.header("Layers and neurons")
    if not by_itself:
        st.caption(f"The detector above looks at none; this is by another: {layered.title}.")
    named = [(subject[0], verdict) for subject, verdict in zip(found, told, strict=True)]
    evidence(bundle, layered, named[::-1])
    clamp_panel(bundle, layered.name, found, told)


def keep_verdicts(
    bundle: Bundle,
    detector: str,
    found: list[Subject],
    verdicts: list[Verdict],
    best: RepairDetector,
    repairs: list[Repairs],
    by_layers: list[tuple[str, Verdict]],
) -> None:
    """The verdicts as files; see `case_file_buttons`."""
    st.header("Keep the verdicts")
    case_file_buttons(bundle, detector, found, verdicts, best, repairs, by_layers)

    def told() -> str:
        named = zip(found, verdicts, strict=True)
        document = {
            "bundle": bundle.name,
            "weight_hash": bundle.weight_hash,
            "detector": detector,
            "results": [{"file": s[0]} | v.to_dict(bundle.classes) for s, v in named],
        }
        return json.dumps(document, indent=1)

    download("Verdicts as JSON", told, "verdicts.json", key="verdicts_json")


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
    show_proven(bundle)
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
