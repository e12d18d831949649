"""Attacks in the background: one job per batch, whose results stay while the job is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from pages.ui.elements.class_matrix import forget_cell
from pages.ui.frame import loaders
from pages.ui.frame.link import just_linked, recall, remember
from pages.ui.images.picker import Choice
from pages.ui.lab.batch import MATRIX

__all__ = ["AttackJob", "current_job", "results_of", "start"]

DEADLINE_S = 3600


@dataclass
class AttackJob:
    """What a job works on, kept with it so that a link to the job shows everything.

    Attributes:
        bundle: name of the bundle.
        choice: images.
        config: what was asked.
        found: position of the image -> its result, as images end.
        latest: positions in the order in which they ended.
    """

    bundle: str
    choice: Choice
    config: AttackConfig
    found: dict[int, AttackResult] = field(default_factory=dict)
    latest: list[int] = field(default_factory=list)

    def keep(self, index: int, result: AttackResult) -> None:
        """Called by the attack as an image ends."""
        self.found[index] = result
        self.latest.append(index)

    @property
    def results(self) -> list[AttackResult]:
        """Results so far, in the order of the images."""
        found = dict(self.found)  # a copy, because the attack may be adding to it
        return [found[index] for index in sorted(found)]


def start(bundle: Bundle, choice: Choice, config: AttackConfig) -> None:
    """Queue the attack and put its id into the link."""
    work = AttackJob(bundle.name, choice, config)
    names = [image_id or name for image_id, name in zip(choice.ids, choice.names, strict=True)]

    def run(job: Job) -> AttackJob:
        job.result = work  # so that finished images show while others are searched
        attack_images(
            bundle.model,
            choice.pixels,
            choice.labels,
            names,
            config,
            on_progress=job.report,
            on_result=work.keep,
            should_stop=lambda: job.stopping,
        )
        return work

    try:
        job = loaders.jobs().submit(
            run, label=f"attack on {len(choice.ids)} images", deadline_s=DEADLINE_S
        )
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return
    st.session_state.pop("results", None)  # the row picked in the last attack's table
    forget_cell(MATRIX)
    remember("job", job.id)
    st.rerun()


def current_job(bundle: Bundle) -> Job | None:
    """The job of the link or of this session, if it is one on this bundle."""
    job_id = recall("job")
    job = loaders.jobs().get(job_id)
    if job is None:
        if job_id:
            if just_linked("job"):
                st.info(
                    "The attack in the link is no longer kept by this server. Its settings and "
                    "images are restored; start it again to see its results."
                )
            remember("job", "")
        return None
    remember("job", job_id)
    work = job.result
    return None if work is not None and work.bundle != bundle.name else job


def results_of(job: Job | None) -> list[AttackResult]:
    """What a job found so far."""
    return [] if job is None or job.result is None else job.result.results
