"""Attacks in the background: start one, watch it, stop it, keep what it found."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from ndcore.attacks import AttackConfig, AttackProgress, AttackResult, attack_images
from ndcore.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.attack import search_course
from ndcore.jobs import Job
from pages.ui import loaders
from pages.ui.choosing import Choice
from pages.ui.page import recall, remember
from pages.ui.pictures import show_image

__all__ = ["AttackJob", "current_job", "start", "watch"]

DEADLINE_S = 3600


@dataclass
class AttackJob:
    """What a job works on, kept with it so that a link to the job shows everything.

    Attributes:
        bundle: name of the bundle.
        choice: images.
        config: what was asked.
        found: results so far, one per finished image.
    """

    bundle: str
    choice: Choice
    config: AttackConfig
    found: list[AttackResult] = field(default_factory=list)


def start(bundle: Bundle, choice: Choice, config: AttackConfig) -> None:
    """Queue the attack and put its id into the link."""
    work = AttackJob(bundle.name, choice, config)

    def run(job: Job) -> AttackJob:
        job.result = work  # so that finished images show while later ones are searched

        def report(progress: AttackProgress) -> None:
            job.report((work, progress))

        for index, image_id in enumerate(choice.ids):
            if job.stopping:
                break

            def place(progress: AttackProgress, index: int = index) -> None:
                shown = vars(progress) | {"index": index, "images": len(choice.ids)}
                report(AttackProgress(**shown))

            name = image_id or choice.names[index]
            work.found += attack_images(
                bundle.model,
                choice.pixels[index : index + 1],
                choice.labels[index : index + 1],
                [name],
                config,
                on_progress=place,
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
    remember("job", job.id)
    st.rerun()


def current_job(bundle: Bundle) -> Job | None:
    """The job of the link or of this session, if it is one on this bundle."""
    job = loaders.jobs().get(recall("job"))
    if job is None:
        if recall("job"):
            remember("job", "")
        return None
    work = job.result
    return None if work is not None and work.bundle != bundle.name else job


def watch(bundle: Bundle, job: Job) -> None:
    """Live progress with Stop while the job is active; nothing afterwards."""
    if not job.active:
        return

    @st.fragment(run_every=0.5)
    def live() -> None:
        if not job.active:
            st.rerun()
        with st.container(border=True, key="live"):
            _progress(bundle, job)
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                on_click=job.cancel,
                disabled=job.stopping,
                key="stop",
            )

    live()


def _progress(bundle: Bundle, job: Job) -> None:
    if job.state == "queued":
        ahead = loaders.jobs().waiting_before(job)
        st.progress(0.0, f"Waiting: {ahead} other job(s) on this server come first.")
        return
    if job.progress is None:
        st.progress(0.0, "Starting …")
        return
    work, now = job.progress
    goal = "lowest true-class" if work.config.target is None else "highest target-class"
    text = (
        f"Image {now.index + 1} of {now.images} ({now.id}) · generation {now.generation} of at "
        f"most {now.generations} · {now.queries:,} of at most {now.max_queries:,} queries · "
        f"{goal} probability {100 * now.best_confidence:.1f}%"
    )
    if job.stopping:
        text = "Stopping; what was found is kept."
    share = (now.index + min(1.0, now.queries / now.max_queries)) / now.images
    st.progress(min(share, 1.0), text)
    left, right = st.columns([1, 2])
    picture = work.choice.pixels[now.index]
    show_image(
        picture,
        f"{len(now.candidates)} candidate pixels of this generation",
        candidates=now.candidates,
        width=240,
        place=left,
    )
    config = work.config
    right.plotly_chart(
        search_course(
            now.history,
            target="" if config.target is None else bundle.classes[config.target],
            true=bundle.classes[work.choice.labels[now.index]],
        ),
        key=f"course_{now.index}_{now.generation}",
    )
