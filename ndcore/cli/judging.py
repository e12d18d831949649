"""Handlers of `detect` and `study`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from ndcore.attacks.evaluator import evaluator_for
from ndcore.bundle import Bundle, load_bundle
from ndcore.casefile import Case, case_document, case_kind, write_case
from ndcore.cli.hypothesis import study_hypothesis
from ndcore.cli.progress import Progress
from ndcore.cli.selection import Chosen, choose_images, default_data
from ndcore.cli.tables import detect_text, study_text
from ndcore.data import open_data
from ndcore.detectors import DivergenceDetector, Verdict, load_detector
from ndcore.detectors.repair import repair
from ndcore.study import StudyConfig, run_study, study_dir
from ndcore.study.calibrated import FrozenDetector, RepairVerdict, load_frozen
from ndcore.study.saved import study_folder
from ndcore.study.ship import ship_study

__all__ = ["detect", "study"]

Answer = tuple[dict[str, Any], str, int]
REPAIR = "repair"  # the detector that the bundle's study froze


def detect(options: Namespace) -> Answer:
    """Judge images; status 1 where one is flagged and that was asked for."""
    if options.case_file:
        case_kind(options.case_file)
    bundle = load_bundle(options.bundle)
    detector: DivergenceDetector | FrozenDetector
    if options.detector == REPAIR:
        detector = load_frozen(bundle)
    else:
        detector = load_detector(bundle, options.detector)
    chosen = choose_images(bundle, options, default=None)
    verdicts: list[Verdict | RepairVerdict] = []
    for start in range(0, len(chosen.ids), 64):
        verdicts += detector.detect(chosen.pixels[start : start + 64], options.alpha)
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
        write_case(options.case_file, _case(options, bundle, chosen))
    return document, detect_text(document), int(flagged and options.fail_on_flag)


def _case(options: Namespace, bundle: Bundle, chosen: Chosen) -> dict[str, Any]:
    """The case file's document; each image is repaired pixel by pixel unless that was declined."""
    evaluator = evaluator_for(bundle.model, bundle.shape)
    frozen = load_frozen(bundle) if study_folder(bundle) is not None else None
    # The repair has no layers and units to tell of: there the usual divergence gives them.
    name = "wasserstein" if options.detector == REPAIR else options.detector
    detector = load_detector(bundle, name)
    cases: list[Case] = []
    with Progress() as progress:
        for at, pixels in enumerate(chosen.pixels):
            progress.step("case file", at, len(chosen.ids))
            verdict = detector.detect(pixels[None], options.alpha)[0]
            case = Case(chosen.ids[at], pixels, verdict)
            if not options.no_repair:
                repairs = repair(evaluator, pixels[None])
                judged = frozen.judge(repairs, options.alpha)[0] if frozen else None
                case = replace(case, repairs=repairs, by_repair=judged)
            cases.append(case)
    command = f"python -m ndcore {shlex.join(options.typed)}"
    return case_document(bundle, name, cases, command=command)


def study(options: Namespace) -> Answer:
    """Run the study of detectors, or test one hypothesis."""
    if options.name == "hypothesis":
        return study_hypothesis(options)
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
