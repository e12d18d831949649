"""Which edges stay when the settings change a little: looked at by a job."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.topology.stability import Stability, edge_stability
from pages.ui.frame.job_bar import find_job, job_bar, submit
from pages.ui.frame.words import plain
from pages.ui.topology.graphs import Made

KIND = "stability"


def known_stability(made: Sequence[Made]) -> dict[str, Stability]:
    """Of each layer's edges, as far as a job has looked at these very graphs."""
    job = find_job(KIND, _about(made), shared=True)
    found: dict[str, Stability] = job.result if job is not None and job.result else {}
    return found


def stability_panel(made: Sequence[Made]) -> None:
    """A button for the job, its progress, and what it found in a sentence."""
    about = _about(made)
    job = job_bar(KIND, about, _course, shared=True)
    if job is not None and job.active:
        return
    if job is None or job.state != "done":
        st.caption(
            "The graph is made again with every setting alone 20% smaller and 20% larger; an edge "
            "stays where its clusters, found again by their images, are joined there too."
        )
        if st.button("Which edges are stable?", icon=":material/vibration:", key="look_stable"):
            submit(KIND, about, lambda job: _look(made, job), label="stability of a graph")
        return
    for each in made:
        found = job.result.get(each.layer)
        if found is None or not len(each.graph.edges):
            continue
        kept = int((found.share == 1).sum())
        weak = ", ".join(
            f"{name.replace('_', '-')} {1 - share:.0%}"
            for name, share in zip(found.variants, found.kept.mean(1), strict=True)
        )
        st.markdown(
            f"**{plain(each.layer)}**: {kept} of {counted(len(each.graph.edges), 'edge')} stay in "
            f"all {len(found.variants)} graphs; the others are dotted. Lost with {weak}."
        )


def _look(made: Sequence[Made], job: Job) -> dict[str, Stability]:
    found = {}
    for at, each in enumerate(made):

        def told(done: int, of: int, at: int = at) -> None:
            job.report((at * of + done, len(made) * of))

        found[each.layer] = edge_stability(
            each.graph,
            each.opened.space.wide,
            each.lens,
            on_variant=told,
            should_stop=lambda: job.stopping,
        )
    return found


def _about(made: Sequence[Made]) -> tuple[str, ...]:
    return tuple(each.key for each in made)


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or (0, 1)
    return done / total, f"{done} of {total} graphs made · {job.seconds:.0f} s"
