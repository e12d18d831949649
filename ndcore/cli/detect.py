"""Handlers of `detect` and `study`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndcore.analysis.case_file import Case, case_document
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli.hypothesis import study_hypothesis
from ndcore.cli.progress import Progress
from ndcore.cli.selection import Chosen, choose_images, default_data
from ndcore.cli.text import detect_text, study_text
from ndcore.data.catalog import open_data
from ndcore.detectors import Judgement, Verdict, load_detector
from ndcore.detectors.repair import Repairs, repair
from ndcore.figures.detector.case_file import case_kind, write_case
from ndcore.networks.evaluator import evaluator_for
from ndcore.statistics.conformal import check_alpha
from ndcore.study import study_dir
from ndcore.study.calibrated import RepairVerdict, load_frozen
from ndcore.study.saved import study_folder
from ndcore.study.ship import ship_study

__all__ = ["detect", "study"]

Answer = tuple[dict[str, Any], str, int]
REPAIR = "repair"  # the detector that the bundle's study froze
BATCH = 64


def detect(options: Namespace) -> Answer:
    """Judge images; status 1 where one is flagged and that was asked for."""
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


def study(options: Namespace) -> Answer:
    """Run the study of detectors, or test one hypothesis."""
    if options.name == "hypothesis":
        return study_hypothesis(options)
    # Not at the top: it brings in all detectors that are compared, a second that no other command
    # should wait.
    from ndcore.study.run import StudyConfig, run_study

    config = StudyConfig(
        attacks=tuple(options.attacks) if options.attacks else None,
        n=options.n,
        repairs=not options.no_repair,
        seed=options.seed,
    )
    bundle = load_bundle(options.bundle)
    source = open_data(options.data or default_data(options.bundle), bundle.shape)
    folder = Path(options.out) if options.out else None
    with Progress() as progress:
        found = run_study(bundle, source, config, folder, on_step=progress.step)
    if options.ship:
        ship_study(bundle, folder or study_dir(bundle.name))
    return found.document, study_text(found.document), 0
