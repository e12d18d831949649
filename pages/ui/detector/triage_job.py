"""Judging many images in the background: one job, whose images stay while it is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.study.incoming import Images
from ndcore.study.triage import Judged, judge_images
from pages.ui.frame import loaders
from pages.ui.frame.link import recall, remember

__all__ = ["TriageJob", "current", "start", "watch"]

DEADLINE_S = 3600
POLL_S = 0.4


@dataclass
class TriageJob:
    """What a job judges, kept with it so that a link to the job shows everything.

    Attributes:
        bundle: name of the bundle.
        source: where the images come from, in words.
        detector: name.
        images: to judge.
        pairs: position -> the pair it is the attacked image of.
        parts: what was judged so far.
    """

    bundle: str
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


def start(bundle: Bundle, work: TriageJob) -> None:
    """Queue the work and put its id into the link."""
    detector = loaders.detectors(bundle).open(work.detector)

    def run(job: Job) -> TriageJob:
        job.result = work  # so that what was judged stays after a stop

        def keep(part: Judged) -> None:
            work.parts.append(part)
            job.report(sum(len(one) for one in work.parts))

        judge_images(detector, work.images, on_part=keep, should_stop=lambda: job.stopping)
        return work

    try:
        job = loaders.jobs().submit(
            run, label=f"triage of {len(work.images)} images", deadline_s=DEADLINE_S
        )
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return
    remember("triage", job.id)
    st.rerun()


def current(bundle: Bundle) -> Job | None:
    """The job of the link or of this session, if it is one on this bundle."""
    job_id = recall("triage")
    job = loaders.jobs().get(job_id)
    if job is None:
        remember("triage", "")
        return None
    remember("triage", job_id)
    work = job.result
    return None if work is not None and work.bundle != bundle.name else job


def watch(job: Job) -> None:
    """Progress with Stop."""

    @st.fragment(run_every=POLL_S)
    def live() -> None:
        if not job.active:
            st.rerun()
        work: TriageJob | None = job.result
        done, total = job.progress or 0, len(work.images) if work else 1
        with st.container(border=True, key="triage_live"):
            if job.state == "queued":
                ahead = loaders.jobs().waiting_before(job)
                st.progress(0.0, f"Waiting: {ahead} other job(s) on this server come first.")
            else:
                words = f"{done:,} of {total:,} images judged · {job.seconds:.0f} s"
                words = "Stopping; what was judged is kept." if job.stopping else words
                st.progress(min(1.0, done / max(1, total)), words)
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                on_click=job.cancel,
                disabled=job.stopping,
                key="triage_stop",
            )

    live()
