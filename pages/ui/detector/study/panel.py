"""The study panel: how well every detector tells attacked images from benign ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.registry import title_of
from ndcore.detectors.scoring.scores import layer_measures
from ndcore.errors import BundleError
from ndcore.figures.detector.layer_auroc import layer_auroc
from ndcore.figures.detector.roc import operating_point, roc_figure
from ndcore.legible.plurals import counted
from ndcore.study.saved import SavedStudy
from pages.ui.detector.choices import study_command
from pages.ui.detector.side_by_side import side_by_side
from pages.ui.detector.study.adversaries import adversaries_panel
from pages.ui.detector.study.certified import certified_panel
from pages.ui.detector.study.details import study_details
from pages.ui.detector.study.families import families_panel
from pages.ui.detector.study.findings import duels, headline, hypothesis
from pages.ui.detector.study.rows import FEW, detector_rows, leading, plain_rows, row_formats
from pages.ui.elements.csv_button import csv_button
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import box, choice, number, several
from pages.ui.frame.words import capital, sentence

BENIGN = "evaluation"
# Shown first: the distance of units, their rarity, another class's fit, and the image's places.
MEASURES = ("w1-top", "surprisal-top", "margin-top", "spatial-w1-top", "position-spot")
AGAINST = {
    "all": "all benign images",
    "correct": "correctly classified ones",
    "misclassified": "misclassified ones",
}


def study_panel(bundle: Bundle) -> None:
    """The curve and five rows in plain words, then tables, layers, places and false alarms."""
    st.header("Does it work? The study")
    try:
        study = loaders.study(bundle)
    except BundleError as error:
        st.error(sentence(error))
        return
    if study is None and bundle.unasked:
        st.info(bundle.unasked)
        return
    if study is None:
        st.info(
            "This bundle has no study yet. With its data on disk, "
            f"{study_command(bundle)} makes one; "
            "then reload this page."
        )
        return
    document = study.document
    attacks = {row["name"]: row for row in document["attacks"] if row["n"]}
    if not attacks:
        st.info("The study holds no successful attack, so there is nothing to compare.")
        return
    st.markdown(headline(document))
    name = choice(
        st.selectbox,
        "Attack",
        list(attacks),
        key="study_attack",
        format_func=lambda name: f"{capital(attacks[name]['about'])} ({attacks[name]['n']:,})",
        help="Successes on correctly classified images of the evaluation split, as 8-bit images.",
    )
    frame = _rows(study.digest, name, study)
    _first_look(study, name, frame)
    _told(document, attacks[name])
    _by_attack(document)
    _every_detector(bundle, frame, name)
    adversaries_panel(study)
    certified_panel(bundle, study)
    families_panel(document)
    _layers(study, name)
    study_details(document, name)


def _first_look(study: SavedStudy, attack: str, frame: pd.DataFrame) -> None:
    """The curves of a few detectors, and their rows."""
    five = leading(study.document, frame)
    row, below = side_by_side("study_first", 400), st.container()
    with below.expander("More: other detectors, another threshold"):
        names, percent = _chosen_curves(frame, attack, five)
    with row.container():
        _curves(study, attack, names, percent)
    with row.container():
        chosen = frame[frame["detector"].isin(names or five)]
        st.table(plain_rows(chosen), border="horizontal", hide_index=True)
        st.caption(
            "Caught and false alarms: at a threshold for 5% that was fixed on other benign "
            "images. AUROC: how often an attacked image scores above a benign one, with its 95% "
            "interval; beside it the same against the network's natural errors alone, where chance "
            "is 0.5."
        )


def _told(document: dict[str, Any], chosen: dict[str, Any]) -> None:
    """What was attacked, and what stands against it."""
    tried = f" among {chosen['attacked']:,} attacked" if chosen["attacked"] else ""
    images = document["images"]
    st.caption(
        f"{capital(chosen['about'])}: {counted(chosen['n'], 'success', 'successes')}{tried}, "
        f"against {counted(images['evaluation'], 'benign image')} of which "
        f"{images['evaluation_misclassified']:,} are misclassified. Thresholds come from "
        f"{images['calibration']:,} others."
    )


def _every_detector(bundle: Bundle, frame: pd.DataFrame, attack: str) -> None:
    label = f"All {len(frame)} detectors, with their code names and exact definitions"
    with box(st.expander, label, key="study_every") as opened:
        if not opened.open:
            return
        st.dataframe(frame, hide_index=True, key="study_table", column_config=row_formats(frame))
        st.caption(
            "AUROC against all benign images with its 95% interval; against the network's natural "
            "errors alone, and against benign images weighted to the same confidence."
        )
        csv_button(frame, f"{bundle.name}-study-{attack}.csv", "study_csv")


def _by_attack(document: dict[str, Any]) -> None:
    """The frozen detector beside the best baseline, attack by attack."""
    rows = duels(document)
    if not rows:
        return
    frame = pd.DataFrame(
        {
            "attack": [capital(row.about) for row in rows],
            "images": [f"{row.n:,}" for row in rows],
            "ours": [f"{row.ours:.3f}" for row in rows],
            "best baseline": [f"{row.baseline:.3f}, {title_of(row.name)}" for row in rows],
            "better": ["**baseline**" if row.lost else "ours" for row in rows],
        }
    )
    label = "Attack by attack: AUROC of ours and of the best baseline"
    with box(st.expander, label, key="duels") as opened:
        if opened.open:
            st.table(frame, border="horizontal", hide_index=True)


def _chosen_curves(frame: pd.DataFrame, attack: str, five: list[str]) -> tuple[list[str], float]:
    """The detectors to draw and the share of benign images above the first one's threshold."""
    ranked = list(frame["detector"])
    # Another attack begins with its own five, unless others were chosen.
    names = several(
        st.multiselect,
        "Detectors",
        ranked,
        key=f"study_curves_{attack}",
        name="study_curves",
        default=five,
        format_func=lambda name: capital(title_of(name)),
        max_selections=10,
    )
    percent = number(
        st.slider,
        "Threshold of the first: benign images above it",
        0.1,
        30.0,
        5.0,
        key="study_threshold",
        step=0.1,
        format="%.1f%%",
    )
    return names, percent


