"""The Activation view as it would be with Plotly: the yardstick of `bench explorer`.

A Streamlit page with the same opacities as 8-bit heat maps, one above another per layer, the
pair as SVG dots, and a list that sorts on the server. The link says what to draw, as in the app.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.pairs import Pair
from ndcore.figures.explorer.activation_panels import BINS, opacities, reference_of
from ndcore.figures.style.palette import ATTACKED, BENIGN, class_colours, rgba

PLAIN = "neuron number"
HEIGHT = 620


@st.cache_resource
def opened(name: str) -> Bundle:
    """The bundle, loaded once."""
    return load_bundle(name)


@st.cache_resource
def read(_bundle: Bundle, name: str, token: str) -> tuple[Reading, list[str]] | None:
    """What the model makes of the link's images, and what these are called."""
    if not token:
        return None
    pair = Pair.from_token(token, _bundle.shape)
    images = [pair.benign] if pair.attacked is None else [pair.benign, pair.attacked]
    return _bundle.read(np.stack(images)), ["benign", "attacked"][: len(images)]


def main() -> None:
    """Draw the link's layers and classes in the chosen order."""
    st.set_page_config(layout="wide")
    bundle = opened(st.query_params["bundle"])
    layers = st.query_params["layers"].split(",")
    classes = st.query_params["classes"].split(",")
    found = read(bundle, bundle.name, st.query_params.get("pair", ""))
    names = found[1] if found else []
    order = st.selectbox("Sort by", [PLAIN, *(f"median of {name}" for name in classes), *names])
    figure = make_subplots(1, len(layers), subplot_titles=layers)
    for column, layer in enumerate(layers, start=1):
        add_layer(figure, column, bundle, layer, classes, found, str(order))
    figure.update_layout(height=HEIGHT, title=f"Sorted by {order}", showlegend=False)
    st.plotly_chart(figure, key="chart")


def add_layer(
    figure: go.Figure,
    column: int,
    bundle: Bundle,
    layer: str,
    classes: list[str],
    found: tuple[Reading, list[str]] | None,
    order: str,
) -> None:
    """One layer's heat maps and dots."""
    rows = [bundle.class_index(name) for name in classes]
    kind = bundle.reductions(layer)[-1]
    histograms = bundle.distributions(layer, kind)
    low, high = histograms.axis()
    shares = histograms.on_common_axis(low, high, BINS, rows)
    opacity = opacities(shares, reference_of(shares))
    keys: dict[str, NDArray[np.floating]] = {
        f"median of {name}": histograms.medians()[row]
        for name, row in zip(classes, rows, strict=True)
    }
    if found:
        keys |= dict(zip(found[1], found[0].values(layer, kind), strict=True))
    by = keys.get(order)
    units = np.arange(histograms.units) if by is None else np.argsort(-by, kind="stable")
    centres = low + (np.arange(BINS) + 0.5) * (high - low) / BINS
    colours = class_colours(len(bundle.classes))
    for name, row, cells in zip(classes, rows, opacity, strict=True):
        figure.add_trace(
            go.Heatmap(
                x=centres.astype(np.float32),
                z=cells[units],
                zmin=0,
                zmax=255,
                colorscale=[[0, rgba(colours[row], 0)], [1, colours[row]]],
                showscale=False,
                name=name,
            ),
            row=1,
            col=column,
        )
    places = np.arange(len(units), dtype=np.uint16)
    for name, colour in (("benign", BENIGN["light"]), ("attacked", ATTACKED)):
        if name in keys:
            marker = {"color": colour, "size": 4}
            figure.add_trace(
                go.Scatter(x=keys[name][units], y=places, mode="markers", marker=marker, name=name),
                row=1,
                col=column,
            )


main()
