"""Over all classes: whether the drawn neurons matter more than as many others, paired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism.faithful_classes import Asked, faithful_classes, kept_faithful
from ndcore.bundles.bundle import Bundle
from ndcore.bundles.manifest import FAITHFUL
from ndcore.concept_graph.drawing import Rule
from ndcore.concept_graph.faithful import (
    ACTIVE,
    DRAWS,
    RANDOM,
    Faithfulness,
    PairedGap,
    paired_gaps,
)
from ndcore.data.sources import ImageSource
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from pages.ui.frame.job_bar import DEADLINE_S, job_bar, remaining, submit
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.words import capital
from pages.ui.graph.hold import asked_images

KIND = "carries-all"
IMAGES = 50  # of each class
NAMES = {RANDOM: f"as many random ones ({DRAWS} draws)", ACTIVE: "as many of the most active"}
REMOVE, KEEP = "remove", "keep_only"
Gaps = Mapping[str, Mapping[str, PairedGap]]


def carries_all_panel(bundle: Bundle, graphs: ClassGraphs, units: int) -> None:
    """What is kept of these drawings; else a button, the job, and the gaps with their intervals.

    Args:
        bundle, graphs: on show.
        units: at most so many of a layer are drawn.
    """
    rule = Rule(most=units)
    kept = {asked: found for asked, found in kept_faithful(bundle).items() if asked.rule == rule}
    if kept:
        _show(f"{bundle.manifest['files'][FAITHFUL]} {units}", kept)
    if any(asked.strongest is None for asked in kept) or bundle.unasked or bundle.limit:
        return
    about = (bundle.weight_hash, graphs.stamp, units)
    job = job_bar(KIND, about, _course, shared=True)
    if job is not None and job.state == "done":
        _show(job.id, {Asked(rule): job.result})
    elif (job is None or not job.active) and st.button(
        f"Do the drawings of all {len(graphs.labels)} classes?",
        icon=":material/balance:",
        key="graph_carries_all",
    ):
        images = asked_images(bundle, graphs.labels[0])
        if images is None:
            st.info("There are no images on this machine to ask.")
            return
        work = _work(bundle, images.source, Asked(rule))
        submit(KIND, about, work, label="what carries each class", deadline_s=DEADLINE_S)


def _work(bundle: Bundle, source: ImageSource, asked: Asked) -> Callable[[Job], list[Faithfulness]]:
    def run(job: Job) -> list[Faithfulness]:
        return faithful_classes(
            bundle,
            source,
            IMAGES,
            asked,
            on_step=lambda _, done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )

    return run


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or (0, 1)
    return done / total, f"{done} of {total} classes asked{remaining(job, done / total)}"


def _show(key: str, found: Mapping[Asked, Sequence[Faithfulness]]) -> None:
    """A claim for each choice of neurons, and below them one table of all the gaps."""
    claims, table = _told_of_all(key, found)
    st.markdown("**Over all classes, with neurons taken away:**")
    st.markdown("\n".join(f"- {each}" for each in claims))
    st.table(table, border="horizontal", hide_index=True)
    classes = next(iter(found.values()))
    images = sum(each.whole.n for each in classes)
    st.caption(
        f"Points of recall, the mean over {len(classes)} classes of the gap within each, with its "
        f"95% interval (bootstrap over classes); {images:,} held-out images."
    )


@st.cache_data(max_entries=16, show_spinner=False)
@known_signature
def _told_of_all(
    key: str, _found: Mapping[Asked, Sequence[Faithfulness]]
) -> tuple[list[str], pd.DataFrame]:
    claims, rows = [], []
    for asked, classes in _found.items():
        gaps, what = paired_gaps(classes), _words(asked)
        claims.append(claim(gaps, what))
        for name, told in NAMES.items():
            rows.append(
                {
                    "neurons": what,
                    "against": told,
                    "taken away, recall falls further by": _told(gaps[REMOVE][name]),
                    "kept alone, recall stays higher by": _told(gaps[KEEP][name]),
                }
            )
    return claims, pd.DataFrame(rows)


def _words(asked: Asked) -> str:
    if asked.strongest is None:
        return "all drawn neurons"
    return f"the {counted(asked.strongest, 'strongest drawn neuron')} of each layer"


def claim(gaps: Gaps, what: str) -> str:
    """What the gaps allow to say of the drawings.

    Args:
        gaps: see `paired_gaps`.
        what: was taken away, in words.
    """
    random, active = gaps[REMOVE][RANDOM], gaps[REMOVE][ACTIVE]
    if not random.clear:
        told = "do not clearly matter more than random ones: do not read this as a mechanism"
    elif not active.clear:
        told = "matter more than random ones, but not clearly more than the most active"
    else:
        told = "matter more than random ones and than the most active"
    more = "more" if gaps[KEEP][RANDOM].clear else "not clearly more"
    return f"{capital(what)} {told}. Kept alone they keep {more} of the recall than random ones."


def _told(gap: PairedGap) -> str:
    low, high = (100 * end for end in gap.ci95)
    return f"{100 * gap.mean:+.1f} ({low:+.1f} to {high:+.1f})"
