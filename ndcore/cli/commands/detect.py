"""`detect`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_images

if TYPE_CHECKING:
    from ndcore.bundles.bundle import Bundle
    from ndcore.cli.selection import Chosen
    from ndcore.detectors import Judgement, Verdict
    from ndcore.detectors.repair import Repairs
    from ndcore.study.calibrated import RepairVerdict

REPAIR = "repair"  # the detector that the bundle's study froze
BATCH = 64


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    parser.add_argument("--alpha", type=float, default=0.05, help="false-positive rate")
    parser.add_argument(
        "--detector",
        default="wasserstein",
        help="wasserstein, surprisal, or repair (needs a study; about a second per image)",
    )
    parser.add_argument("--fail-on-flag", action="store_true", help="exit 1 if any is flagged")
    parser.add_argument(
        "--case-file", metavar="FILE", help="write images, evidence and provenance: .html or .json"
    )
    parser.add_argument(
        "--no-repair",
        action="store_true",
        help="case file without the pixel-by-pixel repair, the slow part",
    )


def run(options: Namespace) -> Answer:
    """Judge images; status 1 where one is flagged and that was asked for."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.selection import choose_images
    from ndcore.cli.text import detect_text
    from ndcore.figures.detector.case_file import case_kind, write_case
    from ndcore.statistics.conformal import check_alpha

    if options.case_file:
        case_kind(options.case_file)
    check_alpha(options.alpha)
    bundle = load_bundle(options.bundle)
    chosen = choose_images(bundle, options, default=None)
    found = _judge(options, bundle, chosen)
    verdicts: Sequence[Judgement] = found.verdicts
    if options.detector == REPAIR:
        verdicts = found.by_repair
    rows = [
        {"file": name} | verdict.to_dict(bundle.classes)
        for name, verdict in zip(chosen.ids, verdicts, strict=True)
    ]
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "detector": options.detector,
        "alpha": options.alpha,
        "results": rows,
    }
    flagged = any(row["flagged"] for row in rows)
    if options.case_file:
        write_case(options.case_file, _case(options, bundle, chosen, found))
    return document, detect_text(document), int(flagged and options.fail_on_flag)


@dataclass(frozen=True)
class _Found:
    """What was found out of each image, in their order; empty where nothing asks for it."""

    verdicts: list[Verdict]
    repairs: list[Repairs]
    by_repair: list[RepairVerdict]


def _judge(options: Namespace, bundle: Bundle, chosen: Chosen) -> _Found:
    """The verdicts and repairs that the answer or the case file needs, each made once."""
    from ndcore.detectors import load_detector
    from ndcore.detectors.repair import repair
    from ndcore.networks.evaluator import evaluator_for
    from ndcore.study.calibrated import load_frozen
    from ndcore.study.saved import study_folder

    by_repair, total = options.detector == REPAIR, len(chosen.ids)
    repairing = by_repair or (options.case_file and not options.no_repair)
    # A case file without a study shows the suspect pixels with no verdict on them.
    known = by_repair or (repairing and study_folder(bundle) is not None)
    frozen = load_frozen(bundle) if known else None
    found = _Found([], [], [])
    with Progress() as progress:
        if options.case_file or not by_repair:
            detector = load_detector(bundle, _divergence(options))
            for start in range(0, total, BATCH):
                progress.step("verdicts", start, total)
                part = chosen.pixels[start : start + BATCH]
                found.verdicts.extend(detector.detect(part, options.alpha))
        if repairing:
            evaluator = evaluator_for(bundle.model, bundle.shape)
            for at, pixels in enumerate(chosen.pixels):
                progress.step("repairs", at, total)
                found.repairs.append(repair(evaluator, pixels[None]))
    if frozen:
        found.by_repair.extend(frozen.judge(each, options.alpha)[0] for each in found.repairs)
    return found


def _divergence(options: Namespace) -> str:
    # The repair has no layers and units to tell of: in its case file the usual one gives them.
    return "wasserstein" if options.detector == REPAIR else str(options.detector)


def _case(options: Namespace, bundle: Bundle, chosen: Chosen, found: _Found) -> dict[str, Any]:
    """The case file's document; the repairs are in it unless that was declined."""
    from ndcore.analysis.case_file import Case, case_document

    shown = not options.no_repair
    cases = [
        Case(
            name=name,
            pixels=chosen.pixels[at],
            verdict=found.verdicts[at],
            repairs=found.repairs[at] if shown else None,
            by_repair=found.by_repair[at] if shown and found.by_repair else None,
        )
        for at, name in enumerate(chosen.ids)
    ]
    command = f"python -m ndcore {shlex.join(options.typed)}"
    return case_document(bundle, _divergence(options), cases, command=command)
