"""Why a verdict came out as it did: layers, the score taken apart, benign scores beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.detectors import DivergenceDetector, Verdict
from ndcore.figures.detector.verdict import layer_profile, null_distribution
from ndcore.figures.detector.waterfall import waterfall
from ndcore.legible.plurals import counted
from pages.ui.detector.side_by_side import side_by_side
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import box, recall, tabs
from pages.ui.frame.page_list import EXPLORER
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain
from pages.ui.images.graph_link import graph_button

KEPT = 64  # figures of each kind that a server remembers
NEURONS = 12  # shown one by one
SMALL = 0.03  # share of the score below which a layer's rest is told with the others


def numbers(verdict: Verdict) -> str:
    """Score, threshold and p-value."""
    threshold = f"{verdict.threshold:.2f}" if verdict.guaranteed else "none"
    return f"Score {verdict.score:.2f} · threshold {threshold} · p = {verdict.p_value:.4f}"


def guarantee(bundle: Bundle, verdict: Verdict) -> str:
    """What the threshold promises, and how sharply."""
    if not verdict.guaranteed:
        needed = math.ceil(1 / verdict.alpha - 1e-9) - 1
        return (
            "No guarantee and no threshold, so nothing is ever flagged here: a promise "
            f"of {100 * verdict.alpha:g}% of false alarms takes at least {needed:,} "
            "calibration images per class. "
            "Allow more false alarms, or build the bundle with more images."
        )
    low, high = verdict.fpr_band
    label = plain(bundle.classes[verdict.predicted])
    images = counted(verdict.calibration_images, "calibration image")
    return (
        f"Guarantee of this score: of benign images taken for {label}, on average at most "
        f"{100 * verdict.alpha:g}% are flagged. With {images} the realised rate lies between "
        f"{100 * low:.1f}% and {100 * high:.1f}% in 95 of 100 calibrations. About attacks a score "
        "guarantees nothing, it may miss them; what is proven is in the certificate."
    )


def evidence(
    bundle: Bundle, detector: DivergenceDetector, named: list[tuple[str, Verdict]]
) -> None:
    """Layer profile, benign scores and parts of the score of the named images' verdicts."""
    figure = _profile(repr(named), page_ink(), bundle.layers, named)
    st.plotly_chart(figure, key="profile")
    st.caption(
        "Per layer: the share of benign images of the same predicted class that score as high."
    )
    bar = tabs([f"{name.capitalize()} image" for name, _ in named], key="evidence")
    for tab, (name, verdict) in zip(bar, named, strict=True):
        if tab.open:
            with tab:
                _one(bundle, detector, name, verdict)


# Kept by what the verdicts say, written out: faster than to take them apart.
@st.cache_resource(max_entries=KEPT, show_spinner=False)
@known_signature
def _profile(
    said: str, ink: str, _layers: Sequence[str], _named: list[tuple[str, Verdict]]
) -> go.Figure:
    profile: dict[str, Sequence[float]] = {
        name: [layer.p_value for layer in verdict.layers] for name, verdict in _named
    }
    return kept_figure(layer_profile(_layers, profile, _named[0][1].alpha, ink))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
@known_signature
def _benign(
    said: str,
    calibrated: str,
    name: str,
    label: str,
    ink: str,
    _verdict: Verdict,
    _detector: DivergenceDetector,
) -> go.Figure:
    benign = _detector.calibration.images.benign(_verdict.predicted)
    scores = {name: _verdict.score}
    return kept_figure(null_distribution(benign, scores, _verdict.threshold, label=label, ink=ink))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
@known_signature
def _parts(said: str, _verdict: Verdict) -> go.Figure:
    return kept_figure(
        waterfall(*shares(_verdict), total="score", title="What the score is made of")
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False)
@known_signature
def _numbers(said: str, _verdict: Verdict) -> tuple[pa.Table, pa.Table]:
    """Of neurons and layers, as the browser gets them."""
    units, layers = (
        pa.Table.from_pandas(pd.DataFrame([vars(row) for row in rows]), preserve_index=False)
        for rows in (_verdict.units, _verdict.layers)
    )
    return units, layers


def _one(bundle: Bundle, detector: DivergenceDetector, name: str, verdict: Verdict) -> None:
    charts = side_by_side("evidence_charts", 380)
    said, calibrated = repr(verdict), detector.calibration.digest
    label = bundle.classes[verdict.predicted]
    charts.container().plotly_chart(
        _benign(said, calibrated, name, label, page_ink(), verdict, detector), key=f"null_{name}"
    )
    charts.container().plotly_chart(_parts(said, verdict), key=f"units_{name}")
    st.caption(guarantee(bundle, verdict))
    with box(st.expander, "Numbers", key=f"verdict_table_{name}") as opened:
        for table in _numbers(said, verdict) if opened.open else ():
            st.dataframe(table, hide_index=True)
    mark_units(bundle, verdict, name)


def shares(verdict: Verdict) -> tuple[list[str], list[float]]:
    """The strongest neurons one by one, then the rest of each layer: names and parts."""
    top = verdict.units[:NEURONS]
    names = [f"{unit.layer} · {unit.unit}" for unit in top]
    parts = [unit.contribution for unit in top]
    others = 0.0
    for layer in sorted(verdict.layers, key=lambda layer: -layer.contribution):
        rest = layer.contribution - sum(u.contribution for u in top if u.layer == layer.layer)
        if rest >= SMALL * verdict.score:
            names.append(f"rest of {layer.layer}")
            parts.append(rest)
        else:
            others += rest
    return ([*names, "other layers"], [*parts, others]) if others > 0 else (names, parts)


def mark_units(bundle: Bundle, verdict: Verdict, name: str) -> None:
    """Open the Explorer with these very neurons marked, or the graph with them ringed."""
    units = [Unit(unit.layer, unit.unit) for unit in verdict.units[:NEURONS]]
    if units and not bundle.limit:
        graph_button(
            bundle,
            "See these neurons in the Concept Graph",
            units,
            [bundle.classes[verdict.predicted]],
            f"graph_{name}",
        )
    marks: dict[str, list[str]] = {}
    for unit in verdict.units[:NEURONS]:
        marks.setdefault(unit.layer, []).append(str(unit.unit))
    if st.button(
        "Mark these neurons in the Activation Explorer",
        icon=":material/neurology:",
        key=f"mark_{name}",
    ):
        link = {
            "bundle": bundle.name,
            "layers": ",".join(layer for layer in bundle.layers if layer in marks),
            "marks": ";".join(f"{layer}:{','.join(units)}" for layer, units in marks.items()),
        }
        token = recall("pair")
        st.switch_page(EXPLORER.path, query_params=link | ({"pair": token} if token else {}))
