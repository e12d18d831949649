"""Training Evolution, the graph: a class at two epochs, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.analysis.epoch_graphs import IMAGES, class_name, epoch_graphs
from ndcore.concept_graph import DifferenceGraph, Unit
from ndcore.errors import DataError, NeuralDivergenceError
from ndcore.evolution.recording.kept_weights import kept_weights
from ndcore.figures.graph.class_scene import Look, class_scene
from ndcore.figures.graph.compared_scenes import difference_scene
from ndcore.figures.graph.scene import pack_scene
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.networks.consent import require_allowed
from pages.ui.evolution.run_images import reader_of
from pages.ui.evolution.runs import SMALL, OpenRun
from pages.ui.evolution.unit_pictures import unit_pictures
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice
from pages.ui.frame.words import command, plain, sentence
from pages.ui.graph.shown.details import details
from pages.ui.graph.shown.drawing import drawing
from pages.ui.graph.shown.drawn import Drawn, nodes_of
from pages.ui.graph.shown.numbers import numbers
from pages.ui.graph.shown.pinned import Pinned
from pages.ui.graph.shown.tables import Graph

KIND = "epoch-graph"  # of job
DIFFERENCE, EARLIER, LATER = "difference", "earlier", "later"
SIZES = {
    "influence": "influence on the class",
    "count": "share of images (Summit)",
    "gradient": "activation x gradient",
}
CLASS_PX, EPOCH_PX, KIND_PX = 170, 110, 215
KEPT = 32  # drawings that a server remembers

Found = Mapping[str, DifferenceGraph]


@dataclass(frozen=True)
class _Chosen:
    """What is drawn: the class, both epochs, which of the three graphs, by which importance."""

    label: int
    epochs: tuple[int, int]
    show: str
    kind: str


def graph_panel(each: OpenRun) -> None:
    """The graphs of a class, where the weights of two epochs and the images are here.

    Raises:
        RunError: the recording or its weights are damaged.
    """
    kept = sorted(kept_weights(each.run))
    try:
        require_allowed(each.run.model)
        reader = reader_of(each.run)
    except NeuralDivergenceError as error:
        st.info(sentence(f"The graph of a class needs the network and its images: {error}"))
        return
    if len(kept) < 2:
        st.info(_how_to_keep(each, kept))
        return
    chosen = _choose(each, kept)
    keys = each.run.class_keys(chosen.label, IMAGES)

    def work(job: Job) -> Found:
        return epoch_graphs(
            each.run,
            chosen.epochs,
            chosen.label,
            np.asarray(reader(keys)),
            on_images=lambda done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )

    found = _made(each, chosen, work)
    if found is not None:
        _show(each, chosen, found)


def _how_to_keep(each: OpenRun, kept: list[int]) -> str:
    """Why there is nothing to draw, and the command that helps."""
    data = str(each.run.about["data"])
    place = "FOLDER" if each.run.about.get("root") else ".data" if data == "folder" else data
    train = command("train", each.run.model, "--data", place, "--record")
    held = f"those of {counted(len(kept), 'epoch')}" if kept else "no weights"
    return (
        f"The graph of a class at two epochs needs the weights of both, and {held} came with "
        f"{plain(each.name)}. {train} keeps them beside its recording; `{SMALL}` those of a small "
        "network, in about a minute."
    )


def _choose(each: OpenRun, kept: list[int]) -> _Chosen:
    """The controls, on one line where there is room."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    labels = each.run.pool_labels()
    names = {label: class_name(each.run, label) for label in labels}
    usual = next((label for label in labels if names[label] == "cat"), labels[0])
    label = choice(
        row.container(width=CLASS_PX).selectbox,
        "Class",
        labels,
        key="evo_graph_class",
        name="epoch_class",
        default=usual,
        format_func=lambda found: plain(names[found]),
    )
    earlier = _epoch(row, "Earlier epoch", kept[:-1], "from", kept[0])
    later = _epoch(row, "Later", [epoch for epoch in kept if epoch > earlier], "to", kept[-1])
    words = {
        DIFFERENCE: "What differs",
        EARLIER: f"Epoch {earlier}",
        LATER: f"Epoch {later}",
    }
    show = choice(
        row.segmented_control,
        "Show",
        list(words),
        key="evo_graph_show",
        name="epoch_show",
        format_func=lambda name: words[name],
    )
    kind = choice(
        row.container(width=KIND_PX).selectbox,
        "Sizes tell",
        list(SIZES),
        key="evo_graph_kind",
        name="epoch_kind",
        format_func=lambda name: SIZES[name],
    )
    return _Chosen(label, (earlier, later), show, kind)


def _epoch(row: DeltaGenerator, label: str, epochs: list[int], name: str, usual: int) -> int:
    return choice(
        row.container(width=EPOCH_PX).selectbox,
        label,
        epochs,
        key=f"evo_graph_{name}",
        name=f"epoch_{name}",
        default=usual,
    )


