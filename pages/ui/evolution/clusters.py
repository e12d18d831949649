"""Training Evolution, one layer: clusters of its units, and what drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ndcore.data.decode import encode_png
from ndcore.errors import DataError
from ndcore.evolution import UnitClusters
from ndcore.figures.evolution.levels import exceptional
from ndcore.figures.evolution.plane import plane_figure
from ndcore.figures.evolution.tiles import PictureRow, picture_rows
from ndcore.figures.style.palette import cluster_colours
from ndcore.legible.plurals import counted
from pages.ui.elements.clicked import clicked
from pages.ui.elements.csv_button import csv_button
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.evolution.run_images import thumb
from pages.ui.evolution.runs import OpenRun
from pages.ui.evolution.state import View
from pages.ui.evolution.unit_pictures import cluster_pictures, unit_pictures, unit_words
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import box, choice, number
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import sentence

MOST_CLUSTERS = 10
CLUSTERS = 5
MAP_CHART = "evolution_map"
LEAST = "28rem"  # of each of two halves that stand side by side


def take_unit(key: str) -> None:
    """Callback: look into the clicked unit."""
    found = clicked(key)
    if found is not None:
        st.session_state["evo_unit"] = int(found[0])


@st.cache_resource(max_entries=128, show_spinner="Grouping the neurons …")
@known_signature
def _grouped(stamp: str, layer: str, epoch: int, clusters: int, _each: OpenRun) -> UnitClusters:
    return _each.run.clusters(layer, epoch, clusters)


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _plane(
    about: tuple[str, str, int, int, View, int, str, bool],
    _found: UnitClusters,
    _averages: Sequence[np.ndarray | None],
    _values: Mapping[str, np.ndarray],
) -> go.Figure:
    *_, view, unit, ink, _ = about
    return kept_figure(
        plane_figure(
            _found,
            title="Neurons by likeness, in clusters",
            group="cluster",
            tips=[
                f"neuron {u}<br>"
                + "<br>".join(f"{view.name(name)} {of[u]:.3g}" for name, of in _values.items())
                for u in range(len(_found.labels))
            ],
            pictures=[None if a is None else encode_png(thumb(a)) for a in _averages],
            ink=ink,
            chosen=unit,
        )
    )


def clusters_panel(each: OpenRun, layer: str, epoch: int, unit: int, view: View) -> None:
    """The units of a layer by likeness, the pictures of a cluster, and their numbers."""
    units = each.run.layer(layer).units
    row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    row.markdown(f"**Kinds of neurons in {layer} at epoch {epoch}**", width="content")
    wanted = CLUSTERS
    if units > 2:
        wanted = number(
            row.container(width=260).slider,
            "Clusters",
            1,
            min(MOST_CLUSTERS, units),
            min(CLUSTERS, units),
            key="evo_clusters",
            name="clusters",
        )
    found = _grouped(each.stamp, layer, epoch, wanted, each)
    averages: list[np.ndarray | None] = [None] * len(found.sizes)
    trouble = ""
    try:
        averages = cluster_pictures(each, layer, epoch, found)
    except DataError as error:
        trouble = str(error)
    at = each.run.epochs.tolist().index(epoch)
    values = {
        name: each.run.units(layer, name, view.variant)[:, at]
        for name in ("discriminability", "density")
    }
    halves = side_by_side("evo_kinds", LEAST)
    left, right = halves.container(), halves.container()
    about = (each.stamp, layer, epoch, wanted, view, unit, page_ink(), not trouble)
    left.plotly_chart(
        _plane(about, found, averages, values),
        key=MAP_CHART,
        on_select=lambda: take_unit(MAP_CHART),
        selection_mode="points",
    )
    left.caption(
        "Neurons that see the classes alike lie close together. A circle's area grows with its "
        "cluster; the picture in it averages the neurons nearest to its centre. Click a dot to "
        "choose its neuron. How far apart two neurons are is approximate, and never too far: from "
        f"{each.run.about['blocks']} means of their sorted values per class. How close that is: "
        "`python -m ndcore bench evolution --data .data`"
    )
    with right:
        if trouble:
            st.info(sentence(f"The pictures of patches need the images: {trouble}"))
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
        cluster = -1 + choice(
            st.segmented_control,
            "Neurons nearest to the centre of cluster",
            range(1, len(found.sizes) + 1),
            key="evo_cluster",
            name="cluster",
        )
    near = [int(unit) for unit in found.nearest[cluster]]
    pictures = unit_pictures(each, layer, epoch, near)
    colour = cluster_colours(len(found.sizes))[cluster]
    average = averages[cluster]
    size = int(found.sizes[cluster])
    whole = PictureRow(
        f"cluster {cluster + 1}: {counted(size, 'neuron')}",
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
    then = ", then the first 5" if any(picture.patches for picture in pictures.values()) else ""
    st.caption(
        "The average of the 20 patches that drive a neuron most, weighted by its activation"
        f"{then}; there is no average where no image drives it above 0. Clearness is the "
        "average's contrast relative to the patches': 1 = all alike."
    )


def _numbers(
    each: OpenRun,
    layer: str,
    epoch: int,
    found: UnitClusters,
    values: dict[str, np.ndarray],
) -> None:
    label = f"Numbers: {counted(len(found.labels), 'neuron')} of {layer}"
    table = box(st.expander, label, key="evo_layer_open", name="layer_table")
    if not table.open:
        return
    with table:
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
        csv_button(frame, f"{each.name}-{layer}-epoch{epoch}.csv", "evo_units_csv")
