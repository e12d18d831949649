"""Certificates as jobs: of many images against one pixel, of one image against two."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate import Certificate, certify
from ndcore.certificate.blocks import pairs_of
from ndcore.certificate.recovery import recover
from ndcore.certificate.two_pixels import certify_two
from ndcore.jobs import Job
from ndcore.networks.evaluator import evaluator_for
from ndcore.networks.stoppable import stoppable
from ndcore.study.calibrated import Detectors
from ndcore.study.incoming import Images
from ndcore.tasks.opened import LIGHT_QUERIES


@dataclass
class CertifyJob:
    """What a job certifies, kept with it so that a link to the job shows everything.

    Attributes:
        images: to certify.
        found: certificates so far, in the order of the images.
    """

    images: Images
    found: list[Certificate] = field(default_factory=list)

    @property
    def light(self) -> bool:
        """See `Work`."""
        return math.prod(self.images.pixels.shape[:3]) <= LIGHT_QUERIES

    def add(self, part: Certificate) -> None:
        """Take in the certificate of the next image."""
        self.found.append(part)

    def do(self, job: Job, *on: Detectors) -> CertifyJob:
        """Certify the images that are not certified yet, one after another."""
        job.grow(self)
        done = len(self.found)

        def keep(one: Certificate) -> None:
            nonlocal done
            done += 1
            job.add(one)
            job.report(done)

        left = self.images.pixels[done:]
        certify(on[0].bundle.model, left, on_image=keep, should_stop=lambda: job.stopping)
        return self


@dataclass(frozen=True)
class PairsOfBlocks:
    """All pairs of blocks of one image.

    Attributes:
        pixels: uint8 (H, W, C).
        block: side of a block.
    """

    pixels: NDArray[np.uint8]
    block: int

    @property
    def pairs(self) -> int:
        """How many there are."""
        return pairs_of(self.pixels.shape, self.block)

    @property
    def light(self) -> bool:
        """See `Work`."""
        return self.pairs <= LIGHT_QUERIES

    def do(self, job: Job, *on: Detectors) -> dict[str, Any]:
        """What is proven, the label before a change of one pixel, and the image's own label."""
        bundle = on[0].bundle
        with stoppable(lambda: job.stopping):
            evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
            certified = certify_two(evaluator, self.pixels, self.block, job.report)
            back = recover(evaluator, self.pixels, self.block)
            label = bundle.classes[int(evaluator.plain(self.pixels[None]).argmax())]
        return {"label": label, "recovered": back.to_dict(bundle.classes)} | certified.to_dict()
