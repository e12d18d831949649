"""Training Evolution, one layer: its units over the epochs, their clusters and what drives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.errors import NeuralDivergenceError
from ndcore.evolution import UnitClusters, WatchedLayer
from ndcore.figures.evolution_levels import EXCEPTIONAL, exceptional, levels_figure
from ndcore.figures.evolution_plane import plane_figure
from ndcore.figures.evolution_rows import Row
from ndcore.figures.evolution_tiles import PictureRow, picture_rows
from ndcore.figures.palette import BENIGN, class_colours
from ndcore.images import encode_png
from pages.ui.evolution_images import thumb
from pages.ui.evolution_runs import OpenRun
from pages.ui.evolution_state import View, choose, clicked, dark, held
from pages.ui.evolution_units import cluster_pictures, unit_pictures, unit_words
from pages.ui.page import remember

__all__ = ["choose_epoch", "choose_layer", "choose_unit", "layer_panel", "unit_rows"]

MOST_CLUSTERS = 10
CLUSTERS = 5
LEVELS_CHART, MAP_CHART = "evolution_levels", "evolution_map"
HALF = 455  # CSS pixels; two halves stand side by side where there is room


def choose_layer(place: DeltaGenerator, each: OpenRun) -> str:
    """Pick a layer; a click into the heat map picks too."""
    layers = {layer.name: layer for layer in each.run.layers}
    found = choose(
        place,
        "Layer",
        list(layers),
        "layer",
        next(iter(layers)),
        text=lambda name: _told(layers[name]),
    )
    return str(found)


def _told(layer: WatchedLayer) -> str:
    height, width = layer.size
    size = "" if layer.size == (1, 1) else f", {height} x {width}"
    return f"{layer.number}. {layer.name} ({layer.kind}, {layer.units} neurons{size})"


def choose_epoch(place: DeltaGenerator, each: OpenRun) -> int:
    """Pick one of the epochs at which details were kept."""
    detailed = each.run.detailed
    if len(detailed) == 1:
        return detailed[0]
    return int(
        choose(
            place,
            "Epoch of clusters, patches and facets",
            detailed,
            "epoch",
            detailed[-1],
            slider=True,
            about="Class samples and top patches were kept at these epochs.",
        )
    )


def choose_unit(place: DeltaGenerator, each: OpenRun, layer: str, view: View) -> int:
    """Pick a unit; a click on a line or a dot picks too."""
    # Another layer begins with a neuron of its own.
    here = (each.name, layer)
    if st.session_state.get("evo_unit_of", here) != here:
        st.session_state.pop("evo_unit", None)
        remember("unit", "")
    st.session_state["evo_unit_of"] = here
    values = each.run.units(layer, view.metric, view.variant)
    red = exceptional(values)
    units = list(range(len(values)))
    first = red[0] if red else int(values[:, -1].argmax())
    return int(
        choose(
            place,
            "Neuron",
            units,
            "unit",
            first,
            text=lambda unit: (
                f"{unit}: {values[unit, -1]:.3g} at the end"
                + (", exceptional" if unit in red else "")
            ),
        )
    )


def layer_panel(
    opened: Sequence[OpenRun],
    rows: Sequence[Row],
    view: View,
    layer: str,
    epoch: int | None,
    unit: int,
) -> None:
    """Grid of epochs and levels, then clusters and their pictures.

    Args:
        opened: runs; the first one is looked into.
        rows: their layers, aligned.
        view: the metric.
        layer: of the first run.
        epoch: with details, or None where there is none.
        unit: the chosen one.
    """
    each = opened[0]
    shown = [(each, layer)]
    row = next(row for row in rows if row.first == each.run.layer(layer).number - 1)
    if len(opened) > 1 and row.second is not None:
        shown.append((opened[1], opened[1].run.layers[row.second].name))
    _levels(shown, view, epoch, unit)
    if len(opened) > 1 and row.second is None:
        st.caption(f"{opened[1].name} has no layer that stands in the row of {layer}.")
    if epoch is None:
        st.info("No epoch with class samples and patches has been recorded yet.")
        return
    _clusters(each, layer, epoch, unit, view)


def _levels(shown: Sequence[tuple[OpenRun, str]], view: View, epoch: int | None, unit: int) -> None:
    values = [each.run.units(name, view.metric, view.variant) for each, name in shown]
    top = 1.02 * max(float(each.max()) for each in values) or 1.0
    ink = BENIGN["dark" if dark() else "light"]
    halves = st.container(horizontal=True, gap="medium")
    for at, ((each, name), each_values) in enumerate(zip(shown, values, strict=True)):
        red = exceptional(each_values)
        key = f"{LEVELS_CHART}_{at}"
        place = halves.container(width=HALF) if len(shown) > 1 else st.container()
        place.plotly_chart(
            levels_figure(
                each.run.epochs,
                each_values,
                metric=view.metric,
                title=f"{each.name} · {name}: {len(each_values)} neurons",
                top=top,
                red=red,
                ink=ink,
                unit=unit if at == 0 else None,
                epoch=epoch if at == 0 else None,
            ),
            key=key,
            on_select=lambda key=key, at=at: _take(key) if at == 0 else None,
            selection_mode="points",
        )
        r = _correlation(each, name)
        told = (
            f"{len(red)} exceptional neurons, in red: {', '.join(map(str, red))}"
            if red
            else ("No neuron is exceptional")
        )
        together = (
            ""
            if r is None
            else (
                f" Over the epochs the layer's density and discriminability correlate by {r:+.2f}."
            )
        )
        place.caption(f"{told}.{together}")
    st.caption(
        f"The more opaque a cell, the more of the layer's neurons have a {view.name()} of that "
        f"level. Red lines are exceptional: {EXCEPTIONAL}. The thick line is the chosen neuron; "
        "click a line to choose another."
    )


def _correlation(each: OpenRun, layer: str) -> float | None:
    """Pearson's r of the layer's two metrics over the epochs, None where one stands still."""
    two = [each.run.units(layer, name).mean(0) for name in ("discriminability", "density")]
    if len(two[0]) < 3 or min(float(np.ptp(values)) for values in two) < 1e-9:
        return None
    return float(np.corrcoef(two)[0, 1])


def _take(key: str) -> None:
    """Callback: look into the clicked unit."""
    found = clicked(key)
    if found is not None:
        held("unit", int(found[0]))


@st.cache_resource(max_entries=128, show_spinner="Grouping the neurons …")
def _grouped(stamp: str, layer: str, epoch: int, clusters: int, _each: OpenRun) -> UnitClusters:
    return _each.run.clusters(layer, epoch, clusters)


def _clusters(each: OpenRun, layer: str, epoch: int, unit: int, view: View) -> None:
    units = each.run.layer(layer).units
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    row.markdown(f"**Kinds of neurons in {layer} at epoch {epoch}**", width="content")
    wanted = CLUSTERS
    if units > 2:
        options = list(range(1, min(MOST_CLUSTERS, units) + 1))
        wanted = int(
            choose(
                row.container(width=260),
                "Clusters",
                options,
                "clusters",
                min(CLUSTERS, units),
                slider=True,
            )
        )
    found = _grouped(each.stamp, layer, epoch, wanted, each)
    averages: list[np.ndarray | None] = [None] * len(found.sizes)
    trouble = ""
    try:
        averages = cluster_pictures(each, layer, epoch, found)
    except NeuralDivergenceError as error:
        trouble = str(error)
    values = {
        name: each.run.units(layer, name, view.variant)[:, each.run.epochs.tolist().index(epoch)]
        for name in ("discriminability", "density")
    }
    tips = [
        f"neuron {u}<br>"
        + "<br>".join(f"{view.name(name)} {values[name][u]:.3g}" for name in values)
        for u in range(units)
    ]
    halves = st.container(horizontal=True, gap="medium")
    left, right = halves.container(width=HALF), halves.container(width=HALF)
    left.plotly_chart(
        plane_figure(
            found.places,
            found.labels,
            found.centres,
            found.sizes,
            title="Neurons by likeness, in clusters",
            group="cluster",
            tips=tips,
            pictures=[None if a is None else encode_png(thumb(a)) for a in averages],
            ink=BENIGN["dark" if dark() else "light"],
            chosen=unit,
        ),
        key=MAP_CHART,
        on_select=lambda: _take(MAP_CHART),
        selection_mode="points",
    )
    left.caption(
        "Neurons that see the classes alike lie close together. A circle's area grows with its "
        "cluster; the picture in it averages the neurons nearest to its centre. Click a dot to "
        "choose its neuron."
    )
    with right:
        if trouble:
            st.info(f"The pictures of patches need the images: {trouble}.")
        else:
            unit_rows(each, layer, epoch, found, averages)
    _numbers(each, layer, epoch, found, values)


def unit_rows(
    each: OpenRun,
    layer: str,
    epoch: int,
    found: UnitClusters,
    averages: Sequence[np.ndarray | None],
) -> None:
    """A cluster's average, then the units nearest to its centre: average, patches, purity."""
    cluster = 0
    if len(found.sizes) > 1:
        cluster = st.segmented_control(
            "Neurons nearest to the centre of cluster",
            range(len(found.sizes)),
            default=0,
            required=True,
            format_func=lambda number: f"{number + 1}",
            key=f"evo_cluster_{len(found.sizes)}",
        )
    near = [int(unit) for unit in found.nearest[int(cluster)]]
    pictures = unit_pictures(each, layer, epoch, near)
    colour = class_colours(len(found.sizes))[int(cluster)]
    average = averages[int(cluster)]
    size = int(found.sizes[int(cluster)])
    whole = PictureRow(
        f"cluster {int(cluster) + 1}: {size} neuron{'s' if size > 1 else ''}",
        None if average is None else encode_png(thumb(average)),
        (),
        f"average of neurons {', '.join(map(str, near))}, the nearer the heavier",
        colour,
    )
    rows = [
        PictureRow(f"neuron {unit}", picture.png, picture.patches, unit_words(picture), colour)
        for unit, picture in pictures.items()
    ]
    st.html(picture_rows([whole, *rows]))
    st.caption(
        "The average of the 20 patches that drive a neuron most, weighted by its activation, then "
        "the first 5; there is no average where no image drives it above 0. Clearness is the "
        "average's contrast relative to the patches': 1 = all alike."
    )


def _numbers(
    each: OpenRun,
    layer: str,
    epoch: int,
    found: UnitClusters,
    values: dict[str, np.ndarray],
) -> None:
    label = f"Numbers: {len(found.labels)} neurons of {layer}"
    with st.expander(label, key="evo_layer_open", on_change="rerun") as box:
        if not box.open:
            return
        at = each.run.epochs.tolist().index(epoch)
        frame = pd.DataFrame(
            {
                "neuron": np.arange(len(found.labels)),
                "epoch": epoch,
                "cluster": found.labels + 1,
                "discriminability": values["discriminability"],
                "density": values["density"],
                "share above 0": each.run.units(layer, "active")[:, at],
                "share saturated": each.run.units(layer, "saturation")[:, at],
                "place x": found.places[:, 0],
                "place y": found.places[:, 1],
            }
        )
        frame["exceptional"] = np.isin(
            frame["neuron"], exceptional(each.run.units(layer), most=len(frame))
        )
        st.dataframe(frame, hide_index=True, key="evo_units", height=260)
        st.download_button(
            "CSV",
            frame.to_csv(index=False),
            f"{each.name}-{layer}-epoch{epoch}.csv",
            icon=":material/download:",
            on_click="ignore",
            key="evo_units_csv",
        )
