"""Where a neuron stands that is not in the drawing of a class, and how it is brought there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import COUNT, INFLUENCE, Unit
from ndcore.concept_graph.drawing import Rule, chosen_units
from ndcore.concept_graph.measured import Measured
from pages.ui.frame.words import plain
from pages.ui.graph.choices import CLASS, MOST_UNITS, Chosen

MOST_CLASSES = 20  # among which the one is looked for in which a neuron counts most


def tell_standing(
    bundle: Bundle, graphs: ClassGraphs, chosen: Chosen, unit: Unit, place: DeltaGenerator
) -> None:
    """One sentence, and a button that draws the neuron, or the class in which it counts most."""
    if chosen.view != CLASS:
        place.info(
            "This neuron is not in the drawing: others of its layer differ more. “More” lets more "
            "of them be drawn, and “One class” says where it stands."
        )
        return
    name = plain(bundle.classes[chosen.label])
    if unit.layer == list(graphs.units)[-1]:
        place.info(
            f"This neuron is not in the drawing: the graph of {name} ends at the logit of {name}."
        )
        _offer_class(bundle, place, unit.unit if unit.unit in graphs.labels else None)
        return
    most = _drawn_with(graphs, chosen.label, unit)
    place.info(f"This neuron is not in the drawing: {_rank(graphs, chosen.label, unit, name)}.")
    if most is None:
        _offer_class(bundle, place, _counts_most(graphs, chosen.label, unit))
    elif most > chosen.units:
        place.button(
            f"Draw up to {most} neurons of a layer",
            key="graph_draw_more",
            on_click=_choose,
            args=("graph_units", most),
        )


def never_drawn(graphs: ClassGraphs, chosen: Chosen, units: Sequence[Unit]) -> int:
    """How many of some units no number of neurons brings into the drawing of a class."""
    if chosen.view != CLASS:
        return 0
    most = graphs.of_class(chosen.label, Rule(most=MOST_UNITS))
    return len(set(units) - {node.unit for node in most.nodes})


def _rank(graphs: ClassGraphs, label: int, unit: Unit, name: str) -> str:
    """Why it is not drawn, as the end of a sentence."""
    known, rule = graphs.measured(label), Rule(most=MOST_UNITS)
    values, kind = _counted_by(known, unit.layer)
    mine = float(values[unit.unit])
    what = f"influence on {name}" if kind == INFLUENCE else "how often they are strong"
    if not mine > 0:
        return f"it has no part in its layer's {what}"
    rank, share = _place(values, unit), mine / values.sum()
    told = f"it is number {rank:,} of {len(values):,} in its layer by {what}"
    if kind == INFLUENCE:
        told += f" ({'under 0.1%' if share < 0.001 else f'{share:.1%}'} of it)"
    few = len(chosen_units(known, unit.layer, rule))
    if rank <= few:
        return told
    why = f"which carry {rule.nodes:.0%}" if few < MOST_UNITS else "which is the most"
    return f"{told}, and the first {few}, {why}, can be drawn"


def _drawn_with(graphs: ClassGraphs, label: int, unit: Unit) -> int | None:
    """How many neurons of a layer have to be drawn for it to be among them."""
    rank = _place(_counted_by(graphs.measured(label), unit.layer)[0], unit)
    for most in sorted({min(rank, MOST_UNITS), MOST_UNITS}):
        if any(node.unit == unit for node in graphs.of_class(label, Rule(most=most)).nodes):
            return most
    return None


def _counted_by(known: Measured, layer: str) -> tuple[NDArray[np.floating], str]:
    """What the neurons of a layer are drawn by: their influence, where that is known."""
    influence = known.values[layer][INFLUENCE].value
    if np.isnan(influence).all():
        return known.values[layer][COUNT].value, COUNT
    return influence, INFLUENCE


def _place(values: NDArray[np.floating], unit: Unit) -> int:
    return 1 + int((values > values[unit.unit]).sum())


def _counts_most(graphs: ClassGraphs, label: int, unit: Unit) -> int | None:
    """The class in which it counts most, if it can be in the drawing there."""
    shares = {
        each: float(_counted_by(graphs.measured(each), unit.layer)[0][unit.unit])
        for each in graphs.labels[:MOST_CLASSES]
        if each != label
    }
    best = max(shares, key=lambda each: shares[each], default=None)
    return best if best is not None and _drawn_with(graphs, best, unit) else None


def _offer_class(bundle: Bundle, place: DeltaGenerator, label: int | None) -> None:
    if label is None:
        place.caption(
            "Nor has the class in which it counts most room for it: the Activation Explorer "
            "shows it."
        )
        return
    name = bundle.classes[label]
    place.button(
        f"Draw the graph of {plain(name)}, where it counts",
        key="graph_draw_class",
        on_click=_choose,
        args=("graph_class", name),
    )


def _choose(key: str, value: object) -> None:
    """Callback: set a control."""
    st.session_state[key] = value
