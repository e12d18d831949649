"""Do the divergent neurons carry the label? Clamp them to their class median and look again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ndcore.analysis.causal import causal_test, clean_members
from ndcore.analysis.causal_finding import CausalTest, causal_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors import Verdict
from ndcore.figures.detector.clamp import clamp_course, layer_clamps
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from pages.ui.detector.search import Subject
from pages.ui.elements.csv_button import folded_table
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.words import plain
from pages.ui.images.natural_errors import sources_for
from pages.ui.images.picker import source_name

CHART = 450


def clamp_panel(
    bundle: Bundle, detector: str, found: Sequence[Subject], verdicts: Sequence[Verdict]
) -> None:
    """The causal test of the last image, on request, as a job with progress and Stop."""
    if bundle.unasked:
        return  # said above
    st.header("Do these neurons carry the label?")
    if bundle.limit:
        st.info(bundle.limit)
        return
    (name, pixels, _), verdict = found[-1], verdicts[-1]
    wanted = verdicts[0].predicted if len(verdicts) > 1 else None
    if wanted == verdict.predicted:
        wanted = None  # the attack failed: there is no other label to bring back
    label = plain(bundle.classes[verdict.predicted])
    st.caption(
        f"In the {name} image the most divergent neurons are held at their median over {label}, "
        "the class it is taken for: a map is cut off where it exceeds the median, or lifted to it "
        "at its largest place. The outputs are left alone, because holding them would decide the "
        "label by itself."
    )
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    about = (bundle.weight_hash, detector, digest, wanted)
    job = job_bar("clamp", about, _course)
    if job is not None and job.state == "done":
        _show(bundle, *job.result)
    elif job is None or not job.active:
        if job is not None and job.state == "cancelled":
            st.caption("Stopped.")
        if st.button("Clamp them", icon=":material/push_pin:", key="clamp"):
            work = _work(bundle, pixels, verdict, wanted)
            submit("clamp", about, work, label="clamped neurons")


def _work(
    bundle: Bundle, pixels: NDArray[np.uint8], verdict: Verdict, wanted: int | None
) -> Callable[[Job], tuple[CausalTest, str]]:
    """The test, with the name of the source of the benign images."""
    named = {source_name(bundle, name): source for name, source in sources_for(bundle).items()}
    sources = list(named.values())
    dev = bundle.splits["dev"]

    def run(job: Job) -> tuple[CausalTest, str]:
        source, members = _benign(sources, dev)
        test = causal_test(
            bundle,
            pixels,
            verdict,
            source.pixels(members) if source else np.zeros((0, *bundle.shape), np.uint8),
            source.labels[members] if source else np.zeros(0, np.int64),
            wanted=wanted,
            on_pass=lambda done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )
        return test, next((name for name, each in named.items() if each is source), "")

    return run


def _course(job: Job) -> tuple[float, str]:
    if job.progress is None:
        return 0.0, "Starting …"
    done, total = job.progress
    return done / total, f"{done:,} of {total:,} images read · {job.seconds:.0f} s"


def _benign(sources: Sequence[ImageSource], dev: list[str]) -> tuple[ImageSource | None, list[int]]:
    """Benign images for the price: of the source that has most of the dev split."""
    if not sources:
        return None, []
    best = max(sources, key=lambda source: len(positions(source, dev)))
    return best, clean_members(best, dev)


def _show(bundle: Bundle, test: CausalTest, source: str) -> None:
    """The finding, its price, the two figures and the numbers."""
    finding = causal_sentence(test, [plain(name) for name in bundle.classes])
    st.markdown(f"**{finding}** {_price(test, source)}")
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
    folded_table(counted(len(frame), "clamp"), lambda: frame, f"{bundle.name}-clamp.csv", "clamp")


def _price(test: CausalTest, source: str) -> str:
    """What the clamp costs on benign images, in words."""
    if not test.images or not test.tops:
        return "What it costs is not known: there are no benign images on this machine."
    before, after = test.accuracy(test.right), test.accuracy(test.tops[-1].right)
    return (
        f"The price on {test.images} benign images ({plain(source)}), each held at the medians of "
        f"its own predicted class, which favours that class: accuracy {_told(before)} without and "
        f"{_told(after)} with {counted(test.tops[-1].units, 'neuron')} clamped."
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
