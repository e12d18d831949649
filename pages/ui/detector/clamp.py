"""Do the divergent neurons carry the label? Clamp them to their class median and look again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.analysis.causal import causal_test, clean_members
from ndcore.analysis.causal_finding import CausalTest, causal_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors import Verdict
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.detector.clamp import clamp_course, layer_clamps
from ndcore.jobs import Job
from ndcore.statistics.intervals import Rate
from pages.ui.detector.suspect import Subject
from pages.ui.elements.csv_button import csv_button
from pages.ui.frame import loaders
from pages.ui.images.natural_errors import sources_for

__all__ = ["clamp_panel", "clamp_table"]

POLL_S = 0.3
HELD = "clamp_job"
CHART = 450

Key = tuple[str, str, str]


def clamp_panel(
    bundle: Bundle, detector: str, found: Sequence[Subject], verdicts: Sequence[Verdict]
) -> None:
    """The causal test of the last image, on request, as a job with progress and Stop.

    Args:
        bundle: in use.
        detector: name.
        found: name, pixels and known changes of each image; verdicts: on them.
    """
    st.subheader("Do these neurons carry the label?")
    (name, pixels, _), verdict = found[-1], verdicts[-1]
    wanted = verdicts[0].predicted if len(verdicts) > 1 else None
    if wanted == verdict.predicted:
        wanted = None  # the attack failed: there is no other label to bring back
    label = bundle.classes[verdict.predicted]
    st.caption(
        f"In the {name} image the most divergent neurons are held at their median over {label}, "
        "the class it is taken for: a map is cut off where it exceeds the median, or lifted to it "
        "at its largest place. The outputs are left alone, because holding them would decide the "
        "label by itself."
    )
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    key = (bundle.weight_hash, detector, f"{digest}{wanted}")
    held: tuple[Key, Job] | None = st.session_state.get(HELD)
    job = held[1] if held is not None and held[0] == key else None
    if job is not None and job.active:
        _watch(job)
        return
    if job is not None and job.state == "done":
        _show(bundle, *job.result)
        return
    if job is not None:
        st.caption("Stopped." if job.state == "cancelled" else f":red[{job.error}.]")
    if st.button("Clamp them", icon=":material/push_pin:", key="clamp"):
        _start(bundle, found[-1], verdict, wanted, key)


def _start(
    bundle: Bundle, subject: Subject, verdict: Verdict, wanted: int | None, key: Key
) -> None:
    sources = list(sources_for(bundle).values())
    dev = bundle.splits["dev"]

    def run(job: Job) -> tuple[CausalTest, str]:
        source, members = _benign(sources, dev)
        test = causal_test(
            bundle,
            subject[1],
            verdict,
            source.pixels(members) if source else np.zeros((0, *bundle.shape), np.uint8),
            source.labels[members] if source else np.zeros(0, np.int64),
            wanted=wanted,
            on_pass=lambda done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )
        return test, source.name if source else ""

    try:
        job = loaders.jobs().submit(run, label="clamped neurons")
    except NeuralDivergenceError as error:
        st.error(f"{error}.")
        return
    st.session_state[HELD] = (key, job)
    st.rerun()


def _benign(sources: Sequence[ImageSource], dev: list[str]) -> tuple[ImageSource | None, list[int]]:
    """Benign images for the price: of the source that has most of the dev split."""
    if not sources:
        return None, []
    best = max(sources, key=lambda source: len(positions(source, dev)))
    return best, clean_members(best, dev)


def _watch(job: Job) -> None:
    """Progress with Stop while the job is active."""

    @st.fragment(run_every=POLL_S)
    def live() -> None:
        if not job.active:
            st.rerun()
        if job.state == "queued":
            ahead = loaders.jobs().waiting_before(job)
            st.progress(0.0, f"Waiting: {ahead} other job(s) on this server come first.")
        else:
            done, total = job.progress or (0, 1)
            text = f"{done:,} of {total:,} images read · {job.seconds:.0f} s"
            st.progress(
                done / total,
                "Stopping …" if job.stopping else text if job.progress else "Starting …",
            )
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            on_click=job.cancel,
            disabled=job.stopping,
            key="stop_clamp",
        )

    live()


def _show(bundle: Bundle, test: CausalTest, source: str) -> None:
    """The finding, its price, the two figures and the numbers."""
    st.markdown(f"**{causal_sentence(test, bundle.classes)}** {_price(test, source)}")
    shown = test.predicted if test.wanted is None else test.wanted
    label = bundle.classes[shown]
    charts = st.container(horizontal=True, gap="large")
    if test.tops:
        charts.container(width=CHART).plotly_chart(
            clamp_course(
                [step.units for step in test.tops],
                [float(step.probabilities[shown]) for step in test.tops],
                [step.random[:, shown] for step in test.tops],
                label=label,
                before=float(test.probabilities[shown]),
            ),
            key="clamp_course",
        )
    charts.container(width=CHART).html(
        layer_clamps(
            [step.layer for step in test.layers],
            [float(step.probabilities[shown]) for step in test.layers],
            [bundle.classes[step.label] for step in test.layers],
            label=label,
            returned=[test.hit(step.label) for step in test.layers],
        )
    )
    frame = clamp_table(bundle, test)
    with st.expander(f"Numbers: {len(frame)} clamps"):
        st.dataframe(frame, hide_index=True, key="clamp_numbers")
        csv_button(frame, f"{bundle.name}-clamp.csv", "clamp_csv")


def _price(test: CausalTest, source: str) -> str:
    """What the clamp costs on benign images, in words."""
    if not test.images or not test.tops:
        return "What it costs is not known: there are no benign images on this machine."
    before, after = test.accuracy(test.right), test.accuracy(test.tops[-1].right)
    return (
        f"The price on {test.images} benign images ({source}), each held at the medians of its "
        f"own predicted class, which favours that class: accuracy {_told(before)} without and "
        f"{_told(after)} with {test.tops[-1].units} neurons clamped."
    )


def _told(accuracy: Rate) -> str:
    return f"{accuracy.percent()} (95% interval {accuracy.interval()})"


def clamp_table(bundle: Bundle, test: CausalTest) -> pd.DataFrame:
    """One row per clamp; what only the most divergent neurons have is empty for whole layers."""
    shown = test.predicted if test.wanted is None else test.wanted
    name = f"probability of {bundle.classes[shown]}"
    rows = []
    for step in test.steps:
        clean = test.accuracy(step.right)
        rows.append(
            {
                "clamped": step.layer or "most divergent",
                "neurons": step.units,
                "taken for": bundle.classes[step.label],
                name: float(step.probabilities[shown]),
                "label returns" if test.wanted is not None else "label changes": test.hit(
                    step.label
                ),
                "random draws that do so": test.random_hits(step) if len(step.random) else None,
                "random draws": len(step.random) or None,
                "benign images": test.images,
                "accuracy": clean.share,
                "from": clean.ends[0],
                "to": clean.ends[1],
            }
        )
    return pd.DataFrame(rows).astype(
        dict.fromkeys(["random draws that do so", "random draws"], "Int64")
    )
