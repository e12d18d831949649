"""Looking for natural errors among many images as a job, whose errors grow part by part."""

from __future__ import annotations

from dataclasses import dataclass, field

from ndcore.analysis.natural_errors import NaturalError, find_errors, most_confident_first
from ndcore.bundles.images import open_named
from ndcore.jobs import Job
from ndcore.study.calibrated import Detectors

LIGHT_IMAGES = 1000


@dataclass
class ErrorSearch:
    """Where a job looks, and what it found.

    Attributes:
        source: name of the images, see `open_named`.
        members: positions to look at.
        read: how many images were read.
        found: the errors among them.
    """

    source: str
    members: list[int]
    read: int = 0
    found: list[NaturalError] = field(default_factory=list)

    @property
    def errors(self) -> tuple[NaturalError, ...]:
        """See `find_errors`."""
        return most_confident_first(self.found)

    @property
    def light(self) -> bool:
        """See `Work`."""
        return len(self.members) <= LIGHT_IMAGES

    def add(self, part: tuple[int, list[NaturalError]]) -> None:
        """Take in how many more images were read, and the errors among them."""
        self.read += part[0]
        self.found += part[1]

    def do(self, job: Job, *on: Detectors) -> ErrorSearch:
        """Look for them among the images that were not read yet."""
        bundle, read = on[0].bundle, self.read
        job.grow(self)

        def keep(images: int, wrong: list[NaturalError]) -> None:
            nonlocal read
            read += images
            job.add((images, wrong))
            job.report(read)

        source = open_named(bundle, self.source)
        left = self.members[read:]
        find_errors(bundle, source, left, on_batch=keep, should_stop=lambda: job.stopping)
        return self
