"""An attack on many images as a job, whose results grow image by image."""

from __future__ import annotations

from dataclasses import dataclass, field

from ndcore.attacks.attack import attack_images
from ndcore.attacks.config import AttackConfig
from ndcore.attacks.result import AttackResult
from ndcore.data.batch import Choice
from ndcore.jobs import Job
from ndcore.study.calibrated import Detectors
from ndcore.tasks.opened import LIGHT_QUERIES

LIGHT_IMAGES = 16  # for engines that follow gradients


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

    @property
    def queries(self) -> int:
        """Model calls at most."""
        if not self.config.searches:
            return 0
        return len(self.choice) * self.config.budget(self.choice.pixels.shape[1:])

    @property
    def light(self) -> bool:
        """See `Work`."""
        if not self.config.searches:
            return len(self.choice) <= LIGHT_IMAGES
        return self.queries <= LIGHT_QUERIES

    def add(self, part: tuple[int, AttackResult]) -> None:
        """Take in the result of the image at a position."""
        self.found[part[0]] = part[1]

    def do(self, job: Job, *on: Detectors) -> AttackJob:
        """Attack the images; finished ones show, and are kept, while others are searched."""
        job.grow(self)
        attack_images(
            on[0].bundle.model,
            self.choice.pixels,
            self.choice.labels,
            self.choice.names,
            self.config,
            on_progress=job.report,
            on_result=lambda at, result: job.add((at, result)),
            should_stop=lambda: job.stopping,
        )
        return self


def results_of(job: Job) -> list[AttackResult]:
    """What a job found so far."""
    return [] if job.result is None else job.result.results
