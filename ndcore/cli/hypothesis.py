"""`study hypothesis`: choose on dev images, freeze, look once at the evaluation images."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from ndcore.bundles.bundle import load_bundle
from ndcore.errors import BadRequestError
from ndcore.study.desk import DESK, desk_file, load_desk
from ndcore.study.hypotheses.frozen_list import frozen_of
from ndcore.study.hypotheses.hypothesis import dev_figures, hypothesis
from ndcore.study.saved import without_nan


def study_hypothesis(options: Namespace) -> tuple[dict[str, Any], str, int]:
    """Figures of a hypothesis as a document and as text, and exit status 0."""
    bundle = load_bundle(options.bundle)
    file = Path(options.out) / DESK if options.out else desk_file(bundle)
    if file is None:
        raise BadRequestError(
            f"bundle '{bundle.name}' has no study to choose from; make it with: python -m ndcore "
            f"study detectors --bundle {bundle.name}"
        )
    desk = load_desk(file, bundle.weight_hash)
    layers = None if options.layers in (None, "all") else options.layers.split(",")
    attack, over = options.attack or "one-pixel", options.over or "mean"
    about = hypothesis(desk, options.measure or [], layers, attack, over)
    frozen = frozen_of(bundle.name, bundle.weight_hash)
    if options.freeze:
        record, fresh = frozen.freeze(desk, about)
    else:
        record = {"hypothesis": about.to_dict(), "dev": without_nan(dev_figures(desk, about))}
        fresh = False
    document = {
        "study": "hypothesis",
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "looks": len(frozen.records()),
        "new": fresh,
    } | record
    return document, _text(document), 0


def _text(document: dict[str, Any]) -> str:
    about = document["hypothesis"]
    lines = [
        f"{', '.join(about['measures'])} at {', '.join(about['layers'])} ({about['over']}) "
        f"against {about['attack']}",
        f"dev: {_auroc(document['dev'])}; confidence alone "
        f"{document['dev']['confidence_alone']:.3f}",
    ]
    found = document.get("evaluation")
    if found is None:
        lines.append(f"not frozen; {document['looks']} hypotheses were tested so far")
        return "\n".join(lines)
    wrong = found["against"]["benign-misclassified"]
    lines.append(f"evaluation: {_auroc(found)}; confidence alone {found['confidence_alone']:.3f}")
    if wrong["auroc"] is not None:
        lines.append(f"  against {wrong['n']} misclassified images: {wrong['auroc']:.3f}")
    for alpha, caught in found["tpr_at_fpr"].items():
        alarms, few = found["false_alarms"][alpha], found["too_few"][alpha]
        note = f"; too few calibration images for {', '.join(few)}" if few else ""
        lines.append(
            f"  at {100 * float(alpha):g}%: {100 * caught:.1f}% caught, "
            f"{100 * alarms['rate']:.1f}% false alarms{note}"
        )
    when = "frozen now" if document["new"] else f"frozen before, {document['time']}: this is what"
    told = when if document["new"] else f"{when} it gave then"
    lines.append(f"{told}; look {document['look']} of {document['looks']} at these weights")
    return "\n".join(lines)


def _auroc(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return (
        f"AUROC {found['auroc']:.3f} ({low:.3f}-{high:.3f}), {found['n']} attacked and "
        f"{found['benign']} benign images"
    )
