"""Work in the background of a page: asked for, waited for, watched, stopped, and found again.

A job's id lives in the link under its kind, so that a reload or a shared link finds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.jobs.manager import HEAVY
from ndcore.legible.plurals import counted
from ndcore.study.calibrated import Detectors
from ndcore.tasks.opened import Apart, Work
from pages.ui.frame import loaders
from pages.ui.frame.gate import user
from pages.ui.frame.link import just_linked, recall, remember
from pages.ui.frame.page_list import DETECTOR, EVOLUTION, EXPLORER, GRAPH, LAB, TOPOLOGY
from pages.ui.frame.words import sentence

POLL_S = 0.4
PICTURE_S = 0.8  # between two pictures of a job, which cost the browser more than the bar
REFRESH_S = 3.0  # at least so long between two looks of the whole page at new results
STOP_S = 0.2  # waited for the end, before the page says that it is stopping

DEADLINE_S = 3600
MINUTES_FROM_S = 100
LOOK_S = 2.0  # between two looks of other pages at a job
# The page that shows the jobs of a kind.
PAGE_OF = {
    "job": LAB,
    "compare": LAB,
    "error-search": EXPLORER,
    "triage": DETECTOR,
    "clamp": DETECTOR,
    "pairs": DETECTOR,
    "certify": DETECTOR,
    "facet": EVOLUTION,
    "epoch-graph": EVOLUTION,
    "topology-read": TOPOLOGY,
    "stability": TOPOLOGY,
    "graph-images": GRAPH,
    "hold": GRAPH,
    "carries": GRAPH,
    "exploits": GRAPH,
    "carries-all": GRAPH,
}

# How far a running job is: share 0..1 and words.
Told = Callable[[Job], tuple[float, str]]


def submit(
    kind: str,
    about: object,
    work: Callable[[Job], Any],
    *,
    label: str,
    then: Callable[[], object] = st.rerun,
    **ask: Any,
) -> None:
    """Queue `work(job)`, put its id into the link and look at the page again.

    Args:
        kind: of job; its name in the link.
        about: what exactly is asked, such as the bundle's name and the settings.
        work: takes the job; may set `job.result` early, for results that grow.
        label: for people.
        then: what is done instead of looking at the page again.
        ask: `deadline_s` and `lane`, see `JobManager.submit`.
    """
    try:
        job = loaders.jobs().submit(
            work, label=label, kind=kind, about=about, session=visitor(), **ask
        )
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return
    remember(kind, job.id)
    then()


def submit_on(
    kind: str,
    about: object,
    work: Work,
    *on: Bundle,
    label: str,
    then: Callable[[], object] = st.rerun,
    deadline_s: float = DEADLINE_S,
) -> None:
    """The same for work on bundles: in this process if it is light, else in one of its own."""
    if work.light:
        here = [loaders.detectors(each) for each in on]
        task: Callable[[Job], Any] = partial(_done_here, work, here)
    else:
        task = Apart(work, tuple((each.name, each.weight_hash) for each in on))
    lane = "" if work.light else HEAVY
    submit(kind, about, task, label=label, then=then, deadline_s=deadline_s, lane=lane)


def _done_here(work: Work, here: Sequence[Detectors], job: Job) -> Any:
    return work.do(job, *here)


def find_job(kind: str, about: object, *, shared: bool = False) -> Job | None:
    """The job of this kind that the link or this session speaks of, if it is about this.

    Args:
        kind: of job.
        about: what is asked now.
        shared: a job of another session that was asked the same will do.
    """
    asked = recall(kind)
    job = loaders.jobs().get(asked)
    if asked and (job is None or job.kind != kind):
        if just_linked(kind):
            st.info(
                f"The {kind} in the link is no longer kept by this server. What it was asked "
                "is restored as far as the link says it; start it again to see its results."
            )
        remember(kind, "")
        job = None
    if job is not None and job.about == about:
        job.look()
        remember(kind, asked)
        return job
    return loaders.jobs().find(kind, about) if shared else None


def job_bar(
    kind: str,
    about: object,
    told: Told,
    *,
    shared: bool = False,
    size: Callable[[Job], int] | None = None,
) -> Job | None:
    """The job with, while it is active, its place in the queue or its progress, and Stop.

    Args:
        kind, about, shared: see `find_job`.
        told: how far it is; asked while it runs.
        size: of the results so far; as they grow, the whole page is drawn again now and then.

    Returns:
        The job, active or ended, or None. Of a failed one the error has been said.
    """
    job = find_job(kind, about, shared=shared)
    st.session_state[f"told_{kind}"] = told
    if job is not None and job.active:
        _watch(job, told, size)
    elif job is not None and job.state == "failed":
        st.error(sentence(job.error))
    elif job is not None and job.ended_by:
        st.info(f"This did not come to its end: {job.ended_by}. What was found is kept.")
    return job


def live_picture(job: Job, draw: Callable[[Job], None]) -> None:
    """What a running job is at, drawn again and again, apart from its bar.

    It comes and goes and changes its height, so nothing that is clicked stands below it.
    """

    @st.fragment(run_every=PICTURE_S)
    def live() -> None:
        with st.container(key=f"picture_{job.kind}"):
            draw(job)

    live()


def remaining(job: Job, share: float, begun: float = 0.0) -> str:
    """How long a job has run and, once some of it is done, about how long the rest takes.

    Args:
        job: running.
        share: of the work that is done.
        begun: of it, what an earlier job had done.
    """
    ran = f" · {job.seconds:.0f} s"
    if not begun < share < 1:
        return ran
    return f"{ran}, about {_long(job.seconds * (1 - share) / (share - begun))} left"


def running_jobs(title: str) -> None:
    """A line with its page for each job of this session that runs, or that ended elsewhere.

    Args:
        title: of the page that is drawn; what ended is seen on its own page.
    """
    watched: dict[str, None] = st.session_state.setdefault("watched_jobs", {})
    known, named = loaders.jobs(), [recall(kind) for kind in PAGE_OF]
    found = [job for each in named if each and (job := known.get(each))]
    watched.update({job.id: None for job in found if job.active})
    lined = []
    for name in list(watched):
        job = known.get(name)
        if job is not None and (job.active or PAGE_OF[job.kind].name != title):
            lined.append(job)
        else:
            del watched[name]
    if not lined:
        return

    @st.fragment(run_every=LOOK_S)
    def lines() -> None:
        for job in lined:
            job.look()
            told = st.session_state.get(f"told_{job.kind}")
            share, words = _course(job, told) if job.active and told else (1.0, job.state)
            st.progress(min(1.0, max(0.0, share)), words)
            page = PAGE_OF[job.kind]
            st.page_link(page.path, label=f"{job.label} · {page.name}", icon=page.icon)

    lines()


def _watch(job: Job, told: Told, size: Callable[[Job], int] | None) -> None:
    shown, drawn = size(job) if size else 0, time.monotonic()

    @st.fragment(run_every=POLL_S)
    def live() -> None:
        job.look()
        grown = size is not None and size(job) > shown
        if not job.active or (grown and time.monotonic() - drawn > REFRESH_S):
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center", key=f"live_{job.kind}"):
            share, words = _course(job, told)
            st.progress(min(1.0, max(0.0, share)), words)
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                on_click=_stop,
                args=(job,),
                disabled=job.stopping,
                key=f"stop_{job.kind}",
            )

    live()


def _course(job: Job, told: Told) -> tuple[float, str]:
    if job.state == "queued":
        ahead = loaders.jobs().waiting_before(job)
        comes = ("other job on this server comes", "other jobs on this server come")
        wait = loaders.jobs().expected_wait_s(job)
        about = "" if wait is None else f", which takes about {_long(wait)}"
        return 0.0, f"Waiting: {counted(ahead, *comes)} first{about}."
    share, words = told(job)
    return share, "Stopping … What was found is kept." if job.stopping else words


def _long(seconds: float) -> str:
    if seconds < MINUTES_FROM_S:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes"


def visitor() -> str:
    """Whose places in the queue a job takes: a user's, else those of this tab of a browser."""
    if who := user():
        return f"user {who}"
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def _stop(job: Job) -> None:
    """Callback: end the work; if that is done soon, what it found shows without a poll."""
    job.cancel()
    end = time.monotonic() + STOP_S
    while job.active and time.monotonic() < end:
        time.sleep(0.01)