def _curves(study: SavedStudy, attack: str, names: list[str], percent: float) -> None:
    """ROC of the chosen detectors, with a point at the first one's threshold."""
    if not names:
        st.info("Choose a detector under “More”.")
        return
    found = _roc(study.digest, attack, tuple(names), percent, study)
    st.plotly_chart(found.figure, key="study_roc")
    caught, alarms = found.point[::-1]
    st.caption(
        f"At a threshold of {found.threshold:.3g}, “{title_of(names[0])}” flags "
        f"{100 * alarms:.1f}% of the benign images and {100 * caught:.1f}% of the attacked ones. "
        "This threshold looks at these very images; the table's rates rest on thresholds from "
        "others."
    )


@dataclass(frozen=True)
class _Roc:
    figure: go.Figure
    threshold: float
    point: tuple[float, float]


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _roc(
    digest: str, attack: str, names: tuple[str, ...], percent: float, _study: SavedStudy
) -> _Roc:
    columns = [_study.names.index(name) for name in names]
    benign, attacked = _study.scores[BENIGN], _study.scores[attack]
    scores = {
        capital(title_of(name)): (benign[:, at], attacked[:, at])
        for name, at in zip(names, columns, strict=True)
    }
    first, hit = next(iter(scores.values()))
    threshold = float(np.quantile(first, 1 - percent / 100))
    point = operating_point(first, hit, threshold)
    return _Roc(roc_figure(scores, point=point), threshold, point)


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _rows(digest: str, attack: str, _study: SavedStudy) -> pd.DataFrame:
    return detector_rows(_study.document, attack)


def _layers(study: SavedStudy, attack: str) -> None:
    """Where in depth an attack shows: each measure at each layer alone."""
    layers = study.document.get("layers", {})
    if not layers:
        return
    st.header("Where in depth it shows, and the paper's hypothesis")
    words = hypothesis(study.document, attack)
    if words:
        st.markdown(words)
    against = choice(
        st.segmented_control,
        "Against",
        list(AGAINST),
        key="study_against",
        format_func=AGAINST.get,
        help="A measure that finds errors and not attacks falls to chance against misclassified "
        "benign images.",
    )
    measures = several(
        st.multiselect,
        "Measures",
        list(layers),
        key="study_measures",
        format_func=_measure,
        default=[name for name in MEASURES if name in layers] or list(layers)[:FEW],
    )
    figure = _by_layer(study.digest, attack, against, tuple(measures), study)
    st.plotly_chart(figure, key="study_layers")


def _measure(name: str) -> str:
    known = layer_measures()
    return capital(known[name].title) if name in known else name


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _by_layer(
    digest: str, attack: str, against: str, measures: tuple[str, ...], _study: SavedStudy
) -> go.Figure:
    layers = _study.document["layers"]
    return kept_figure(
        layer_auroc(
            {
                _measure(name): (layers[name]["layers"], layers[name]["attacks"][attack][against])
                for name in measures
            }
        )
    )
