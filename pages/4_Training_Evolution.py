"""Training Evolution: watch a network learn, from the whole over a layer down to one neuron."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.errors import RunError
from ndcore.evolution import list_runs
from ndcore.legible.plurals import counted
from pages.ui.evolution.epoch_graph import graph_panel
from pages.ui.evolution.findings import findings_panel
from pages.ui.evolution.layer import (
    choose_epoch,
    choose_layer,
    choose_unit,
    detailed_epoch,
    layer_panel,
)
from pages.ui.evolution.network import LAYER, macro_panel, rows_of
from pages.ui.evolution.runs import OpenRun, choose_runs, keep_looking
from pages.ui.evolution.state import view_controls
from pages.ui.evolution.unit import unit_panel
from pages.ui.frame.link import choice, just_linked
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import EVOLUTION
from pages.ui.frame.story_banner import story_banner
from pages.ui.frame.words import plain, sentence

LAYER_PX, NEURON_PX, EPOCH_PX = 220, 215, 150  # their names whole, all controls on one line
NETWORK, NEURON, GRAPH, FINDINGS = "Network", "Neuron", "Graph", "Findings"


def told(opened: list[OpenRun]) -> None:
    """One line per run: what it is and how well it does."""
    for each in opened:
        run = each.run
        words = f"**{plain(each.name)}** · {counted(len(run.layers), 'layer')}"
        words += f" · {counted(len(run.epochs), 'epoch')}"
        found = run.result.get("test_accuracy")
        if found is not None:
            words += f" · test accuracy {100 * float(found):.2f}%"
        last = run.curves["validation_top1_error"][-1]
        words += f" · validation top-1 error {100 * last:.1f}% (n = {run.about['validation']:,})"
        st.markdown(words)


def choose_part(row: DeltaGenerator) -> str:
    """Which part of the page is drawn; older links opened the findings below all others."""
    if just_linked("findings") and not just_linked("part"):
        st.session_state["evo_part"] = FINDINGS
    return choice(
        row.segmented_control,
        "Part",
        (NETWORK, LAYER, NEURON, GRAPH, FINDINGS),
        key="evo_part",
        name="part",
    )


def levels(opened: list[OpenRun], part: str) -> None:
    """The network, a layer or a neuron."""
    first = opened[0]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    layer_place = row.container(width=LAYER_PX)
    unit_place = row.container(width=NEURON_PX) if part != NETWORK else None
    layer = choose_layer(layer_place, first)
    epoch = choose_epoch(row.container(width=EPOCH_PX), first)
    view = view_controls(row)
    if unit_place is None:
        macro_panel(opened, view, layer, epoch)
        return
    unit = choose_unit(unit_place, first, layer, view, epoch)
    try:
        if part == LAYER:
            layer_panel(opened, rows_of(opened), view, layer, epoch, unit)
        elif (kept := detailed_epoch(first, epoch)) is not None:
            unit_panel(first, layer, unit, kept)
        else:
            st.info("No epoch with patches has been recorded yet.")
    except RunError as error:  # details are read when they are asked for
        st.error(sentence(error))


def main() -> None:
    """Lay out the page."""
    bundle = setup("Training Evolution")
    if bundle is None and not list_runs():
        return
    if bundle is not None:
        st.title("Training Evolution")
        story_banner(EVOLUTION)
    st.caption(
        "How well a network's neurons tell the classes apart, and how much they fire, at every "
        "recorded epoch (after Deep View, Zhong et al. 2017)."
    )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    opened = choose_runs(row)
    if not opened:
        return
    part = choose_part(row)
    told(opened)
    keep_looking(opened)
    if part == FINDINGS:
        findings_panel()
    elif part == GRAPH:
        try:
            graph_panel(opened[0])
        except RunError as error:
            st.error(sentence(error))
    else:
        levels(opened, part)


main()
