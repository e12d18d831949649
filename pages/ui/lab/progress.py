"""A running attack: how far it is, what it looks at, what it found; and Stop."""

from __future__ import annotations

import time

import numpy as np
import streamlit as st

from ndcore.attacks import AttackProgress, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.figures.lab.attack import search_course
from ndcore.figures.lab.grid_map import lowest_colours, ramp_legend
from ndcore.jobs import Job
from pages.ui.elements.pictures import show_image, show_pairs
from pages.ui.frame import loaders
from pages.ui.lab.attack_job import AttackJob

__all__ = ["watch"]

POLL_S = 0.4
REFRESH_S = 3.0  # at least so long between two looks of the whole page at new results
STOP_S = 1.0
LATEST = 6
PICTURE = 240
COURSE = 380


def watch(bundle: Bundle, job: Job) -> None:
    """Live progress with Stop while the job is active; nothing afterwards."""
    if not job.active:
        return
    shown = len(job.result.found) if job.result is not None else 0
    drawn = time.monotonic()

    @st.fragment(run_every=POLL_S)
    def live() -> None:
        work = job.result
        fresh = work is not None and len(work.found) > shown
        if not job.active or (fresh and time.monotonic() - drawn > REFRESH_S):
            st.rerun()
        with st.container(border=True, key="live"):
            _overall(job)
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                on_click=_stop,
                args=(job,),
                disabled=job.stopping,
                key="stop",
            )
            if job.progress is not None and work is not None:
                _in_view(bundle, work, job.progress)
                _latest(bundle, work)

    live()


def _stop(job: Job) -> None:
    """Callback: end the attack; what it found shows at once instead of at the next poll."""
    job.cancel()
    end = time.monotonic() + STOP_S
    while job.active and time.monotonic() < end:
        time.sleep(0.01)


def _overall(job: Job) -> None:
    if job.state == "queued":
        ahead = loaders.jobs().waiting_before(job)
        st.progress(0.0, f"Waiting: {ahead} other job(s) on this server come first.")
        return
    now: AttackProgress | None = job.progress
    work: AttackJob | None = job.result
    if now is None or work is None:
        st.progress(0.0, "Starting …")
        return
    found = work.results  # newer than the progress report, which comes before the results
    succeeded = summarise(found)["succeeded"]
    images = len(work.choice.ids)
    part = min(1.0, now.queries / max(1, now.max_queries)) if len(found) < images else 0.0
    share = min(1.0, (len(found) + part) / images)
    text = (
        f"{len(found)} of {images} images done · {succeeded} broken · {now.total_queries:,} "
        f"queries · {job.seconds:.0f} s"
    )
    st.progress(share, "Stopping; what was found is kept." if job.stopping else text)


def _in_view(bundle: Bundle, work: AttackJob, now: AttackProgress) -> None:
    """The image that the report is about."""
    config, choice = work.config, work.choice
    label = bundle.classes[choice.labels[now.index]]
    goal = f"lowest probability of {label}"
    if config.target is not None:
        goal = f"highest probability of {bundle.classes[config.target]}"
    budget = f" of at most {now.max_queries:,}" if now.max_queries else ""
    st.markdown(
        f"**{now.id}** ({label}) · {now.stage}  \n{now.queries:,}{budget} queries · {goal} so "
        f"far **{100 * now.best_confidence:.1f}%**"
    )
    row = st.container(horizontal=True, gap="small")
    places = now.candidates
    caption = f"{len(places):,} candidates last tried" if len(places) else "in view"
    show_image(
        choice.pixels[now.index],
        caption,
        candidates=places,
        width=PICTURE,
        place=row.container(width=PICTURE),
    )
    if now.lowest is not None and np.isfinite(now.lowest).any():
        place = row.container(width=PICTURE)
        tried = np.isfinite(now.lowest)
        top = float(np.nanmax(now.lowest))
        show_image(
            lowest_colours(now.lowest, top),
            f"map: {int(tried.sum()):,} of {tried.size:,} pixels tried",
            width=PICTURE,
            hatched=True,
            place=place,
        )
        place.html(ramp_legend(label, top, partial=True, untouched=False))
    row.container(width=COURSE).plotly_chart(
        search_course(
            now.history,
            target="" if config.target is None else bundle.classes[config.target],
            true=label,
        ),
        key="course",
    )


def _latest(bundle: Bundle, work: AttackJob) -> None:
    """The images that ended last."""
    if len(work.choice.ids) < 2 or not work.latest:
        return
    st.caption("Last finished")
    found = [work.found[index] for index in work.latest[-LATEST:][::-1]]
    show_pairs(bundle, found, width=64)
