"""Judging many images in the background: one job, whose images stay while it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.pairs import Pair
from ndcore.jobs import Job
from ndcore.study.incoming import Images
from ndcore.study.triage import Judged, judge_images
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.link import just_linked, remember
from pages.ui.frame.words import counted

KIND = "triage"
DEADLINE_S = 3600


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

    def pair(self, at: int) -> Pair:
        """The image at a position."""
        found = self.pairs.get(at)
        if found is not None:
            return found
        label = int(self.images.labels[at])
        image_id = self.images.ids[at] if self.images.sets[at] == "benign" else ""
        known = None if label == UNKNOWN else label
        return Pair(image_id, self.images.pixels[at], label=known)


def start(bundle: Bundle, work: TriageJob, then: Callable[[], object] = st.rerun) -> None:
    """Queue the work and put its id into the link; for `then` see `submit`."""
    detector = loaders.detectors(bundle).open(work.detector)

    def run(job: Job) -> TriageJob:
        job.result = work  # so that what was judged stays after a stop

        def keep(part: Judged) -> None:
            work.parts.append(part)
            job.report(sum(len(one) for one in work.parts))

        judge_images(detector, work.images, on_part=keep, should_stop=lambda: job.stopping)
        return work

    label = f"triage of {counted(len(work.images), 'image')}"
    submit(KIND, bundle.weight_hash, run, label=label, then=then, deadline_s=DEADLINE_S)


def current(bundle: Bundle) -> Job | None:
    """The job of the link or of this session; its progress while it runs, its error if it failed.

    One sentence where the link names one on another bundle.
    """
    job = job_bar(KIND, bundle.weight_hash, _course)
    if job is None and just_linked(KIND):
        st.info(
            "The triage in the link is of another bundle; choose that one to see what it found."
        )
        remember(KIND, "")
    return job


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or 0, len(job.result.images) if job.result else 1
    return done / total, f"{done:,} of {total:,} images judged · {job.seconds:.0f} s"
