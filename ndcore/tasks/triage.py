"""Judging many images as a job, whose verdicts grow part by part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ndcore.data.batch import UNKNOWN
from ndcore.data.pairs import Pair
from ndcore.jobs import Job
from ndcore.study.calibrated import Detectors
from ndcore.study.incoming import Images
from ndcore.study.triage import Judged, judge_images
from ndcore.tasks.opened import LIGHT_QUERIES


@dataclass
class TriageJob:
    """What a job judges, kept with it so that a link to the job shows everything.

    Attributes:
        source: where the images come from, in words.
        detector: name.
        images: to judge.
        pairs: position -> the pair it is the attacked image of.
        parts: what was judged so far.
    """

    source: str
    detector: str
    images: Images
    pairs: dict[int, Pair]
    parts: list[Judged] = field(default_factory=list)

    @property
    def judged(self) -> Judged | None:
        """What was judged so far, in the order of the images."""
        parts = list(self.parts)  # a copy, because the job may be adding to it
        return Judged.joined(parts) if parts else None

    @property
    def light(self) -> bool:
        """See `Work`; as if every pixel were repaired, which is what costs most."""
        return math.prod(self.images.pixels.shape[:3]) <= LIGHT_QUERIES

    def pair(self, at: int) -> Pair:
        """The image at a position."""
        found = self.pairs.get(at)
        if found is not None:
            return found
        label = int(self.images.labels[at])
        image_id = self.images.ids[at] if self.images.sets[at] == "benign" else ""
        known = None if label == UNKNOWN else label
        return Pair(image_id, self.images.pixels[at], label=known)

    def add(self, part: Judged) -> None:
        """Take in the verdicts on the next images."""
        self.parts.append(part)

    def do(self, job: Job, *on: Detectors) -> TriageJob:
        """Judge the images; verdicts show, and are kept, while others are judged."""
        detector, judged = on[0].open(self.detector), 0
        job.grow(self)

        def keep(part: Judged) -> None:
            nonlocal judged
            judged += len(part)
            job.add(part)
            job.report(judged)

        judge_images(detector, self.images, on_part=keep, should_stop=lambda: job.stopping)
        return self
