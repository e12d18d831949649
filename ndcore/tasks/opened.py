"""Work on bundles that is said by values alone, so that any process can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.errors import BadRequestError
from ndcore.jobs import Job
from ndcore.study.calibrated import Detectors

LIGHT_QUERIES = 10_000  # some seconds for a network of 32 pixels


class Work(Protocol):
    """A dataclass that says what is to be done; where it is done its bundles are open."""

    @property
    def light(self) -> bool:
        """Whether it takes seconds, so that a process of its own would not pay."""

    def do(self, job: Job, *on: Detectors) -> Any:
        """Do it on these bundles; returns what the job found."""


@dataclass(frozen=True)
class Apart:
    """Work, for a process that has not opened its bundles.

    Attributes:
        work: what is to be done.
        bundles: name and weight hash of each.
    """

    work: Work
    bundles: tuple[tuple[str, str], ...]

    def __call__(self, job: Job) -> Any:
        """Do it."""
        return self.work.do(job, *(Detectors(opened(*each)) for each in self.bundles))


def opened(bundle: str, weight_hash: str) -> Bundle:
    """A bundle, with the weights that it had when the work was described.

    Raises:
        BadRequestError: it has others now.
        BundleError: it cannot be opened.
    """
    found = load_bundle(bundle)
    if found.weight_hash != weight_hash:
        raise BadRequestError(f"the bundle '{bundle}' was built anew meanwhile; start again")
    return found
