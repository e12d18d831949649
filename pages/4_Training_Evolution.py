"""Training Evolution: watch a network learn, from the whole over a layer down to one neuron."""

from __future__ import annotations

import streamlit as st

from ndcore.errors import RunError
from ndcore.evolution import list_runs
from pages.ui.evolution.findings import findings_panel
from pages.ui.evolution.layer import choose_epoch, choose_layer, choose_unit, layer_panel
from pages.ui.evolution.network import macro_panel, rows_of
from pages.ui.evolution.runs import OpenRun, choose_runs, keep_looking
from pages.ui.evolution.state import View, view_controls
from pages.ui.evolution.unit import unit_panel
from pages.ui.frame.page import setup
from pages.ui.frame.words import plain, sentence

WIDTH = 300


def told(opened: list[OpenRun]) -> None:
    """One line per run: what it is and how well it does."""
    for each in opened:
        run = each.run
        words = f"**{plain(each.name)}** · {len(run.layers)} layers · {len(run.epochs)} epochs"
        found = run.result.get("test_accuracy")
        if found is not None:
            words += f" · test accuracy {100 * float(found):.2f}%"
        last = run.curves["validation_top1_error"][-1]
        words += f" · validation top-1 error {100 * last:.1f}% (n = {run.about['validation']:,})"
        st.markdown(words)


def levels(opened: list[OpenRun], view: View) -> None:
    """The network, a layer and a neuron, one below the other."""
    first = opened[0]
    detailed = first.run.detailed
    # Drawn above what decides it: the overview shows which layer and epoch are chosen below.
    overview = st.container()
    st.header("A layer", divider="grey")
    row = st.container(horizontal=True, gap="medium", vertical_alignment="top")
    places = [row.container(width=WIDTH) for _ in range(3)]
    layer = choose_layer(places[0], first)
    epoch = choose_epoch(places[2], first) if detailed else None
    with overview:
        macro_panel(opened, view, layer)
    unit = choose_unit(places[1], first, layer, view)
    try:
        layer_panel(opened, rows_of(opened), view, layer, epoch, unit)
        if epoch is not None:
            st.header("A neuron", divider="grey")
            unit_panel(first, layer, unit, epoch)
    except RunError as error:  # details are read when they are asked for
        st.error(sentence(error))


def main() -> None:
    """Lay out the page."""
    bundle = setup("Training Evolution")
    if bundle is None and not list_runs():
        return
    if bundle is not None:
        st.title("Training Evolution")
    st.caption(
        "How a network learns, after Deep View: how well its neurons tell the classes apart and "
        "how much they fire, at every recorded epoch. From the network to a layer to a neuron."
    )
    opened = choose_runs()
    if not opened:
        return
    told(opened)
    keep_looking(opened)
    levels(opened, view_controls())
    findings_panel()


main()
