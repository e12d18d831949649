"""An attack on many images as a job, whose results grow image by image."""

from __future__ import annotations

from dataclasses import dataclass, field

from ndcore.attacks.attack import attack_images
from ndcore.attacks.config import AttackConfig
from ndcore.attacks.result import AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.jobs import Job
from ndcore.tasks.opened import opened

LIGHT_QUERIES = 10_000  # some seconds for a network of 32 pixels
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
        """Whether it takes seconds, so that a process of its own would not pay."""
        if not self.config.searches:
            return len(self.choice) <= LIGHT_IMAGES
        return self.queries <= LIGHT_QUERIES

    def add(self, part: tuple[int, AttackResult]) -> None:
        """Take in the result of the image at a position."""
        self.found[part[0]] = part[1]


@dataclass(frozen=True)
class AttackTask:
    """The attack, for a process that has not opened the bundle."""

    bundle: str
    weight_hash: str
    work: AttackJob

    def __call__(self, job: Job) -> AttackJob:
        """Do it."""
        return run_attack(opened(self.bundle, self.weight_hash), self.work, job)


def run_attack(bundle: Bundle, work: AttackJob, job: Job) -> AttackJob:
    """Attack the images; finished ones show, and are kept, while others are searched."""
    job.grow(work)
    choice = work.choice
    attack_images(
        bundle.model,
        choice.pixels,
        choice.labels,
        choice.names,
        work.config,
        on_progress=job.report,
        on_result=lambda at, result: job.add((at, result)),
        should_stop=lambda: job.stopping,
    )
    return work


def results_of(job: Job) -> list[AttackResult]:
    """What a job found so far."""
    return [] if job.result is None else job.result.results
