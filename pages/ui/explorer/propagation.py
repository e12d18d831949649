"""How the changed pixel spreads through the layers: maps, finding, numbers."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from ndcore.activations.receptive import grid_of
from ndcore.analysis.propagation import LayerChange, propagate, propagation_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.figures.explorer.propagation import propagation_maps, propagation_rows
from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import folded_table
from pages.ui.elements.pictures import rings
from pages.ui.explorer.positions import known_fields
from pages.ui.frame.known_signature import known_signature
from pages.ui.images.pair_key import pair_key


def propagation_panel(bundle: Bundle, pair: Pair) -> None:
    """What differs between the pair's images at every layer."""
    ringed = "; the ring is where a changed pixel lies" if rings(pair.changes) else ""
    st.caption(
        "Per convolution layer, how much the neurons at each position differ between the attacked "
        f"and the benign image, on average over the layer{ringed}."
    )
    if pair.attacked is None:
        st.info("There is no attacked image to compare with: make one in the Attack Lab.")
        return
    changes = _changes(pair_key(bundle, pair), bundle, pair)
    st.markdown(propagation_sentence(changes))
    st.html(propagation_maps(changes, _places(bundle, pair, changes)))
    dense = propagation_rows(changes)
    if dense:
        st.html(dense)
    told, make = counted(len(changes), "layer"), partial(propagation_table, changes)
    folded_table(told, make, f"{bundle.name}-propagation.csv", "propagation")


@st.cache_data(max_entries=64, show_spinner=False)
@known_signature
def _changes(key: str, _bundle: Bundle, _pair: Pair) -> tuple[LayerChange, ...]:
    assert _pair.attacked is not None
    return propagate(_bundle.model, _bundle.layers, _pair.benign, _pair.attacked)


def _places(
    bundle: Bundle, pair: Pair, changes: tuple[LayerChange, ...]
) -> dict[str, list[tuple[float, float]]]:
    """Where the changed pixels lie on each layer's map; nowhere when they are too many to ring."""
    fields = known_fields(bundle)
    pixels = rings(pair.changes)
    return {
        change.layer: [
            grid_of(change.difference.shape, bundle.shape, fields.get(change.layer)).place_of(*at)
            for at in pixels
        ]
        for change in changes
        if change.difference is not None
    }


def propagation_table(changes: tuple[LayerChange, ...]) -> pd.DataFrame:
    """One row per layer; what only layers with positions have is empty for the others."""
    rows = []
    for change in changes:
        height, width = change.difference.shape if change.difference is not None else (None, None)
        rows.append(
            {
                "layer": change.layer,
                "rows": height,
                "columns": width,
                "positions changed": change.positions_changed,
                "share of positions": change.share_touched,
                "neurons": change.units,
                "neurons changed": change.units_changed,
                "share of neurons": change.units_changed / change.units,
                "relative L2 change": change.relative,
                "largest mean difference": change.largest,
            }
        )
    whole = ["rows", "columns", "positions changed"]
    return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64"))
