"""What a drawing carries, in words above it."""

from __future__ import annotations

import math

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import COUNT, ConceptGraph
from ndcore.concept_graph.differing import exploited
from ndcore.figures.graph.class_scene import carried_by, strongest
from ndcore.figures.graph.compared_scenes import PER_LANE
from ndcore.legible.plurals import counted
from pages.ui.frame.words import plain
from pages.ui.graph.choices import ATTACK, Chosen
from pages.ui.graph.opened import MOST_ATTACKED
from pages.ui.graph.shown.drawn import Drawn


def header(bundle: Bundle, drawn: Drawn, chosen: Chosen) -> str:
    """How much of the influence the drawing carries, of how many images, and how sure it is."""
    graph = drawn.graph
    if isinstance(graph, ConceptGraph):
        return f"{_carries(graph)} {_edges(graph, drawn, chosen)}"
    first, second = graph.first, graph.second
    clear = sum(each.change.clear for each in graph.nodes)
    two_classes = chosen.other != chosen.label  # the second is a class, and not attacked images
    if chosen.view == ATTACK:
        more = len(exploited(graph))
        first_of = "the first " if first.images == MOST_ATTACKED else ""
        return (
            f"In {first_of}{counted(first.images, 'image')} of {_name(bundle, chosen.label)} that "
            f"attacks turn into {_name(bundle, chosen.other)} (the attacks kept with the bundle), "
            f"**{more:,} of "
            f"{counted(len(graph.nodes), 'neuron')}** compared count clearly more on the way "
            f"to {_name(bundle, chosen.other)} (z of 2 or more) than in the "
            f"same images before; up to {PER_LANE} of a layer are drawn as exploited. "
            "That compares, and does not test: hold one of them, or all, to see whether the "
            "attacks need them."
        )
    words = (
        f"**{plain(first.name, 80)} less {plain(second.name, 80)}**: "
        f"{clear:,} of {counted(len(graph.nodes), 'neuron')} compared differ by more than other "
        f"images would make them (|z| of 2 or more; {_images(first, reference=True)} and "
        f"{_images(second, reference=two_classes)}, in {first.folds} parts). "
        f"{_followed(bundle, chosen)}"
    )
    carried = [each.carried for each in (first, second) if not math.isnan(each.carried)]
    if carried:
        words += f" The graphs compared carry at least {100 * min(carried):.0f}% of the influence."
    return words


def _images(graph: ConceptGraph, *, reference: bool) -> str:
    """How many images made a graph, and which: those of a set are told by its name."""
    of = "reference images of " if reference else ""
    return f"{graph.images:,} {of}{plain(graph.name, 80)}"


def _followed(bundle: Bundle, chosen: Chosen) -> str:
    """Whose logit tells what counts in either graph."""
    if chosen.kind == COUNT:
        return ""
    first, second = (_name(bundle, label) for label in (chosen.label, chosen.other))
    if first == second:
        return f"What counts is told by the logit of {first} in both."
    return f"What counts is told by the logit of {first} in the one, of {second} in the other."


def _name(bundle: Bundle, label: int | None) -> str:
    return "" if label is None else plain(bundle.classes[label])


def _carries(graph: ConceptGraph) -> str:
    units = sum(level.drawn for level in graph.levels)
    share = "an unknown share" if math.isnan(graph.carried) else f"{100 * graph.carried:.0f}%"
    parts = f" in {graph.folds} parts" if graph.folds else ""
    return (
        f"These **{units:,} of {counted(graph.units, 'neuron')}** carry **{share}** of the "
        f"influence on {plain(graph.name, 80)} (of its {counted(graph.images, 'reference image')}"
        f"{parts})."
    )


def _edges(graph: ConceptGraph, drawn: Drawn, chosen: Chosen) -> str:
    kept = strongest(graph.edges, chosen.per_target, lambda edge: edge.share)
    if not kept:
        return "No edges are known between them."
    told = carried_by(kept, graph.edges)
    stable = sum(edge.stable for edge in graph.edges)
    share = f", with {100 * told:.0f}% of what runs between them" if not math.isnan(told) else ""
    words = f"{len(kept):,} of {counted(len(graph.edges), 'edge')} are drawn{share}"
    if not graph.folds:
        return f"{words}."
    return (
        f"{words}; of all, {stable:,} are among the five strongest of their neuron in 9 of 10 "
        "parts, the others are dashed."
    )
