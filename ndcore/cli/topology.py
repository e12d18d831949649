"""What `topology` reads, and what it says of the graph."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ndcore.bundles.bundle import Bundle
from ndcore.cli.selection import choose_images, choose_source
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.legible.plurals import counted
from ndcore.steps import Step, counter
from ndcore.topology.attacked import Crowd, attacked_sentence, crowds
from ndcore.topology.branches import branches
from ndcore.topology.document import branch_document, graph_document
from ndcore.topology.kept import ATTACKS, SHIPPED, find_space, read_spaces
from ndcore.topology.mapper import MapperSettings, mapper_graph
from ndcore.topology.nodes import node_facts
from ndcore.topology.placing import Placed, place, yardstick
from ndcore.topology.presets import PRESETS, Preset
from ndcore.topology.space import Space
from ndcore.topology.stability import edge_stability
from ndcore.topology.vectors import ToRead, fitting, most_vectors, read_vectors

FEW = 5  # lines of a ranked list


def space_of(
    bundle: Bundle, options: Namespace, step: Step, usual: int
) -> tuple[Space, str, ImageSource | None]:
    """The vectors that are asked for, how positions were asked for, and where the images are.

    Where no images are named, those that came with the bundle are taken if there are any.

    Raises:
        BadRequestError: nothing was named, or what does not fit.
    """
    layer = options.layer
    positions = options.positions or PRESETS[options.preset].positions
    if not (options.source or options.data or options.n):
        shipped = find_space(bundle, layer, positions, SHIPPED)
        if shipped is not None:
            return shipped, positions, None
    source, _, members = choose_source(bundle, options, "samples")
    count = min(options.n or usual, most_vectors(bundle.units(layer)), len(members))
    rng = np.random.default_rng(options.seed)
    members = sorted(rng.permutation(members)[:count].tolist())
    seen = counter(step, f"{layer}: images", count)
    read = read_spaces(bundle, [layer], positions, ToRead.of(source, members), on_batch=seen)
    return read[layer], positions, source


def settings_of(space: Space, options: Namespace) -> tuple[Preset, MapperSettings]:
    """The preset with what was typed in its place, and the epsilon of these vectors.

    Raises:
        BadRequestError: a setting is out of range.
    """
    names = ("lens", "intervals", "overlap", "min_samples", "share")
    typed = {name: found for name in names if (found := getattr(options, name)) is not None}
    if not 0 <= typed.get("share", 0) <= 1:
        raise BadRequestError("the share must lie between 0 and 1")
    preset = replace(PRESETS[options.preset], **typed)
    settings = preset.settings(space)
    return preset, (
        settings if options.epsilon is None else replace(settings, epsilon=options.epsilon)
    )


def graph_answer(
    bundle: Bundle,
    options: Namespace,
    space: Space,
    positions: str,
    wanted: tuple[Preset, MapperSettings],
    step: Step,
) -> tuple[dict[str, Any], str, int]:
    """The graph as a document and in words."""
    preset, settings = wanted
    pair = [bundle.class_index(name) for name in options.between or ()]
    values, lens = space.wide, space.lens(preset.lens)
    graph = mapper_graph(values, lens, settings)
    facts = node_facts(space, graph, len(bundle.classes))
    found = None
    if options.stability:
        step("stability of the edges", 0, 0)
        found = edge_stability(graph, values, lens)
    document = graph_document(space, graph, facts, bundle.classes, preset.lens, found)
    way = fitting(bundle, options.layer, positions)
    about = {"bundle": bundle.name, "layer": options.layer, "positions": way}
    lines = [_words(options.layer, way, graph.count, document)]
    attacks = find_space(bundle, options.layer, positions, ATTACKS)
    if attacks is not None:
        laid = place(graph, values, attacks.wide, space.lens_of(attacks, preset.lens))
        crowded = crowds(graph, laid, attacks)
        document["attacked"] = [each.to_dict() for each in crowded]
        known = yardstick(values, lens, settings, space.wrong)
        lines.append(attacked_sentence(laid, known, options.layer))
        document["in_a_cluster"] = {
            "attacked": laid.inside.to_dict(),
            "right": known.right.to_dict(),
            "wrong": known.wrong.to_dict(),
        }
        lines += [_crowd_words(each, document["nodes"], bundle.classes) for each in crowded[:FEW]]
    if found is not None and len(graph.edges):
        kept = int((found.share == 1).sum())
        lines.append(
            f"{kept} of {len(graph.edges)} edges stay in all {len(found.variants)} graphs with one "
            "setting 20% less or more"
        )
    if pair:
        parting = branches(graph, facts, *pair)
        document["branches"] = [branch_document(each) for each in parting]
        first, second = options.between
        lines.append(f"{counted(len(parting), 'cluster')} where {first} and {second} part")
        lines += [
            f"  cluster {each.node}: {each.share.k} of its {each.share.n} images of both are "
            f"{first}; it goes on to cluster {each.towards[0]}, with more {first}, and "
            f"{each.towards[1]}, with more {second}; score {each.score:.2f}"
            for each in parting[:FEW]
        ]
    if options.cluster is not None:
        lines += _cluster_lines(options.cluster, document["nodes"])
    if options.images:
        placed = _placed(bundle, options, space, positions, preset.lens, graph)
        document["placed"] = [
            {"file": name, "nodes": list(nodes), "nearest": int(near), "epsilons": float(gap)}
            for name, nodes, near, gap in zip(
                options.images, placed.nodes, placed.nearest, placed.distance, strict=True
            )
        ]
        lines += [_place_words(row, document["nodes"]) for row in document["placed"]]
    return about | document, "\n".join(lines), 0


def _placed(
    bundle: Bundle, options: Namespace, space: Space, positions: str, lens: str, graph: Any
) -> Placed:
    named = Namespace(**{**vars(options), "source": None})
    batch = choose_images(bundle, named, None)
    images = ToRead(batch.ids, batch.labels, lambda part: batch.pixels[part])
    read = read_vectors(bundle, [options.layer], positions, images)[options.layer]
    return place(graph, space.wide, read.wide, space.lens_of(read, lens))


def _words(layer: str, positions: str, count: int, document: dict[str, Any]) -> str:
    told = document["parameters"]
    return (
        f"{layer} ({positions}): {counted(len(document['nodes']), 'cluster')} and "
        f"{counted(len(document['edges']), 'edge')} of {counted(count, 'image')}, "
        f"{document['loose']:,} of them in no cluster; lens {told['lens']}, "
        f"{told['intervals']} intervals, overlap {told['overlap']:.0%}, epsilon "
        f"{told['epsilon']:.4g}, min-samples {told['min_samples']}"
    )


def _place_words(row: dict[str, Any], nodes: list[dict[str, Any]]) -> str:
    if row["nodes"]:
        return f"{row['file']}: {' and '.join(_cluster(nodes[at]) for at in row['nodes'])}"
    if row["nearest"] < 0:
        return f"{row['file']}: the graph has no cluster"
    return (
        f"{row['file']}: in no cluster; the nearest core, {row['epsilons']:.2f} epsilon away, is "
        f"of {_cluster(nodes[row['nearest']])}"
    )


def _cluster(node: dict[str, Any]) -> str:
    """`cluster 45 (23 images, 96% airplane)`."""
    told = counted(node["size"], "image")
    if node["classes"]:
        told += f", {node['purity']:.0%} {max(node['classes'], key=node['classes'].get)}"
    return f"cluster {node['id']} ({told})"


def _cluster_lines(number: int, nodes: list[dict[str, Any]]) -> list[str]:
    """One cluster with all its images.

    Raises:
        BadRequestError: there is no such cluster.
    """
    if not 0 <= number < len(nodes):
        raise BadRequestError(
            f"there is no cluster {number}: the graph has {counted(len(nodes), 'cluster')}"
            + (f", 0 to {len(nodes) - 1}" if nodes else "")
        )
    node = nodes[number]
    counts = sorted(node["classes"].items(), key=lambda each: -each[1])
    mix = ", ".join(f"{count} {name}" for name, count in counts)
    return [
        f"{_cluster(node)}: {mix}; {node['error']:.0%} taken for a wrong class; its images:",
        *(f"  {name}" for name in node["images"]),
    ]


def _crowd_words(crowd: Crowd, nodes: list[dict[str, Any]], classes: Sequence[str]) -> str:
    label, seen, count = crowd.turned[0]
    what = "" if label < 0 else f", {count} of them {classes[label]} taken for {classes[seen]}"
    return f"  {len(crowd.members)} in {_cluster(nodes[crowd.node])}{what}"
