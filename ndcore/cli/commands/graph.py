"""`graph`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_new_data
from ndcore.errors import BadRequestError

if TYPE_CHECKING:
    from ndcore.analysis.class_graphs import ClassGraphs
    from ndcore.bundles.bundle import Bundle
    from ndcore.concept_graph import ConceptGraph, DifferenceGraph
    from ndcore.concept_graph.drawing import Rule

LINES = 5  # units of a layer in the text


def add_arguments(parser: ArgumentParser) -> None:
    add_bundle(parser)
    parser.add_argument("--class", dest="of", required=True, metavar="C", help="its graph is drawn")
    parser.add_argument("--against", metavar="D", help="another class: the difference is drawn")
    parser.add_argument(
        "--importance",
        default="influence",
        choices=("influence", "count", "gradient"),
        help="what units are told by: influence that passes through them, how often they are among "
        "the strongest of their layer (as in Summit), or activation x gradient",
    )
    parser.add_argument("--nodes", type=float, default=0.8, help="share of a layer's influence")
    parser.add_argument("--edges", type=float, default=0.98, help="share of what runs between them")
    parser.add_argument("--most", type=int, default=15, help="units of a layer at most")
    parser.add_argument(
        "--faithful",
        type=int,
        metavar="N",
        help="on N images of every class, none of which made the graphs: what is left of it when "
        "its drawn units alone are kept, or are removed, beside random and the most active ones",
    )
    add_new_data(parser)


def run(options: Namespace) -> Answer:
    """The graph of a class, or what differs between two."""
    from ndcore.analysis.class_graphs import ClassGraphs
    from ndcore.bundles.bundle import load_bundle
    from ndcore.concept_graph.drawing import Rule

    if not (0 < options.nodes <= 1 and 0 < options.edges <= 1 and options.most >= 1):
        raise BadRequestError(
            "--nodes and --edges are shares above 0 and up to 1, --most from 1 on"
        )
    bundle = load_bundle(options.bundle)
    label = bundle.class_index(options.of)
    other = None if options.against is None else bundle.class_index(options.against)
    graphs = ClassGraphs(bundle)
    rule = Rule(options.nodes, options.edges, options.most)
    about = {"bundle": bundle.name, "weight_hash": bundle.weight_hash}
    if other is None:
        graph = graphs.of_class(label, rule)
        document = about | graph.to_dict(options.importance)
        text = _graph_text(graph, options.importance)
        if options.faithful is not None:
            document["faithfulness"], told = _faithful(bundle, graphs, rule, options)
            text += f"\n{told}"
        return document, text, 0
    if options.faithful is not None:
        raise BadRequestError("--faithful is asked of one class's graph: leave out --against")
    compared = graphs.compared(
        (options.of, graphs.measured(label)),
        (options.against, graphs.measured(other)),
        options.importance,
        rule,
    )
    return about | compared.to_dict(), _difference_text(compared), 0


def _faithful(
    bundle: Bundle, graphs: ClassGraphs, rule: Rule, options: Namespace
) -> tuple[dict[str, Any], str]:
    """Keep and remove the drawn units of every class; the gaps are paired over classes."""
    from ndcore.bundles.images import open_for
    from ndcore.cli.selection import default_data, parts_of
    from ndcore.concept_graph.faithful import (
        faithfulness,
        faithfulness_sentence,
        gaps_sentence,
        paired_gaps,
    )
    from ndcore.data.splits import positions

    if options.faithful < 1:
        raise BadRequestError(f"--faithful must be at least 1, got {options.faithful}")
    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    members = positions(source, bundle.splits["dev"])
    found = []
    with Progress() as progress:
        for done, label in enumerate(graphs.labels):
            progress.step("keeping and removing units", done, len(graphs.labels))
            own = [at for at in members if source.labels[at] == label][: options.faithful]
            if own:
                graph, known = graphs.of_class(label, rule), graphs.measured(label)
                pixels = source.pixels(own)
                found.append(faithfulness(bundle.model, graph, known, graphs.means, pixels))
    if not found:
        raise BadRequestError("the data holds no image of the bundle's dev split")
    gaps = paired_gaps(found)
    total = sum(graphs.units.values())
    lines = [
        f"{bundle.classes[each.label]}: "
        f"{faithfulness_sentence(each, bundle.classes[each.label], total)}"
        for each in found
    ]
    document = {
        "classes": [{"class": bundle.classes[each.label]} | each.to_dict() for each in found]
    } | {
        what: {name: gap.to_dict() for name, gap in others.items()} for what, others in gaps.items()
    }
    return document, "\n".join([*lines, gaps_sentence(gaps)])


def _graph_text(graph: ConceptGraph, kind: str) -> str:
    """The header and the strongest units of each layer."""
    drawn = len(graph.nodes)
    lines = [
        f"{graph.name}: {drawn} of {graph.units:,} neurons and {len(graph.edges)} edges carry "
        f"{_share(graph.carried)} of the influence ({graph.images:,} images)"
    ]
    for level in graph.levels:
        nodes = [node for node in graph.nodes if node.unit.layer == level.layer]
        nodes.sort(key=lambda node: -node.importance.get(kind, 0.0))
        told = ", ".join(
            f"[{node.unit.unit}] {node.importance.get(kind, float('nan')):.3g}"
            for node in nodes[:LINES]
        )
        lines.append(
            f"{level.layer}: {level.drawn} of {level.units} carry {_share(level.carried)}"
            + (f"; {told}" if told else "")
        )
    dashed = sum(not edge.stable for edge in graph.edges)
    if graph.folds:
        lines.append(
            f"{dashed} edges are not among the five strongest into their unit in 9 of "
            f"{graph.folds} parts of the images"
        )
    return "\n".join([*lines, *graph.gaps])


def _difference_text(graph: DifferenceGraph) -> str:
    """The units and edges that differ most, of those that clearly do."""
    first, second = graph.first.name, graph.second.name
    clear = [each for each in graph.nodes if each.change.clear]
    lines = [
        f"{first} less {second}, by {graph.kind}: {len(clear)} of {len(graph.nodes)} neurons and "
        f"{sum(each.change.clear for each in graph.edges)} of {len(graph.edges)} edges differ "
        "clearly"
    ]
    for level in graph.first.levels:
        there = [each for each in clear if each.node.unit.layer == level.layer][:LINES]
        if there:
            told = ", ".join(
                f"[{each.node.unit.unit}] {each.change.difference:+.3g} (z {each.change.z:+.1f})"
                for each in there
            )
            lines.append(f"{level.layer}: {told}")
    return "\n".join([*lines, *graph.first.gaps])


def _share(value: float) -> str:
    return "an unknown share" if value != value else f"{100 * value:.0f}%"
