"""Where two classes part on a graph, ranked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.legible.plurals import counted
from ndcore.topology.branches import branches
from pages.ui.elements.csv_button import formats
from pages.ui.frame.link import choice
from pages.ui.frame.words import plain
from pages.ui.topology.graphs import Made, cluster_buttons

MOST = 8
ABOUT = {
    "entropy": "how even the mix of the two classes is: 1 where half of it is either",
    "apart": "how far the two neighbours are apart: the share of the first class in the one less "
    "that in the other",
    "score": "entropy times apart",
}


def usual_classes(made: Made, pair: Pair | None) -> tuple[int, int]:
    """The pair's class and the class that is most mixed with it; else the most mixed two."""
    counts = made.facts.classes.astype(np.float64)
    mixed = counts.T @ counts
    np.fill_diagonal(mixed, -1)
    first = None if pair is None else pair.label
    if first is None or not counts[:, first].any():
        first = int(np.unravel_index(int(mixed.argmax()), mixed.shape)[0])
    return first, int(mixed[first].argmax())


def branches_panel(bundle: Bundle, made: Made, pair: Pair | None) -> None:
    """Two classes, and the clusters from which the graph goes on to either."""
    present = [int(label) for label in np.flatnonzero(made.facts.classes.any(0))]
    if len(present) < 2:
        st.caption("The graph holds images of one class only, so nothing parts.")
        return
    names = [bundle.classes[label] for label in present]
    first, second = usual_classes(made, pair)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = [
        bundle.class_index(
            choice(
                row.selectbox,
                label,
                names,
                key=f"topology_{key}",
                default=bundle.classes[usual],
                format_func=plain,
                width=180,
            )
        )
        for label, key, usual in (("Between", "first", first), ("and", "second", second))
    ]
    if chosen[0] == chosen[1]:
        st.info("Choose two different classes.")
        return
    every = branches(made.graph, made.facts, *chosen)
    found = every[:MOST]
    told = [plain(bundle.classes[label]) for label in chosen]
    if not found:
        st.info(
            f"No cluster of {plain(made.layer)} holds both and goes on to either: with these "
            f"settings {told[0]} and {told[1]} do not part within the graph."
        )
        return
    st.caption(
        f"Clusters with both classes, from which one neighbour holds more {told[0]} and another "
        f"more {told[1]}. Ranked by how even the mix is (entropy) times how far apart the two "
        "neighbours are."
    )
    cluster_buttons(made, [each.node for each in found], "branch")
    frame = pd.DataFrame(
        {
            "cluster": [each.node for each in found],
            "images of both": [each.share.n for each in found],
            f"share of {bundle.classes[chosen[0]]}": [each.share.share for each in found],
            "entropy": [each.entropy for each in found],
            "goes on to": [f"{each.towards[0]} and {each.towards[1]}" for each in found],
            "apart": [each.apart for each in found],
            "score": [each.score for each in found],
        }
    )
    shares = (f"share of {bundle.classes[chosen[0]]}", "apart")
    st.dataframe(
        frame,
        hide_index=True,
        key="branches",
        column_config=formats({"percent": shares, "%.2f": ("entropy", "score")}, ABOUT),
    )
    if len(every) > MOST:
        st.caption(f"{MOST} of {counted(len(every), 'branch point')}: those that rank first.")
