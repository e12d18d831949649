"""The batch's attack repeated on another network, in the background, and both paired."""

from __future__ import annotations

from typing import Any

from ndcore.analysis.two_networks import common_detector, compare_networks
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import ImageBatch
from ndcore.jobs import Job
from ndcore.tasks.attack import AttackJob
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import submit
from pages.ui.frame.words import counted
from pages.ui.lab.attack_job import DEADLINE_S

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
        return compare_networks(
            pair,
            images,
            work.config,
            detector=detector,
            alpha=ALPHA,
            results=tuple(found.values()),
            on_step=lambda *step: job.report(step),
            should_stop=lambda: job.stopping,
        )

    label = f"comparison on {counted(len(images), 'image')}"
    submit(KIND, about, run, label=label, deadline_s=DEADLINE_S)
