"""Beside the vulnerability map, which tries a grid of colours, what is proven for all of them."""

from __future__ import annotations

import streamlit as st

from ndcore.attacks import AttackResult
from ndcore.bundles.bundle import Bundle
from pages.ui.elements.certificate import certificates_of, show_certificate


def map_certificate(bundle: Bundle, result: AttackResult) -> None:
    """The certificate of the untouched image."""
    st.markdown("**What is proven, for every colour**")
    st.caption(
        "The map is a statement about its grid. The certificate is one about every colour and "
        "every attacker: not that the label stays, but that no change of one pixel alters it "
        "without a single repair disagreeing."
    )
    for found in certificates_of(bundle, [result.benign]):
        show_certificate(bundle, result.benign, found, st.container())
