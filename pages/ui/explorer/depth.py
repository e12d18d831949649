"""The depth profile of the current pair: chart, finding, numbers."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import streamlit as st

from ndcore.activations.reading import Reading
from ndcore.analysis.depth import DepthProfile, depth_profile, depth_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.explorer.depth_profile import MEASURES, depth_figure
from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import folded_table
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain, sentence
from pages.ui.images.pair_key import pair_key

MOST_TOLD = 1000  # characters of a finding
RULES = (
    "Parting: from there to the last layer the two images differ by more than two images of the "
    "benign one's class do on average. Turning point: from there to the last layer the attacked "
    "image lies nearer to the class it is taken for than to its true class and the benign image "
    "does not."
)


def depth_panel(bundle: Bundle, pair: Pair, reading: Reading) -> None:
    """Divergence of the images that were read, the pair's, from their classes over all layers."""
    st.caption(
        "At each layer, how far each image lies from the class it is taken for, from its true "
        "class and from its runner-up: the mean of the layer's 5% most distant neurons."
    )
    key = pair_key(bundle, pair)
    try:
        profile = _profile(key, pair.label, bundle, reading)
    except NeuralDivergenceError as error:
        st.info(sentence(error))
        return
    st.markdown(plain(depth_sentence(profile, bundle.classes), MOST_TOLD))
    measure = choice(
        st.segmented_control,
        "Measure",
        list(MEASURES),
        key="depth_measure",
        format_func=lambda name: f"{MEASURES[name][:1].upper()}{MEASURES[name][1:]}",
        help="Layers differ in scale; a percentile says how many benign images that are taken for "
        "the class lie nearer to it, so that layers can be compared.",
    )
    chart, frame = _shown(key, pair.label, page_ink(), measure, profile, bundle.classes)
    st.plotly_chart(chart, key="depth_profile")
    if profile.change:
        st.caption(RULES)
    told = counted(len(profile.layers), "layer")
    folded_table(told, lambda: frame, f"{bundle.name}-depth.csv", "depth")


@st.cache_data(max_entries=64, show_spinner=False)
@known_signature
def _profile(key: str, true: int | None, _bundle: Bundle, _reading: Reading) -> DepthProfile:
    return depth_profile(_bundle, _reading, true)


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _shown(
    key: str,
    true: int | None,
    ink: str,
    measure: str,
    _profile: DepthProfile,
    _classes: tuple[str, ...],
) -> tuple[go.Figure, pa.Table]:
    """Chart and numbers of a profile, made once; nobody changes them."""
    figure = kept_figure(depth_figure(_profile, _classes, ink, measure))
    rows = depth_rows(_profile, _classes)
    return figure, pa.Table.from_pandas(rows, preserve_index=False)


def depth_rows(profile: DepthProfile, classes: tuple[str, ...]) -> pd.DataFrame:
    """One row per layer, image and class."""
    rows = [
        {
            "layer": layer,
            "image": name,
            "class": classes[label],
            "role": ", ".join(roles),
            "divergence": float(profile.score(image, label)[j]),
            "percentile": float(profile.percentile(image, label)[j]),
            "difference of the pair": profile.change[j] if profile.change else None,
        }
        for j, layer in enumerate(profile.layers)
        for image, name in enumerate(profile.images)
        for label, roles in profile.roles(image).items()
    ]
    return pd.DataFrame(rows)
