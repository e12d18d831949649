"""Whether the drawn units of every class carry it: measured on all classes, kept in the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.bundles.extras import put_files
from ndcore.bundles.manifest import FAITHFUL, GRAPH_FILE
from ndcore.concept_graph.drawing import USUAL, Rule
from ndcore.concept_graph.faithful import Faithfulness, faithfulness
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.steps import ShouldStop, Step, no_step

STEP = "keeping and removing units"


def held_out_images(
    bundle: Bundle, source: ImageSource, label: int, count: int
) -> NDArray[np.uint8]:
    """Images of a class that made no graph, uint8 (n, H, W, C): of the dev split, at most so many.

    Args:
        bundle: whose splits are meant.
        source: holds some of those images.
        label: of the class.
        count: at most so many.
    """
    members = positions(source, bundle.splits["dev"])
    return source.pixels([at for at in members if source.labels[at] == label][:count])


@dataclass(frozen=True)
class Asked:
    """Which units were kept or removed: those that a rule draws, of each layer the strongest.

    Attributes:
        rule: of drawing.
        strongest: how many; None for all.
    """

    rule: Rule = USUAL
    strongest: int | None = None


def faithful_classes(
    bundle: Bundle,
    source: ImageSource,
    count: int,
    asked: Asked,
    *,
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> list[Faithfulness]:
    """Keep and remove the drawn units of every class, on images that made no graph.

    Args:
        bundle: has graphs.
        source: holds images of the bundle's dev split.
        count: images of a class at most.
        asked: which units are kept or removed.
        on_step: called with what is being done, classes done, all.
        should_stop: asked before every function of torch.

    Raises:
        BadRequestError: the source holds no such image.
        BundleError: the bundle has no graphs.
        StoppedError: `should_stop` said so.
    """
    graphs = ClassGraphs(bundle)
    found = []
    for done, label in enumerate(graphs.labels):
        on_step(STEP, done, len(graphs.labels))
        pixels = held_out_images(bundle, source, label, count)
        if len(pixels):
            graph, known = graphs.of_class(label, asked.rule), graphs.measured(label)
            found.append(
                faithfulness(
                    bundle.model,
                    graph,
                    known,
                    graphs.means,
                    pixels,
                    strongest=asked.strongest,
                    should_stop=should_stop,
                )
            )
    if not found:
        raise BadRequestError("the data holds no image of the bundle's dev split")
    return found


def keep_faithful(bundle: Bundle, asked: Asked, found: Sequence[Faithfulness]) -> None:
    """Put what was found of all classes into the bundle, beside what was asked otherwise.

    Args:
        bundle: where to.
        asked: which units were kept or removed.
        found: of its classes.

    Raises:
        BundleError: it cannot be written.
    """
    others = [each for each in bundle.faithful if _asked(each) != asked]
    own = asdict(asked) | {"classes": [each.to_dict() for each in found]}
    document = {
        "weight_hash": bundle.weight_hash,
        "graph": bundle.manifest["files"][GRAPH_FILE],
        "drawings": [*others, own],
    }
    content = json.dumps(document, separators=(",", ":")) + "\n"
    put_files(bundle, {FAITHFUL: content.encode()}, [FAITHFUL])


def kept_faithful(bundle: Bundle) -> dict[Asked, list[Faithfulness]]:
    """What `keep_faithful` put into the bundle, that of all drawn units first."""
    found = {
        _asked(each): [Faithfulness.from_dict(row) for row in each["classes"]]
        for each in bundle.faithful
    }
    return dict(sorted(found.items(), key=lambda each: -each[1][0].units))


def _asked(drawing: Mapping[str, Any]) -> Asked:
    rule = drawing["rule"]
    return Asked(Rule(rule["nodes"], rule["edges"], rule["most"]), drawing["strongest"])
