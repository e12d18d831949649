"""The batch's attack repeated on another network, in the background, and both paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ndcore.analysis.two_networks import Network, common_detector, compared, look_at, relabelled
from ndcore.attacks import AttackConfig, AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import ImageBatch
from ndcore.jobs import Job
from ndcore.study.calibrated import Detectors
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import submit
from pages.ui.frame.words import counted
from pages.ui.lab.attack_job import DEADLINE_S, AttackJob

KIND = "compare"
ALPHA = 0.05


def start_comparison(bundle: Bundle, other: Bundle, work: AttackJob, about: object) -> None:
    """Queue it and look at the page again; `work` is the attack on `bundle` that has ended."""
    found = dict(sorted(work.found.items()))
    at = list(found)
    choice = work.choice
    images = ImageBatch(tuple(choice.names[i] for i in at), choice.labels[at], choice.pixels[at])
    pair = [loaders.detectors(each) for each in (bundle, other)]
    detector = common_detector(*pair)

    def run(job: Job) -> dict[str, Any]:
        def look(here: Detectors, results: Sequence[AttackResult]) -> Network:
            return look_at(
                here,
                relabelled(images, bundle.classes, here.bundle),
                _with_target(work.config, bundle, here.bundle),
                detector=detector,
                alpha=ALPHA,
                results=results,
                on_step=lambda *step: job.report(step),
                should_stop=lambda: job.stopping,
            )

        first, second = look(pair[0], tuple(found.values())), look(pair[1], ())
        return {
            "bundles": [bundle.name, other.name],
            "weight_hashes": [bundle.weight_hash, other.weight_hash],
            "engine": work.config.engine,
            "pixels": work.config.pixels,
            "seed": work.config.seed,
            "detector": detector,
            "alpha": ALPHA,
        } | compared(first, second)

    label = f"comparison on {counted(len(images), 'image')}"
    submit(KIND, about, run, label=label, deadline_s=DEADLINE_S)


def _with_target(config: AttackConfig, bundle: Bundle, other: Bundle) -> AttackConfig:
    """Classes may have another order there."""
    if config.target is None:
        return config
    return replace(config, target=other.class_index(bundle.classes[config.target]))
