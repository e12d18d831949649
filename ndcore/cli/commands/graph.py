"""`graph`."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_new_data
from ndcore.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ndcore.analysis.class_graphs import ClassGraphs
    from ndcore.bundles.bundle import Bundle
    from ndcore.concept_graph import Change, ConceptGraph, DifferenceGraph
    from ndcore.concept_graph.drawing import Rule
    from ndcore.concept_graph.faithful import Faithfulness

LINES = 5  # neurons of a layer in the text
SHARES = ("influence", "count")  # importances that are shares
ALL = "all"


def add_arguments(parser: ArgumentParser) -> None:
    add_bundle(parser)
    parser.add_argument(
        "--class",
        dest="of",
        required=True,
        metavar="C",
        help=f"its graph is drawn; '{ALL}' with --faithful: the table alone",
    )
    parser.add_argument("--against", metavar="D", help="another class: the difference is drawn")
    parser.add_argument(
        "--importance",
        default="influence",
        choices=("influence", "count", "gradient", "causal"),
        help="what neurons are told by: influence that passes through them, how often they are "
        "among the strongest of their layer (as in Summit), activation x gradient, or the drop of "
        "the class's logit when one is held at its mean (of the drawn ones, on --images)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=20,
        metavar="N",
        help="--importance causal: of the class, none of which made the graphs (a pass over them "
        "for every drawn neuron)",
    )
    parser.add_argument("--nodes", type=float, default=0.8, help="share of a layer's influence")
    parser.add_argument("--edges", type=float, default=0.98, help="share of what runs between them")
    parser.add_argument("--most", type=int, default=15, help="neurons of a layer at most")
    parser.add_argument(
        "--faithful",
        type=int,
        metavar="N",
        help="on N images of every class, none of which made the graphs: what is left of it when "
        "its drawn neurons alone are kept, or are removed, beside random and the most active ones",
    )
    parser.add_argument(
        "--strongest",
        type=int,
        metavar="K",
        help="--faithful: of each layer's drawn neurons the K with the most influence alone (all "
        "of them at once may leave nothing of a class, whichever they are)",
    )
    parser.add_argument(
        "--ship",
        action="store_true",
        help="put what --faithful finds into the bundle, whose page then tells it",
    )
    parser.add_argument(
        "--attacked",
        action="store_true",
        help="of the bundle's attacks from C to D: attacked images less the same ones before, and "
        "whether neurons that they exploit, held at their clean values, bring C back",
    )
    add_new_data(parser)


def run(options: Namespace) -> Answer:
    """The graph of a class, or what differs between two."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.concept_graph.drawing import Rule

    _require_fit(options)
    bundle = load_bundle(options.bundle)
    rule = Rule(options.nodes, options.edges, options.most)
    if options.faithful is not None and options.of == ALL and ALL not in bundle.classes:
        found, text = _faithful(bundle, rule, options)
        document: dict[str, Any] = {"faithfulness": found}
    elif options.against is None:
        document, text = _of_class(bundle, rule, options)
    else:
        document, text = _against(bundle, rule, options)
    return {"bundle": bundle.name, "weight_hash": bundle.weight_hash} | document, text, 0


def _require_fit(options: Namespace) -> None:
    """Refuse what does not go together before anything is read."""
    if not (0 < options.nodes <= 1 and 0 < options.edges <= 1 and options.most >= 1):
        raise BadRequestError(
            "--nodes and --edges are shares above 0 and up to 1, --most from 1 on"
        )
    if options.faithful is None and (options.ship or options.strongest is not None):
        raise BadRequestError("--ship and --strongest are of what --faithful N finds: give it")
    if options.faithful is not None and options.against is not None:
        raise BadRequestError("--faithful is asked of one class's graph: leave out --against")
    if options.attacked and options.against is None:
        raise BadRequestError("--attacked is of attacks from --class to --against: give both")
    for name in ("faithful", "strongest", "images"):
        given = getattr(options, name)
        if given is not None and given < 1:
            raise BadRequestError(f"--{name} must be at least 1, got {given}")


def _of_class(bundle: Bundle, rule: Rule, options: Namespace) -> tuple[dict[str, Any], str]:
    from ndcore.analysis.class_graphs import ClassGraphs
    from ndcore.concept_graph.graph import HELD

    label = bundle.class_index(options.of)
    graphs = ClassGraphs(bundle)
    graph = graphs.of_class(label, rule)
    if options.importance == HELD:
        graph = _held(bundle, graphs, graph, options)
    document = graph.to_dict(options.importance)
    text = _graph_text(graph, options.importance)
    if options.faithful is not None:
        document["faithfulness"], told = _faithful(bundle, rule, options)
        text += f"\n{told}"
    return document, text


def _against(bundle: Bundle, rule: Rule, options: Namespace) -> tuple[dict[str, Any], str]:
    from ndcore.analysis.class_graphs import ClassGraphs

    label, other = (bundle.class_index(name) for name in (options.of, options.against))
    graphs = ClassGraphs(bundle)
    if options.attacked:
        return _attacked(bundle, graphs, (label, other), rule, options)
    compared = graphs.compared(
        (options.of, graphs.measured(label)),
        (options.against, graphs.measured(other)),
        options.importance,
        rule,
    )
    return compared.to_dict(), _difference_text(compared)


