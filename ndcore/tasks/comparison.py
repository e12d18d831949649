"""A batch's attack repeated on another network, and both paired, as a job that can go on later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ndcore.analysis.two_networks import (
    common_detector,
    compare_networks,
    relabelled,
    retargeted,
)
from ndcore.attacks import attack_images
from ndcore.attacks.result import AttackResult
from ndcore.data.batch import ImageBatch
from ndcore.jobs import Job
from ndcore.steps import stop_if
from ndcore.study.calibrated import Detectors
from ndcore.tasks.attack import AttackJob

ALPHA = 0.05


@dataclass
class ComparisonJob:
    """What is compared, and what was found.

    Attributes:
        first: the attack on the first network, which has ended.
        found: position among its results -> result on the second network.
        document: see `compare_networks`; empty until both are through.
    """

    first: AttackJob
    found: dict[int, AttackResult] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def light(self) -> bool:
        """See `Work`."""
        return self.first.light

    def add(self, part: tuple[int, AttackResult] | dict[str, Any]) -> None:
        """Take in a result on the second network, or in the end the document."""
        if isinstance(part, dict):
            self.document = part
        else:
            self.found[part[0]] = part[1]

    def do(self, job: Job, *on: Detectors) -> ComparisonJob:
        """Attack the second network where that is not done yet, and compare."""
        job.grow(self)
        first, second = (each.bundle for each in on)
        at = sorted(self.first.found)
        choice = self.first.choice
        names = tuple(choice.names[i] for i in at)
        images = ImageBatch(names, choice.labels[at], choice.pixels[at])
        known = {place: each for place, each in self.found.items() if not each.stopped}
        left = [place for place in range(len(at)) if place not in known]
        asked = relabelled(images.take(left), first.classes, second)

        def keep(place: int, result: AttackResult) -> None:
            known[left[place]] = result
            job.add((left[place], result))

        attack_images(
            second.model,
            asked.pixels,
            asked.labels,
            asked.ids,
            retargeted(self.first.config, first.classes, second),
            on_progress=lambda p: job.report(
                (f"attack on {second.name}", len(at) - len(left) + p.done, len(at))
            ),
            on_result=keep,
            should_stop=lambda: job.stopping,
        )
        stop_if(lambda: job.stopping)
        document = compare_networks(
            on,
            images,
            self.first.config,
            detector=common_detector(*on),
            alpha=ALPHA,
            results=(self.first.results, [known[place] for place in range(len(at))]),
            on_step=lambda *step: job.report(step),
            should_stop=lambda: job.stopping,
        )
        job.add(document)
        return self
