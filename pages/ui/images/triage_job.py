"""Judging many images in the background: one job, which the link names."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.tasks.triage import TriageJob
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar, submit_on
from pages.ui.frame.link import just_linked, remember

KIND = "triage"


def start(bundle: Bundle, work: TriageJob, then: Callable[[], object] = st.rerun) -> None:
    """Queue the work and put its id into the link; for `then` see `submit`."""
    loaders.detectors(bundle).open(work.detector)  # says at once what is wrong with it
    label = f"triage of {counted(len(work.images), 'image')}"
    submit_on(KIND, bundle.weight_hash, work, bundle, label=label, then=then)


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
