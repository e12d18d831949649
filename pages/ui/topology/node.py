"""A cluster: its images, what they have in common, and where they can be sent."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import small_png
from ndcore.data.pairs import Pair
from ndcore.figures.style.palette import distinct_colours
from ndcore.figures.style.rows import Bar, Row, rows_markup
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from ndcore.study.incoming import MOST, Images
from ndcore.tasks.triage import TriageJob
from pages.ui.elements.download import download
from pages.ui.elements.pictures import show_image
from pages.ui.elements.tiles import tile_key, tile_row
from pages.ui.frame import loaders
from pages.ui.frame.page_list import DETECTOR
from pages.ui.frame.pair import keep_pair
from pages.ui.frame.words import plain
from pages.ui.images.picker import ready_sources
from pages.ui.images.triage_job import start
from pages.ui.topology.attacked import attacked_members
from pages.ui.topology.graphs import Made
from pages.ui.topology.vectors import missing_words, pixels_of

SHOWN, AVERAGED = 24, 200
MOST_CLASSES = 6
SIDE, TILE = 64, 68
ROW = "cluster"


def node_panel(bundle: Bundle, made: Made) -> None:
    """The chosen node of a graph; a hint where there is none."""
    node = made.node()
    if node < 0:
        return
    members = made.graph.nodes[node]
    space, facts = made.opened.space, made.facts
    label = int(facts.majority[node])
    purity = Rate(int(facts.classes[node, label]), len(members))
    told = counted(len(members), "image")
    if made.attacked is not None:
        more = int(made.attacked.counts(len(made.graph.nodes))[node])
        told = f"{len(members):,} benign and {counted(more, 'attacked image')}"
    st.header(f"Cluster {node} of {plain(made.layer)}: {told}")
    st.markdown(
        f"**{plain(bundle.classes[label])} {purity.percent(0)}** of its images "
        f"(purity; 95% interval {purity.interval(0)}); "
        f"{facts.error[node]:.0%} taken for a wrong class; mean length {facts.norm[node]:.3g}."
    )
    # The nearest to the middle first: they show what the cluster is about.
    values = space.take(members).wide
    order = np.argsort(np.linalg.norm(values - values.mean(0), axis=1), kind="stable")
    ordered = members[order]
    left, right = st.columns([2, 5])
    with left:
        st.html(_mix(bundle, made, node))
    pixels = pixels_of(bundle, space.keys[ordered[:AVERAGED]].tolist())
    with right:
        if pixels is None:
            st.info(missing_words(bundle))
        else:
            _pictures(bundle, made, ordered, pixels)
    attacked = attacked_members(bundle, made, node)
    _onward(bundle, made, node, (ordered, attacked), pixels)


def _mix(bundle: Bundle, made: Made, node: int) -> str:
    counts = made.facts.classes[node]
    order = [int(i) for i in np.argsort(-counts, kind="stable")[:MOST_CLASSES] if counts[i]]
    colours = distinct_colours(order, len(bundle.classes))
    total = int(made.facts.sizes[node])
    rows = [
        Row(
            bundle.classes[i],
            (Bar(counts[i] / total, colour),),
            f"{counts[i]} · {counts[i] / total:.0%}",
        )
        for i, colour in zip(order, colours, strict=True)
    ]
    return rows_markup(rows, label="Classes of the cluster", title="True classes")


def _pictures(
    bundle: Bundle, made: Made, ordered: NDArray[np.int64], pixels: NDArray[np.uint8]
) -> None:
    row = st.container(horizontal=True, gap="medium")
    place = row.container(width=110)
    average = np.rint(pixels.mean(0)).astype(np.uint8)
    show_image(average, f"average of {counted(len(pixels), 'image')}", width=104, place=place)
    with row.container():
        space = made.opened.space
        found = {str(space.keys[at]): at for at in ordered[:SHOWN].tolist()}
        images = dict(zip(found, pixels, strict=False))
        tiles = tile_row(ROW, {key: small_png(image, SIDE) for key, image in images.items()})
        for key, image in images.items():
            at = found[key]
            label, seen = int(space.labels[at]), int(space.predicted[at])
            told = bundle.classes[label]
            if seen != label:
                told = f"{told} → {bundle.classes[seen]}"
            tiles.button(
                plain(told),
                key=tile_key(ROW, key),
                width=TILE,
                help=plain(f"{key}: make it the current image of every page", 200),
                on_click=keep_pair,
                args=(bundle, Pair(key, image, None, label)),
            )
    if len(ordered) > SHOWN:
        st.caption(f"The {SHOWN} nearest to the cluster's middle, of {len(ordered):,}.")


def _onward(
    bundle: Bundle,
    made: Made,
    node: int,
    members: tuple[NDArray[np.int64], pd.DataFrame | None],
    pixels: NDArray[np.uint8] | None,
) -> None:
    ordered, attacked = members
    space = made.opened.space
    row = st.container(horizontal=True)
    frame = pd.DataFrame(
        {
            "image": space.keys[ordered],
            "class": [bundle.classes[label] for label in space.labels[ordered]],
            "taken for": [bundle.classes[label] for label in space.predicted[ordered]],
            "lens": made.lens[ordered],
            "divergence": space.divergence[ordered],
        }
    )
    if attacked is not None:
        frame = pd.concat([frame.assign(set="benign"), attacked.assign(set="attacked")])
    download(
        "Ids of its images",
        lambda: frame.to_csv(index=False),
        f"{bundle.name}-{made.layer}-cluster{node}.csv",
        key="cluster_ids",
        place=row,
    )
    detectors = loaders.detectors(bundle)
    sources = ready_sources(bundle)
    if row.button(
        f"Judge {counted(min(MOST, len(ordered)), 'image')} in the {DETECTOR.name}",
        icon=":material/checklist:",
        disabled=pixels is None or not detectors.usual or not sources,
        key="cluster_triage",
    ):
        images = _to_judge(bundle, made, ordered[:MOST])
        if images is not None:
            words = f"cluster {node} of {made.layer}"
            work = TriageJob(words, detectors.usual, images, {})
            link = {
                "bundle": bundle.name,
                "detector_tab": "Many images",
                "triage_images": sources[0],
            }
            start(bundle, work, partial(st.switch_page, DETECTOR.path, query_params=link))


def _to_judge(bundle: Bundle, made: Made, members: NDArray[np.int64]) -> Images | None:
    space = made.opened.space
    keys = space.keys[members].tolist()
    pixels = pixels_of(bundle, keys)
    if pixels is None:
        return None
    return Images(
        ids=tuple(keys),
        labels=space.labels[members],
        pixels=pixels,
        sets=("benign",) * len(keys),
        attacked=np.zeros(len(keys), np.int8),
    )
