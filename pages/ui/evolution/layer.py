"""Training Evolution, one layer: choosing it, and its units over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.evolution import WatchedLayer
from ndcore.evolution.trends import correlations
from ndcore.figures.evolution.levels import EXCEPTIONAL, Chosen, exceptional, levels_figure
from ndcore.figures.evolution.rows import Row
from ndcore.legible.plurals import counted
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.evolution.clusters import LEAST, clusters_panel, take_unit
from pages.ui.evolution.runs import OpenRun
from pages.ui.evolution.state import View
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, just_linked, remember
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain

LEVELS_CHART = "evolution_levels"
LEAST_EPOCHS = 3  # for a correlation


def choose_layer(place: DeltaGenerator, each: OpenRun) -> str:
    """Pick a layer; a click into the heat map picks too."""
    layers = {layer.name: layer for layer in each.run.layers}
    return choice(
        place.selectbox,
        "Layer",
        list(layers),
        key="evo_layer",
        name="layer",
        format_func=lambda name: (
            f"{layers[name].number}. {name}, {counted(layers[name].units, 'neuron')}"
        ),
    )


def choose_epoch(place: DeltaGenerator, each: OpenRun) -> int:
    """Pick an epoch; a click into the heat map picks too."""
    epochs: list[int] = each.run.epochs.tolist()
    if len(epochs) == 1:
        return epochs[0]
    return choice(
        place.select_slider, "Epoch", epochs, key="evo_epoch", name="epoch", default=epochs[-1]
    )


def detailed_epoch(each: OpenRun, epoch: int) -> int | None:
    """The nearest epoch at which class samples and patches were kept; the page says which."""
    kept = each.run.detailed
    if not kept:
        return None
    nearest = min(kept, key=lambda other: (abs(other - epoch), other))
    if nearest != epoch:
        st.caption(
            f":material/info: Class samples and patches were not kept at epoch {epoch}; clusters, "
            f"patches and facets are those of epoch {nearest}, the nearest."
        )
    return nearest


def choose_unit(place: DeltaGenerator, each: OpenRun, layer: str, view: View, epoch: int) -> int:
    """Pick a unit; a click on a line or a dot picks too."""
    # Another layer begins with a neuron of its own, unless a link names one.
    here = (each.name, layer)
    if st.session_state.get("evo_unit_of", here) != here and not just_linked("unit"):
        st.session_state.pop("evo_unit", None)
        remember("unit", "")
    st.session_state["evo_unit_of"] = here
    values = each.run.units(layer, view.metric, view.variant)
    red, at = exceptional(values), each.run.epochs.tolist().index(epoch)
    return choice(
        place.selectbox,
        "Neuron",
        range(len(values)),
        key="evo_unit",
        name="unit",
        default=red[0] if red else int(values[:, -1].argmax()),
        format_func=lambda unit: (
            f"{unit}: {values[unit, at]:.3g}" + ", exceptional" * (unit in red)
        ),
        help=f"Beside each neuron its {view.name()} at epoch {epoch}.",
    )


def layer_panel(
    opened: Sequence[OpenRun],
    rows: Sequence[Row],
    view: View,
    layer: str,
    epoch: int,
    unit: int,
) -> None:
    """Grid of epochs and levels, then clusters and their pictures.

    Args:
        opened: runs; the first one is looked into.
        rows: their layers, aligned.
        view: the metric.
        layer: of the first run.
        epoch: pointed out.
        unit: the chosen one.

    Raises:
        RunError: the details of the epoch are damaged.
    """
    each = opened[0]
    shown = [(each, layer)]
    row = next(row for row in rows if row.first == each.run.layer(layer).number - 1)
    if len(opened) > 1 and row.second is not None:
        shown.append((opened[1], opened[1].run.layers[row.second].name))
    _levels(shown, view, epoch, unit)
    if len(opened) > 1 and row.second is None:
        st.caption(f"{plain(opened[1].name)} has no layer that stands in the row of {layer}.")
    kept = detailed_epoch(each, epoch)
    if kept is not None:
        clusters_panel(each, layer, kept, unit, view)
    else:
        st.info("No epoch with class samples and patches has been recorded yet.")


def _levels(shown: Sequence[tuple[OpenRun, str]], view: View, epoch: int, unit: int) -> None:
    values = [each.run.units(name, view.metric, view.variant) for each, name in shown]
    top = 1.02 * max(float(each.max()) for each in values) or 1.0
    ink = page_ink()
    halves = side_by_side("evo_grids", LEAST)
    for at, ((each, name), each_values) in enumerate(zip(shown, values, strict=True)):
        red = exceptional(each_values)
        key = f"{LEVELS_CHART}_{at}"
        place = halves.container()
        chosen = Chosen(unit, ink, epoch) if at == 0 else None
        place.plotly_chart(
            _grid(each.stamp, name, view.metric, view.variant, top, chosen, each),
            key=key,
            on_select=lambda key=key, at=at: take_unit(key) if at == 0 else None,
            selection_mode="points",
        )
        r = _correlation(each, name)
        told = "No neuron is exceptional."
        if red:
            told = f"{counted(len(red), 'exceptional neuron')}, in red: "
            told += f"{', '.join(map(str, red))}."
        if r is not None:
            told += (
                f" Over the epochs the layer's density and discriminability correlate by {r:+.2f}."
            )
        place.caption(told + _thinned(each.run.layer(name), view))
    st.caption(
        f"The more opaque a cell, the more of the layer's neurons have a {view.name()} of that "
        f"level. Red lines are exceptional: {EXCEPTIONAL}. The thick line is the chosen neuron; "
        "click a line to choose another."
    )


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _grid(
    stamp: str,
    layer: str,
    metric: str,
    variant: str,
    top: float,
    chosen: Chosen | None,
    _each: OpenRun,
) -> go.Figure:
    values = _each.run.units(layer, metric, variant)
    return kept_figure(
        levels_figure(
            _each.run.epochs,
            values,
            metric=metric,
            title=f"{escape(_each.name)} · {layer}: {_size(_each.run.layer(layer))}",
            top=top,
            red=exceptional(values),
            chosen=chosen,
        )
    )


def _size(layer: WatchedLayer) -> str:
    height, width = layer.size
    maps = "" if layer.size == (1, 1) else f", maps of {height} x {width}"
    return f"{counted(layer.units, 'neuron')}{maps}"


def _thinned(layer: WatchedLayer, view: View) -> str:
    """That not every cell of a large map was measured, where the metric needs each value."""
    height, width = layer.size
    if view.metric != "discriminability" or layer.watched == height * width:
        return ""
    return f" Measured on {layer.watched} of the {height} x {width} cells of its maps."


def _correlation(each: OpenRun, layer: str) -> float | None:
    """Pearson's r of the layer's two metrics over the epochs, None where one stands still."""
    two = [each.run.units(layer, name).mean(0) for name in ("discriminability", "density")]
    if len(two[0]) < LEAST_EPOCHS:
        return None
    r = float(correlations(two[0][None], two[1][None])[0])
    return None if np.isnan(r) else r
