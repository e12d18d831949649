"""Where attacked images go: in words, ranked by cluster, and those of one cluster."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import small_png
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.style.palette import ATTACKED
from ndcore.legible.plurals import counted
from ndcore.topology.attacked import Crowd, attacked_sentence, crowds
from ndcore.topology.placing import Yardstick, yardstick
from pages.ui.elements.csv_button import formats
from pages.ui.elements.tiles import tile_key, tile_row
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.pair import keep_pair
from pages.ui.frame.words import plain
from pages.ui.images.gallery import rows_here
from pages.ui.topology.graphs import Made, cluster_buttons

MOST, SHOWN = 12, 12  # buttons, and images of a cluster
SIDE, TILE = 64, 68
ABOUT = {
    "attacked": "attacked images that lie in the cluster",
    "benign": "benign images that made it",
    "share": "attacked images among all of the cluster",
    "benign class": "the commonest of its benign images",
}
ROW = "attacked"
FRAME = (
    f'<style>[class*="st-key-tile_{ROW}_"] button::before{{outline:3px solid {ATTACKED};'
    "outline-offset:-3px}</style>"
)


def attacked_words(made: Made) -> str:
    """How many attacked images lie on the graph, beside how many benign ones do; "" without any."""
    if made.attacked is None:
        return ""
    return attacked_sentence(made.attacked, _benign(made.key, made), plain(made.layer))


# One tenth only: every change of a setting waits for it. The command lays all ten.
@st.cache_data(max_entries=64, show_spinner=False)
@known_signature
def _benign(key: str, _made: Made) -> Yardstick:
    space = _made.opened.space
    return yardstick(space.wide, _made.lens, _made.graph.settings, space.wrong, tenths=1)


def crowds_of(made: Made) -> list[Crowd]:
    """The graph's clusters with attacked images, those with the most first."""
    if made.attacked is None or made.opened.attacks is None:
        return []
    return crowds(made.graph, made.attacked, made.opened.attacks)


def attacked_panel(bundle: Bundle, made: Made) -> None:
    """The clusters that attacked images crowd into, ranked."""
    if made.attacked is None:
        st.caption("There are no attacked images of this bundle on this machine.")
        return
    found = crowds_of(made)
    if not found:
        st.info(f"No attacked image lies in a cluster of {plain(made.layer)}.")
        return
    more = len(found) - MOST
    st.caption(
        f"{len(found):,} of {counted(len(made.graph.nodes), 'cluster')} hold attacked images; "
        "those with the most first"
        + (f", {MOST} of {len(found):,} as buttons and all in the table." if more > 0 else ".")
    )
    cluster_buttons(made, [each.node for each in found[:MOST]], f"crowd_{made.layer}")
    frame = pd.DataFrame(
        {
            "cluster": [each.node for each in found],
            "attacked": [len(each.members) for each in found],
            "benign": [each.benign for each in found],
            "share": [round(each.share, 2) for each in found],
            "benign class": [bundle.classes[made.facts.majority[each.node]] for each in found],
            "attacks, most often": [_turned(bundle, each) for each in found],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=f"crowds_{made.layer}",
        column_config=formats({"percent": ("share",)}, ABOUT),
    )


def _turned(bundle: Bundle, crowd: Crowd) -> str:
    label, seen, count = crowd.turned[0]
    before = bundle.classes[label] if label >= 0 else "?"
    return f"{before} → {bundle.classes[seen]} ({count} of {len(crowd.members)})"


def attacked_members(bundle: Bundle, made: Made, node: int) -> pd.DataFrame | None:
    """The attacked images of a cluster, framed, where they are here; and their list.

    Returns:
        Their ids and classes; None where the cluster holds none.
    """
    crowd = next((each for each in crowds_of(made) if each.node == node), None)
    space = made.opened.attacks
    if crowd is None or space is None:
        return None
    members = list(crowd.members)
    st.markdown(f"**{counted(len(members), 'attacked image')}** that the layer answers alike:")
    st.html(FRAME)
    rows = defaultdict(list)
    for row in rows_here(bundle):
        rows[row.id].append(row)
    # One image may have been attacked more than once: the rows of an id are in the same order.
    before = [space.keys[:at].tolist().count(space.keys[at]) for at in members]
    find = loaders.find(bundle)
    found: dict[str, tuple[GalleryRow, Pair]] = {}
    for at, earlier in list(zip(members, before, strict=True))[:SHOWN]:
        try:
            row = rows[str(space.keys[at])][earlier]
            found[f"{row.id} {earlier}"] = row, row.look_up(find)
        except (IndexError, NeuralDivergenceError):
            continue
    pictures = {name: small_png(pair.images[-1], SIDE) for name, (_, pair) in found.items()}
    tiles = tile_row(ROW, pictures)
    for name, (row, pair) in found.items():
        tiles.button(
            plain(f"{row.predicted_before} → {row.predicted_after}"),
            key=tile_key(ROW, name),
            width=TILE,
            help=plain(f"{row.id}: make it the current pair of every page", 200),
            on_click=keep_pair,
            args=(bundle, pair),
        )
    return pd.DataFrame(
        {
            "image": space.keys[members],
            "class": [
                bundle.classes[label] if label >= 0 else "" for label in space.labels[members]
            ],
            "taken for": [bundle.classes[label] for label in space.predicted[members]],
            "divergence": space.divergence[members],
        }
    )
