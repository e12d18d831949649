"""`detect`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.progress import Progress
from ndcore.cli.shared_options import add_bundle, add_images
from ndcore.errors import BundleError

if TYPE_CHECKING:
    from ndcore.certificate import Certificate
    from ndcore.data.batch import ImageBatch
    from ndcore.detectors import Detector, Verdict
    from ndcore.detectors.repair import Repairs
    from ndcore.study.calibrated import Detectors


def add_arguments(parser: ArgumentParser) -> None:
    add_images(parser)
    add_bundle(parser)
    parser.add_argument("--alpha", type=float, default=0.05, help="share of false alarms")
    parser.add_argument(
        "--detector",
        default="",
        help="repair-pair or repair-turn (these need a study and about a second per image), "
        "wasserstein, surprisal or a baseline such as logit-gap (default: the one that the study "
        "froze, else the first that the bundle has a calibration for)",
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
    parser.add_argument(
        "--no-certificate",
        action="store_true",
        help="verdicts without what is proven of each image, about a second per image",
    )


def run(options: Namespace) -> Answer:
    """Judge images; status 1 where one is flagged and that was asked for."""
    from ndcore.bundles.bundle import load_bundle
    from ndcore.cli.selection import choose_images
    from ndcore.cli.text import detect_text
    from ndcore.figures.detector.case.files import case_kind, write_case
    from ndcore.statistics.conformal import check_alpha
    from ndcore.study.calibrated import Detectors

    if options.case_file:
        case_kind(options.case_file)
    check_alpha(options.alpha)
    bundle = load_bundle(options.bundle)
    chosen = choose_images(bundle, options, default=None)
    here = Detectors(bundle)
    detector = here.open(options.detector)
    if not detector.fitted:
        raise BundleError(f"detector '{detector.name}' has neither a calibration nor a command")
    repairs, verdicts = _judge(detector, chosen, options.alpha)
    alone = options.no_certificate or bundle.unasked
    proofs = [] if alone else _certify(here, chosen)
    rows = [
        {"file": name} | verdict.to_dict(bundle.classes)
        for name, verdict in zip(chosen.ids, verdicts, strict=True)
    ]
    for row, proof in zip(rows, proofs, strict=False):
        row["certificate"] = proof.to_dict(bundle.classes)
    document = {
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "detector": detector.name,
        "alpha": options.alpha,
        "results": rows,
    }
    flagged = any(row["flagged"] for row in rows)
    if options.case_file:
        case = _case(options, here, chosen, detector, verdicts, repairs, proofs)
        write_case(options.case_file, case)
    return document, detect_text(document), int(flagged and options.fail_on_flag)


def _certify(here: Detectors, chosen: ImageBatch) -> list[Certificate]:
    from ndcore.certificate import certify

    found: list[Certificate] = []
    with Progress() as progress:

        def count(one: Certificate) -> None:
            found.append(one)
            progress.step("certifying", len(found), len(chosen))

        return certify(here.bundle.model, chosen.pixels, on_image=count)


def _judge(
    detector: Detector[Any], chosen: ImageBatch, alpha: float
) -> tuple[list[Repairs], list[Verdict]]:
    """Verdicts, where the detector is calibrated; and the repairs, where it made some."""
    from ndcore.detectors.by_repair import RepairDetector
    from ndcore.detectors.repair import Repairs

    repairs: list[Repairs] = []
    verdicts: list[Verdict] = []
    with Progress() as progress:
        for start in range(0, len(chosen.ids), detector.batch):
            progress.step(f"judging by {detector.name}", start, len(chosen.ids))
            seen = detector.see(chosen.pixels[start : start + detector.batch])
            repairs += [seen] if isinstance(seen, Repairs) else []
            verdicts += detector.explain(seen, alpha) if detector.fitted else []
        for at, verdict in enumerate(verdicts):
            if isinstance(detector, RepairDetector) and detector.asks_again(verdict):
                progress.step(f"a second repair of image {at + 1}")
                again = detector.look_again(chosen.pixels[at], repairs[at])
                verdicts[at] = replace(verdict, second=again)
    return repairs, verdicts


def _case(
    options: Namespace,
    here: Detectors,
    chosen: ImageBatch,
    detector: Detector[Any],
    verdicts: list[Verdict],
    repairs: list[Repairs],
    proofs: list[Certificate],
) -> dict[str, Any]:
    """The case file's document: the verdicts with their layers, and the repairs unless declined."""
    from ndcore.analysis.case_file import Case, case_document

    by_layers: list[Verdict] = []
    other = None if detector.layered else here.layered()
    if other:
        _, by_layers = _judge(other, chosen, options.alpha)
    by_repair: list[Verdict] = []
    searched = not options.no_repair and not here.bundle.unasked
    if searched:
        by = here.repairer()
        if detector.name == by.name:
            by_repair = verdicts
        else:
            repairs, by_repair = _judge(by, chosen, options.alpha)
    cases = [
        Case(
            name=name,
            pixels=chosen.pixels[at],
            verdict=verdicts[at],
            repairs=repairs[at] if searched else None,
            by_repair=by_repair[at] if by_repair else None,
            by_layers=(other.name, by_layers[at]) if other else None,
            certificate=proofs[at] if proofs else None,
        )
        for at, name in enumerate(chosen.ids)
    ]
    command = f"python -m ndcore {shlex.join(options.typed)}"
    return case_document(here.bundle, detector.name, cases, command=command)
