"""Attacks in the background: one job per batch, whose results stay while the job is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.jobs import Job
from pages.ui.elements.class_matrix import forget_cell
from pages.ui.frame.job_bar import submit
from pages.ui.frame.link import remember
from pages.ui.frame.words import counted
from pages.ui.images.picker import Choice
from pages.ui.lab.batch import CELL, ROW

KIND = "job"  # in links, since before there were jobs of other kinds
DEADLINE_S = 3600


@dataclass
class AttackJob:
    """What a job works on, kept with it so that a link to the job shows everything.

    Attributes:
        choice: images.
        config: what was asked.
        found: position of the image -> its result, in the order in which they ended.
    """

    choice: Choice
    config: AttackConfig
    found: dict[int, AttackResult] = field(default_factory=dict)

    @property
    def results(self) -> list[AttackResult]:
        """Results so far, in the order of the images."""
        found = dict(self.found)  # a copy, because the attack may be adding to it
        return [found[index] for index in sorted(found)]


def start(bundle: Bundle, choice: Choice, config: AttackConfig) -> None:
    """Queue the attack and look at the page again."""
    work = AttackJob(choice, config)

    def run(job: Job) -> AttackJob:
        job.result = work  # so that finished images show while others are searched
        attack_images(
            bundle.model,
            choice.pixels,
            choice.labels,
            choice.names,
            config,
            on_progress=job.report,
            on_result=work.found.__setitem__,
            should_stop=lambda: job.stopping,
        )
        return work

    # What was picked in the last attack's results.
    forget_cell(CELL)
    remember(ROW, "")
    label = f"attack on {counted(len(choice.ids), 'image')}"
    submit(KIND, bundle.name, run, label=label, deadline_s=DEADLINE_S)


def results_of(job: Job) -> list[AttackResult]:
    """What a job found so far."""
    return [] if job.result is None else job.result.results


def is_about(job: Job, choice: Choice) -> bool:
    """Whether exactly these images were to be attacked by a job that began."""
    mine: Choice | None = job.result and job.result.choice
    if mine is None:
        return False
    return mine.names == choice.names and np.array_equal(mine.pixels, choice.pixels)
