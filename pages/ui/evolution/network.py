"""Training Evolution, the whole network: heat map, curves and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from ndcore.data.catalog import own_place
from ndcore.evolution import EvolutionRun, Warned
from ndcore.figures.evolution.cursor import MacroRun, short
from ndcore.figures.evolution.macro import macro_figure, macro_width
from ndcore.figures.evolution.rows import Row, aligned_rows
from ndcore.legible.epoch_spans import spans
from ndcore.legible.plurals import counted
from pages.ui.elements.clicked import clicked
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.evolution.network_numbers import numbers_panel
from pages.ui.evolution.runs import OpenRun, evolve_command
from pages.ui.evolution.state import View
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.words import plain

CHART = "evolution_macro"
LAYER = "Layer"  # part of the page


def rows_of(opened: Sequence[OpenRun]) -> list[Row]:
    """The layers of the chosen runs, aligned."""
    return aligned_rows(*([layer.name for layer in each.run.layers] for each in opened))


@dataclass(frozen=True)
class Overview:
    """The heat map, the width that its digits need in CSS pixels, and the warnings of each run."""

    figure: go.Figure
    width: int
    warnings: list[list[Warned]]


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _overview(
    stamps: tuple[str, ...],
    view: View,
    chosen: int,
    epoch: int,
    _opened: Sequence[OpenRun],
    _rows: Sequence[Row],
) -> Overview:
    runs = [_macro_run(each, _rows, at, view) for at, each in enumerate(_opened)]
    warnings = [each.run.warnings() for each in _opened]
    figure = macro_figure(
        runs,
        [row.name for row in _rows],
        metric=view.metric,
        local=view.local,
        warned=_warned_rows(_opened, warnings, _rows),
        start=epoch,
        chosen=chosen,
    )
    return Overview(kept_figure(figure), macro_width(runs), warnings)


def macro_panel(opened: Sequence[OpenRun], view: View, layer: str, epoch: int) -> None:
    """The heat map of one run, or of two side by side.

    Args:
        opened: runs.
        view: what the colours and digits show.
        layer: of the first run; its cell at `epoch` is marked.
        epoch: that the slider stands at.
    """
    rows = rows_of(opened)
    place = _place(opened[0].run, layer)
    chosen = next(number for number, row in enumerate(rows) if row.first == place)
    stamps = tuple(each.stamp for each in opened)
    found = _overview(stamps, view, chosen, epoch, opened, rows)
    # Digits would run into each other where the cells are narrow.
    st.html(
        f"<style>.st-key-{CHART}{{container-type:inline-size}}"
        f"@container (max-width:{found.width}px)"
        f"{{.st-key-{CHART} .heatmap-label{{display:none}}}}"
        f".st-key-{CHART} .xy .ytick:nth-of-type({chosen + 1}) text"
        "{font-weight:800!important;text-decoration:underline 2px}</style>"
    )
    st.plotly_chart(
        found.figure,
        key=CHART,
        on_select=lambda: look_into(opened[0].run, rows),
        selection_mode="points",
        # Zooming would part the panels from the slider.
        config={"displayModeBar": False},
    )
    scale = "each layer on a scale of its own" if view.local else "one scale"
    told = f"Colour: {view.name()}, {scale}"
    if view.digits != "none":
        told += f"; digits, where they fit: {view.name(view.digits)}"
    above = "validation error" if len(opened) > 1 else "loss and top-1 error in training/validation"
    units = ""
    if view.metric == "discriminability":
        units = (
            " Discriminability is in the activations' own units: where these shrink it falls, even "
            "while the network gets more accurate."
        )
    st.caption(
        f"{told}. Click a cell to look into its layer; drag the slider through the epochs, above "
        f"it stands the {above}. A layer with **!** has a warning below.{units}"
    )
    _vulnerability(opened)
    for each, warnings in zip(opened, found.warnings, strict=True):
        _warnings(each.name if len(opened) > 1 else "", warnings)
    numbers_panel(opened, view)


def _place(run: EvolutionRun, layer: str) -> int:
    return run.layer(layer).number - 1


def look_into(run: EvolutionRun, rows: Sequence[Row]) -> None:
    """Callback: look into the layer, and at the epoch, of the clicked cell."""
    found = clicked(CHART)
    if found is None:
        return
    row, epoch = rows[int(found[1])], int(found[2])
    if row.first is None:
        st.toast(f"{plain(run.model)} has no layer {row.name}; swap the runs to look into it.")
        return
    layer = run.layers[row.first].name
    st.session_state.update(evo_layer=layer, evo_epoch=epoch, evo_part=LAYER)


def _macro_run(each: OpenRun, rows: Sequence[Row], at: int, view: View) -> MacroRun:
    run = each.run
    places = [row.second if at else row.first for row in rows]
    metrics = {
        name: _aligned(run.macro(name, view.variant), places)
        for name in ("discriminability", "density")
    }
    tips = [
        [""] * len(run.epochs)
        if place is None
        else [
            f"{escape(each.name)}, {run.layers[place].name}, epoch {epoch}<br>"
            + "<br>".join(f"{view.name(name)} {metrics[name][row, e]:.3g}" for name in metrics)
            for e, epoch in enumerate(run.epochs)
        ]
        for row, place in enumerate(places)
    ]
    return MacroRun(
        name=escape(each.name),
        epochs=run.epochs,
        values=metrics[view.metric],
        digits=metrics.get(view.digits),
        tips=tips,
        curves=run.curves,
        lowered=run.rate_lowered,
        vulnerability=each.vulnerability,
    )


def _aligned(values: NDArray[np.floating], places: Sequence[int | None]) -> NDArray[np.floating]:
    nothing = np.full(values.shape[1], np.nan)
    return np.stack([nothing if place is None else values[place] for place in places])


def _warned_rows(
    opened: Sequence[OpenRun], warnings: Sequence[Sequence[Warned]], rows: Sequence[Row]
) -> list[str]:
    found = []
    for at, each in enumerate(opened):
        places = {_place(each.run, warned.layer) for warned in warnings[at]}
        found += [row.name for row in rows if (row.second if at else row.first) in places]
    return found


def _warnings(name: str, found: Sequence[Warned]) -> None:
    """The rules that hold, each with its layers; `name` tells one run from another."""
    whose = f" of {plain(name)}" if name else ""
    if not found:
        st.markdown(f":material/check_circle: No warning{whose}: no rule holds at any epoch.")
        return
    layers = len({warned.layer for warned in found})
    label = f"{counted(len(found), 'warning')} in {counted(layers, 'layer')}{whose}"
    with st.expander(label, icon=":material/warning:", expanded=len(found) <= 8):
        for rule in dict.fromkeys(warned.rule for warned in found):
            those = [warned for warned in found if warned.rule == rule]
            told = "; ".join(
                f"**{warned.layer}** (epochs {spans(warned.epochs)}, {short(warned.value)})"
                for warned in those
            )
            st.markdown(f"**{rule[:1].upper()}{rule[1:]}** ({those[0].sentence}): {told}")
        st.caption("In brackets: when the rule held, and its measure where it was furthest.")


def _vulnerability(opened: Sequence[OpenRun]) -> None:
    """What the last row shows, or how it is made where it is missing."""
    measured = [each for each in opened if each.vulnerability]
    if measured:
        numbers = {each.vulnerability[0]["benign"] for each in measured}
        st.caption(
            "One pixel: share of the images that the network gets right which one changed pixel "
            "flips (`fast`, a fixed budget of queries), and how well the divergence detector (W1) "
            "tells the flipped ones from benign ones (AUROC, 0.5 = not at all); of "
            f"{' and '.join(map(str, sorted(numbers)))} validation images, with 95% intervals. "
            "Points stand at the epochs that were attacked; lines only join them."
        )
    for each in opened:
        if not each.vulnerability:
            st.caption(
                ":material/info: How easily one pixel flips the network, and how well the detector "
                f"sees it, was not measured for {plain(each.name)}. To see it per epoch in a last "
                "row: "
                f"{_measuring(each)}"
            )


def _measuring(each: OpenRun) -> str:
    """The command that measures it, in Markdown; a folder that is remembered is not named."""
    data, root = str(each.run.about["data"]), str(each.run.about.get("root", ""))
    if root and own_place(root):
        return evolve_command(each.name, "--vulnerability")
    if root:
        told = evolve_command(each.name, "--vulnerability", "--data", "FOLDER")
        return f"{told} (FOLDER: where its images lie now)"
    place = ".data" if data == "folder" else data
    return evolve_command(each.name, "--vulnerability", "--data", place)
