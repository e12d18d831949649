"""A picture per page for Home, from what the chosen bundle and the recorded runs hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.evolution import list_runs, load_run
from ndcore.figures.graph.class_scene import Look, class_scene
from ndcore.figures.home.small_pictures import (
    MOST_COLUMNS,
    activation_rows,
    graph_dots,
    layer_heat,
    layered_graph,
    ringed_images,
    score_humps,
)
from ndcore.figures.style.palette import class_colours, distinct_colours
from ndcore.study.saved import SavedStudy
from ndcore.topology.kept import SHIPPED, find_space
from ndcore.topology.layout import layout
from ndcore.topology.mapper import mapper_graph
from ndcore.topology.nodes import node_facts
from ndcore.topology.presets import PRESETS
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.page_list import DETECTOR, EVOLUTION, EXPLORER, GRAPH, LAB, TOPOLOGY, Page
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain
from pages.ui.images.example import example
from pages.ui.images.gallery import rows_here
from pages.ui.images.pair_key import pair_key
from pages.ui.images.tray import read
from pages.ui.images.unit_averages import unit_averages

IMAGES = 2
USUAL_RUN = "lenet"
LOOK_AGAIN_S = 60


@dataclass(frozen=True)
class Preview:
    """Markup of a picture, and what it shows in Markdown."""

    picture: str
    words: str


def preview(page: Page, bundle: Bundle) -> Preview | None:
    """The picture of a page, or None where nothing is there to be drawn."""
    makers = {
        LAB: _lab,
        EXPLORER: _explorer,
        DETECTOR: _detector,
        EVOLUTION: _evolution,
        GRAPH: _graph,
        TOPOLOGY: _topology,
    }
    try:
        return makers[page](bundle) if page in makers else None
    except NeuralDivergenceError:
        return None  # the page itself says what is wrong


def _lab(bundle: Bundle) -> Preview | None:
    shown = example(bundle)
    if shown is None:
        return None
    if shown.row is None:
        true = bundle.classes[0 if shown.pair.label is None else shown.pair.label]
        picture = ringed_images([(shown.pair.benign, [])], label=f"Not attacked yet: {true}")
        return Preview(picture, f"Not attacked yet: {plain(true)}.")
    here = rows_here(bundle)
    named = [row for row in here if ":" in row.id] or here
    others = [row for row in named if row != shown.row][:IMAGES]
    gallery = bundle.manifest["files"]["gallery.json"]
    return _attacked(gallery, tuple(row.id for row in others), others or [shown.row], bundle)


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _attacked(
    gallery: str, ids: tuple[str, ...], _rows: list[GalleryRow], _bundle: Bundle
) -> Preview:
    told = [f"{row.predicted_before} → {row.predicted_after}" for row in _rows]
    images = []
    for row in _rows:
        pair = row.look_up(loaders.find(_bundle))
        images.append((pair.images[-1], [(change.row, change.col) for change in pair.changes]))
    words = f"Broken by one pixel: {', '.join(map(plain, told))}."
    return Preview(ringed_images(images, label=f"Attacked images: {', '.join(told)}"), words)


def _explorer(bundle: Bundle) -> Preview | None:
    shown = example(bundle)
    if shown is None or bundle.limit:
        return None
    return _neurons(pair_key(bundle, shown.pair), page_ink(), bundle, shown.pair)


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _neurons(key: str, ink: str, _bundle: Bundle, _pair: Pair) -> Preview:
    layer = _bundle.layers[-1]
    kind = _bundle.reductions(layer)[0]
    reading = read(_bundle, _pair.images)
    picked = list(dict.fromkeys(reading.predicted.tolist()))
    values = reading.values(layer, kind)
    panel = loaders.class_panel(_bundle, layer, kind).show(picked, values)
    told = " and ".join(_bundle.classes[label] for label in picked)
    attacked = _pair.attacked is not None
    picture = activation_rows(
        panel,
        distinct_colours(picked, len(_bundle.classes)),
        ink,
        order=np.argsort(-values[-1], kind="stable").tolist(),
        label=f"Neurons of {layer}: {'classes' if attacked else 'class'} {told}, and the image"
        f"{' before and after' if attacked else ''}",
    )
    images = "before ● and after :red[◆]" if attacked else "●"
    return Preview(picture, f"The last neurons: {plain(told)}, and the image {images}.")


def _detector(bundle: Bundle) -> Preview | None:
    study = loaders.study(bundle)
    attack = next((row for row in study.document["attacks"] if row["n"]), None) if study else None
    if study is not None and attack is not None:
        return _studied(bundle.weight_hash, attack["name"], study)
    shown, detector = example(bundle), loaders.detectors(bundle).layered()
    if shown is None or detector is None:
        return None
    benign = detector.calibration.scores
    attacked = detector.score(loaders.seen(bundle, detector, shown.pair.images[-1]))
    picture = score_humps(benign, attacked, label="Scores: benign images and the example")
    return Preview(
        picture, f"How suspicious: in grey {len(benign):,} benign images, in red the example."
    )


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _studied(weight_hash: str, attack: str, _study: SavedStudy) -> Preview:
    rows = _study.document["detectors"]
    best = next((row for row in rows if row["frozen"]), rows[0])["name"]
    column = _study.names.index(best)
    benign, attacked = (_study.scores[name][:, column] for name in ("evaluation", attack))
    picture = score_humps(benign, attacked, label=f"Scores of {best}: benign and attacked images")
    words = (
        f"How suspicious: in grey {len(benign):,} benign images, in red {len(attacked):,} attacked."
    )
    return Preview(picture, words)


def _evolution(bundle: Bundle) -> Preview | None:
    runs = list_runs()
    if not runs:
        return None
    return _learned(USUAL_RUN if USUAL_RUN in runs else runs[0])


@st.cache_data(ttl=LOOK_AGAIN_S, max_entries=8, show_spinner=False)
@known_signature
def _learned(name: str) -> Preview:
    run = load_run(name)
    values = run.macro(variant="normalised")
    layers, epochs = values.shape
    picture = layer_heat(values, label=f"Discriminability of {name}, layers by epochs")
    words = f"{layers} layers of {plain(name)} over {epochs} epochs: bright tells classes apart."
    return Preview(picture, words)


def _topology(bundle: Bundle) -> Preview | None:
    """From the vectors that came with the bundle."""
    return None if bundle.limit else _shaped(bundle.weight_hash, bundle)


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _shaped(weight_hash: str, _bundle: Bundle) -> Preview | None:
    layer, usual = _bundle.layers[-2:][0], PRESETS["usual"]
    space = find_space(_bundle, layer, usual.positions, SHIPPED)
    if space is None:
        return None
    values, lens = space.wide, space.lens(usual.lens)
    graph = mapper_graph(values, lens, usual.settings(space))
    if not graph.nodes:
        return None
    facts = node_facts(space, graph, len(_bundle.classes))
    colours = class_colours(len(_bundle.classes))
    picture = graph_dots(
        layout(graph, values, lens),
        graph.edges,
        facts.sizes,
        [colours[label] for label in facts.majority],
        label=f"Clusters of alike images in {layer}, coloured by class",
    )
    words = f"{len(graph.nodes)} clusters of {len(space):,} images in {plain(layer)}, by class."
    return Preview(picture, words)


def _graph(bundle: Bundle) -> Preview | None:
    graphs = loaders.class_graphs(bundle)
    return None if graphs is None else _carried(bundle.weight_hash, graphs.stamp, graphs, bundle)


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _carried(weight_hash: str, stamp: str, _graphs: ClassGraphs, _bundle: Bundle) -> Preview:
    story = _bundle.classes.index("cat") if "cat" in _bundle.classes else _graphs.labels[0]
    graph = _graphs.of_class(story if story in _graphs.labels else _graphs.labels[0])
    last = {level.layer for level in graph.levels[-MOST_COLUMNS:]}
    nodes = [node for node in graph.nodes if node.unit.layer in last]
    scene = class_scene(graph, Look(pictures=unit_averages(_bundle, nodes, [graph.label])))
    picture = layered_graph(scene, label=f"Concept graph of {graph.name}")
    return Preview(picture, f"Neurons that carry {plain(graph.name)}, and what drives what.")
