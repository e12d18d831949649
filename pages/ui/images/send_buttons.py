"""Send a pair to the other pages, or lay it beside the other instances of the Explorer."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from pages.ui.frame.page_list import DETECTOR, EXPLORER
from pages.ui.frame.pair import keep_pair
from pages.ui.frame.words import sentence
from pages.ui.images.tray import add


def send_buttons(bundle: Bundle, pair: Pair, key: str = "", what: str = "it") -> None:
    """Three buttons: the Explorer and the Detector with this pair, and the Explorer's instances.

    Args:
        bundle, pair: to send.
        key: prefix of the keys where the page has such buttons more than once.
        what: the pair in a word or two, for the labels.
    """
    prefix = f"{key}_" if key else ""
    row = st.container(horizontal=True)
    explorer = row.button(
        "See the neurons" if what == "it" else f"See the neurons of {what}",
        icon=":material/neurology:",
        type="secondary" if key else "primary",
        key=f"{prefix}to_explorer",
    )
    detector = row.button(
        f"Could {what} be noticed?",
        icon=":material/troubleshoot:",
        key=f"{prefix}to_detector",
    )
    tray = row.button(
        "Add to the Activation Explorer",
        icon=":material/library_add:",
        help="Keeps it in the Activation Explorer beside other pairs and images; stay here "
        "and add more.",
        key=f"{prefix}to_tray",
    )
    if explorer or detector:
        keep_pair(bundle, pair)
        link = {"bundle": bundle.name} | ({"pair": pair.token()} if pair.token() else {})
        st.switch_page((EXPLORER if explorer else DETECTOR).path, query_params=link)
    if tray:
        try:
            told = add(bundle, pair)
        except NeuralDivergenceError as error:
            told = sentence(error)
        st.toast(told)
