"""Where in the image chosen conv neurons fired: maps over the pair, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.activations.maps import Peak, activation_maps, peak, units_to_show
from ndcore.activations.receptive import Grid, ReceptiveField, grid_of, receptive_fields
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.figures.explorer.positions import position_map
from ndcore.figures.style.ramp import ramp_bar
from pages.ui.elements.csv_button import folded_table
from pages.ui.elements.pictures import rings
from pages.ui.explorer.view import forget
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, several
from pages.ui.images.pair_key import pair_key

MOST_UNITS = 4
WIDTH = 200
NAMES = ("benign", "attacked")


def positions_panel(
    bundle: Bundle, pair: Pair, marks: Mapping[str, Sequence[int]], layers: Sequence[str]
) -> None:
    """Activation maps of chosen neurons over the pair's images.

    Args:
        bundle, pair: current.
        marks: layer -> marked units; they are shown first.
        layers: that the user looks at; the first convolution layer among them is offered first.
    """
    diamond = " A red diamond is a changed pixel." if rings(pair.changes) else ""
    st.caption(
        "A convolution neuron has a value at every position: brighter cells fired more strongly, "
        "the ring is the strongest one and the dashed frame, where it is known, is what that one "
        f"sees of the image.{diamond}"
    )
    conv = [layer for layer in bundle.layers if "max" in bundle.reductions(layer)]
    if not conv:
        st.info("This model has no convolution layer, so its neurons have no positions.")
        return
    key = pair_key(bundle, pair)
    chooser = st.container(horizontal=True)
    # At first a layer with marks, else one that is looked at.
    wanted = [layer for layer in conv if marks.get(layer)]
    wanted += [layer for layer in conv if layer in layers]
    first = wanted[0] if wanted else conv[0]
    forget("positions_layer", first)
    layer = choice(
        chooser.selectbox,
        "Convolution layer",
        conv,
        key="positions_layer",
        default=first,
        width=230,
    )
    maps = _maps(key, layer, bundle, pair)
    marked = tuple(marks.get(layer, ()))
    # A new pair, layer or set of marks begins with its own neurons.
    forget("positions_units", (key, layer, marked))
    chosen = several(
        chooser.multiselect,
        "Neurons",
        [str(unit) for unit in range(maps.shape[1])],
        default=[str(unit) for unit in units_to_show(maps, marked)],
        max_selections=MOST_UNITS,
        width=420,
        key="positions_units",
        help="At first the marked ones, else those that the attack changed most.",
    )
    units = [int(unit) for unit in chosen]
    if not units:
        st.info("Choose a neuron to see where it fired.")
        return
    grid = grid_of(maps.shape[2:], bundle.shape, known_fields(bundle).get(layer))
    blocks = st.container(horizontal=True, gap="medium")
    for unit in units:
        with blocks.container(width=(WIDTH + 16) * len(maps)):
            _show_unit(bundle, pair, maps[:, unit], grid, f"{layer} · {unit}")
    make = partial(positions_table, bundle, maps, units, grid, layer)
    told = f"neurons {', '.join(map(str, units))} of {layer}"
    folded_table(told, make, f"{bundle.name}-{layer}-positions.csv", "positions")


def known_fields(bundle: Bundle) -> dict[str, ReceptiveField]:
    """Receptive fields of the layers where they are known."""
    return _fields(bundle.weight_hash, bundle.layers, bundle)


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _fields(
    weight_hash: str, layers: tuple[str, ...], _bundle: Bundle
) -> dict[str, ReceptiveField]:
    return receptive_fields(_bundle.model, layers, _bundle.shape)


@st.cache_data(max_entries=64, show_spinner=False)
@known_signature
def _maps(key: str, layer: str, _bundle: Bundle, _pair: Pair) -> np.ndarray:
    return activation_maps(_bundle.model, [layer], np.stack(_pair.images))[layer]


def _show_unit(bundle: Bundle, pair: Pair, values: np.ndarray, grid: Grid, name: str) -> None:
    """One neuron on the benign and, where there is one, the attacked image, on one scale."""
    low, high = float(min(values.min(), 0)), float(values.max())
    st.html(
        '<div style="display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center;font-size:13px">'
        f'<b style="margin-right:8px">{escape(name)}</b>'
        '<span style="display:inline-flex;gap:8px;align-items:center;white-space:nowrap">'
        f"<span>{low:.2f}</span>{ramp_bar()}<span>{high:.2f}</span></span></div>"
    )
    columns = st.columns(len(values))
    for column, image, who, one in zip(columns, pair.images, NAMES, values, strict=False):
        strongest = peak(one)
        words = _words(strongest, grid, bundle.shape)
        column.html(
            position_map(
                image,
                one,
                grid,
                strongest,
                scale=(low, high),
                label=f"{name}, {who}: {words}",
                changed=rings(pair.changes),
                width=WIDTH,
            )
        )
        column.caption(f"**{who}**: {words}")


def _words(strongest: Peak | None, grid: Grid, shape: Sequence[int]) -> str:
    """The strongest position in words."""
    if strongest is None:
        return "silent everywhere"
    told = f"strongest {strongest.value:.2f} at (row {strongest.row}, column {strongest.col})"
    told += f" of {grid.size[0]} x {grid.size[1]}"
    sees = grid.sees(strongest.row, strongest.col, shape)
    if sees is None:
        return told
    (top, bottom), (left, right) = sees
    return f"{told}; it sees rows {top}-{bottom}, columns {left}-{right}"


def positions_table(
    bundle: Bundle, maps: np.ndarray, units: Sequence[int], grid: Grid, layer: str
) -> pd.DataFrame:
    """One row per neuron and image.

    Args:
        bundle: gives the image's shape.
        maps: (N, units, h, w) of the layer.
        units: to list.
        grid: of the layer's map.
        layer: its name.
    """
    rows = []
    for unit in units:
        for who, values in zip(NAMES, maps[:, unit], strict=False):
            row = {
                "layer": layer,
                "neuron": unit,
                "image": who,
                "strongest": float(values.max()),
                "mean": float(values.mean()),
                "share of positions above 0": float((values > 0).mean()),
            }
            strongest = peak(values)
            if strongest is not None:
                row |= {"row": strongest.row, "column": strongest.col}
                sees = grid.sees(strongest.row, strongest.col, bundle.shape)
                if sees is not None:
                    (top, bottom), (left, right) = sees
                    row |= {"sees from row": top, "to row": bottom}
                    row |= {"from column": left, "to column": right}
            rows.append(row)
    frame = pd.DataFrame(rows)
    places = ["row", "column", "sees from row", "to row", "from column", "to column"]
    # A silent neuron has no place, and whole numbers stay whole beside it.
    return frame.astype({name: "Int64" for name in places if name in frame})