def _made(each: OpenRun, chosen: _Chosen, work: Callable[[Job], Found]) -> Found | None:
    """The graphs; made by a job where this server does not have them."""
    about = (each.stamp, chosen.label, chosen.epochs)
    job = job_bar(KIND, about, _course, shared=True)
    again = job is not None and job.state in ("cancelled", "failed")
    if again and not st.button("Make the graphs", icon=":material/replay:", key="evo_graph_again"):
        return None
    if job is None or again:
        told = f"graphs of epochs {chosen.epochs[0]} and {chosen.epochs[1]}"
        submit(KIND, about, work, label=told, lane="quick")
        return None
    found: Found | None = job.result if job.state == "done" else None
    return found


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or (0, 1)
    return done / total, f"{done} of {total} images read · {job.seconds:.0f} s"


def _show(each: OpenRun, chosen: _Chosen, found: Found) -> None:
    kind = chosen.kind if chosen.kind in found else next(iter(found))
    drawn = _drawn((each.stamp, chosen), found[kind], chosen, each)
    st.markdown(_header(found[kind], chosen))
    layers = {layer.name: layer.units for layer in each.run.layers}

    def exists(unit: Unit) -> bool:
        return unit.unit < layers.get(unit.layer, 0) or drawn.node(unit) is not None

    def below(units: tuple[Unit, ...]) -> None:
        details(drawn, units)
        looked = [unit for unit in units if unit.unit < layers.get(unit.layer, 0)]
        if looked:
            pressed = st.button(
                f"Look into {plain(looked[0].layer)} · {looked[0].unit}",
                icon=":material/search:",
                on_click=_look_into,
                args=(looked[0], chosen.epochs[chosen.show != EARLIER]),
                key="evo_graph_look",
            )
            if pressed:
                st.rerun()  # a click in a fragment draws only that again

    drawing(Pinned("evo_graph_canvas", "epoch_pin", exists), drawn, below)
    numbers(f"{each.name}-graph", {"run": each.name, "epochs": list(chosen.epochs)}, drawn)


def _look_into(unit: Unit, epoch: int) -> None:
    """Callback: the part of the page that is about one neuron."""
    st.session_state.update(
        evo_layer=unit.layer, evo_unit=unit.unit, evo_epoch=epoch, evo_part="Neuron"
    )


def _header(graph: DifferenceGraph, chosen: _Chosen) -> str:
    later, earlier = graph.first, graph.second
    of = (
        f"of {counted(later.images, 'image')} of the class that came with the recording, in "
        f"{later.folds} parts"
    )
    if chosen.show != DIFFERENCE:
        one = later if chosen.show == LATER else earlier
        drawn = sum(level.drawn for level in one.levels)
        return (
            f"These **{drawn:,} of {counted(one.units, 'neuron')}** carry "
            f"**{100 * one.carried:.0f}%** of the influence on {plain(one.name, 80)} ({of})."
        )
    clear = sum(each.change.clear for each in graph.nodes)
    return (
        f"**{plain(later.name, 80)} less epoch {chosen.epochs[0]}**: {clear:,} of "
        f"{counted(len(graph.nodes), 'neuron')} compared differ by more than other images "
        f"would make them (|z| of 2 or more; {of})."
    )


@st.cache_resource(max_entries=KEPT, show_spinner="Drawing the graph …")
@known_signature
def _drawn(
    key: tuple[str, _Chosen], _graph: DifferenceGraph, _chosen: _Chosen, _each: OpenRun
) -> Drawn:
    graph: Graph = _graph
    if _chosen.show != DIFFERENCE:
        graph = _graph.first if _chosen.show == LATER else _graph.second
    units = [node.unit for node in nodes_of(graph)]
    pictures = _pictures(_each, units, _chosen.epochs[_chosen.show != EARLIER])
    look = Look(kind=_chosen.kind, pictures=pictures)
    if isinstance(graph, DifferenceGraph):
        scene = difference_scene(graph, look)
    else:
        scene = class_scene(graph, look)
    # The class's own neuron is the same at both epochs.
    name = class_name(_each.run, _chosen.label)
    units_drawn = (replace(unit, label=name if unit.label else "") for unit in scene.units)
    scene = replace(scene, units=tuple(units_drawn))
    return Drawn(graph, scene, pack_scene(scene), (_chosen.label,), pictures, {}, ())


def _pictures(each: OpenRun, units: list[Unit], epoch: int) -> dict[Unit, NDArray[np.uint8]]:
    """What drives units most at an epoch, averaged; of layers that were recorded."""
    recorded = {layer.name for layer in each.run.layers}
    found: dict[Unit, NDArray[np.uint8]] = {}
    for layer in {unit.layer for unit in units} & recorded:
        here = [unit.unit for unit in units if unit.layer == layer]
        try:
            pictures = unit_pictures(each, layer, epoch, here)
        except DataError:
            continue
        for number, picture in pictures.items():
            if picture.average is not None:
                found[Unit(layer, number)] = picture.average
    return found