def _held(
    bundle: Bundle, graphs: ClassGraphs, graph: ConceptGraph, options: Namespace
) -> ConceptGraph:
    """With the drop of the logit of every drawn unit that is held."""
    from ndcore.analysis.mechanism.faithful_classes import held_out_images
    from ndcore.bundles.images import open_for
    from ndcore.cli.selection import default_data, parts_of
    from ndcore.concept_graph.held import held_drops, with_held

    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    pixels = held_out_images(bundle, source, graph.label, options.images)
    if not len(pixels):
        raise BadRequestError("the data holds no image of the class in the bundle's dev split")
    units = [node.unit for node in graph.nodes]
    with Progress() as progress:
        told = partial(progress.step, f"neurons held on {len(pixels)} images")
        drops = held_drops(bundle.model, units, graph.label, graphs.means, pixels, on_pass=told)
    return with_held(graph, drops)


def _faithful(bundle: Bundle, rule: Rule, options: Namespace) -> tuple[dict[str, Any], str]:
    """Keep and remove the drawn units of every class; the gaps are paired over classes."""
    from ndcore.analysis.mechanism.faithful_classes import Asked, faithful_classes, keep_faithful
    from ndcore.bundles.images import open_for
    from ndcore.cli.selection import default_data, parts_of
    from ndcore.concept_graph.faithful import gaps_sentence, paired_gaps

    asked = Asked(rule, options.strongest)
    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    with Progress() as progress:
        found = faithful_classes(bundle, source, options.faithful, asked, on_step=progress.step)
    if options.ship:
        keep_faithful(bundle, asked, found)
    gaps = paired_gaps(found)
    document = {
        "classes": [{"class": bundle.classes[each.label]} | each.to_dict() for each in found]
    } | {
        what: {name: gap.to_dict() for name, gap in others.items()} for what, others in gaps.items()
    }
    return document, f"{_faithful_table(bundle, found)}\n{gaps_sentence(gaps)}"


def _faithful_table(bundle: Bundle, found: Sequence[Faithfulness]) -> str:
    """Recall of each class, with some of its units alone and without them."""
    from ndcore.concept_graph.faithful import ACTIVE, DRAWN, RANDOM

    order = (DRAWN, RANDOM, ACTIVE)
    width = max(8, *(len(name) for name in bundle.classes))
    heads = "".join(f"{name:>13}" for name in order)
    lines = [
        f"{'':{width}} {'':>7} {'recall':>7} {'':>4} "
        f"{'these neurons alone':^39}{'without them':^39}",
        f"{'class':{width}} {'neurons':>7} {'whole':>7} {'n':>4}{heads}{heads}",
    ]
    for each in found:
        shares = [group[name] for group in (each.kept, each.removed) for name in order]
        told = "".join(f"{100 * share:12.0f}%" for share in shares)
        name, whole = bundle.classes[each.label], each.whole
        lines.append(f"{name:{width}} {each.units:7} {whole.percent(0):>7} {whole.n:4}{told}")
    return "\n".join(lines)


def _attacked(
    bundle: Bundle,
    graphs: ClassGraphs,
    labels: tuple[int, int],
    rule: Rule,
    options: Namespace,
) -> tuple[dict[str, Any], str]:
    """What attacks from one class to the other exploit, and what holding that does."""
    import numpy as np

    from ndcore.analysis.mechanism.attacked_units import (
        attack_difference,
        by_difference,
        return_sentence,
        return_test,
    )
    from ndcore.bundles.images import finder, open_for
    from ndcore.cli.selection import default_data, parts_of

    names = tuple(bundle.classes[label] for label in labels)
    source = open_for(bundle, options.data or default_data(bundle), parts_of(options))
    find = finder(source)
    rows = [r for r in bundle.gallery if (r.predicted_before, r.predicted_after) == names]
    if not rows:
        raise BadRequestError(f"the bundle keeps no attack that turned {names[0]} into {names[1]}")
    images = [row.look_up(find).images for row in rows]
    pairs = np.stack([each[0] for each in images]), np.stack([each[-1] for each in images])
    kind = options.importance
    found = attack_difference(graphs, names[0], pairs, labels[1], kind, rule)
    with Progress() as progress:
        named = by_difference(graphs, names[0], labels[1], kind)
        told = partial(progress.step, "holding neurons")
        test = return_test(bundle, named, pairs, labels, on_pass=told)
    document = found.to_dict() | {"held": test.to_dict()}
    return document, f"{_difference_text(found)}\n{return_sentence(test, bundle.classes)}"


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
            f"neuron {node.unit.unit} {_value(node.importance.get(kind, math.nan), kind)}"
            for node in nodes[:LINES]
        )
        lines.append(
            f"{level.layer}: {level.drawn} of {level.units} carry {_share(level.carried)}"
            + (f"; most by {kind}: {told}" if told else "")
        )
    stable = sum(edge.stable for edge in graph.edges)
    if graph.folds:
        lines.append(
            f"{stable} of {len(graph.edges)} edges are among the five strongest of their neuron in "
            f"9 of {graph.folds} parts of the images"
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
                f"neuron {each.node.unit.unit} {_points(each.change, graph.kind)} "
                f"(z {each.change.z:+.1f})"
                for each in there
            )
            lines.append(f"{level.layer}: {told}")
    return "\n".join([*lines, *graph.first.gaps])


def _value(value: float, kind: str) -> str:
    """`5.2%` of a share, else the number."""
    if math.isnan(value):
        return "not measured"
    return f"{100 * value:.1f}%" if kind in SHARES else f"{value:.3g}"


def _points(change: Change, kind: str) -> str:
    more = change.difference
    return f"{100 * more:+.1f} points" if kind in SHARES else f"{more:+.3g}"


def _share(value: float) -> str:
    return "an unknown share" if value != value else f"{100 * value:.0f}%"
