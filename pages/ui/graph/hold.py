"""Hold the kept neuron or edge at its mean: what becomes of the class and of the pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.analysis.hold_test import DRAWS, HeldEdge, HoldTest, class_members, hold_test
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.concept_graph.wiring import wiring_of
from ndcore.data.pairs import Pair
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.figures.graph.class_scene import key_of
from ndcore.jobs import Job
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.words import plain
from pages.ui.images.natural_errors import sources_for

KIND = "hold"


def hold_panel(bundle: Bundle, units: Sequence[Unit], label: int, pair: Pair | None) -> None:
    """On request, as a job: the neuron or the edge is held, and as many random ones.

    Args:
        bundle: on show.
        units: one, or the two ends of an edge.
        label: class whose recall is told.
        pair: whose predictions are told, or None.
    """
    if bundle.unasked or bundle.limit:
        return
    what = "this neuron" if len(units) == 1 else "this edge"
    keys = tuple(map(key_of, units))
    about = (bundle.weight_hash, keys, label, pair.token() if pair else "")
    job = job_bar(KIND, about, course)
    if job is not None and job.state == "done":
        _show(bundle, job.result, label, pair, what)
    elif job is None or not job.active:
        if job is not None and job.state == "cancelled":
            st.caption("Stopped.")
        if st.button(f"Hold {what} at its mean", icon=":material/push_pin:", key="graph_hold"):
            work = _work(bundle, units, label, pair)
            if work is None:
                st.info("There are no images on this machine to ask, or nothing links the two.")
                return
            submit(KIND, about, work, label=f"hold {' > '.join(keys)}")


@dataclass(frozen=True)
class AskedImages:
    """Held-out images of a class and of others: positions in their source."""

    source: ImageSource
    own: list[int]
    others: list[int]


def asked_images(bundle: Bundle, label: int) -> AskedImages | None:
    """Those of the source that has most of the dev split; None where no source is here."""
    dev = bundle.splits["dev"]
    sources = list(sources_for(bundle).values())
    if not sources:
        return None
    best = max(sources, key=lambda source: len(positions(source, dev)))
    return AskedImages(best, *class_members(best, dev, label))


def _work(
    bundle: Bundle, units: Sequence[Unit], label: int, pair: Pair | None
) -> Callable[[Job], HoldTest] | None:
    found = asked_images(bundle, label)
    held = list(units) if len(units) == 1 else _edge(bundle, *units)
    if found is None or held is None:
        return None
    source, members = found.source, [*found.own, *found.others]

    def run(job: Job) -> HoldTest:
        return hold_test(
            bundle,
            held,
            label,
            source.pixels(members),
            np.asarray(source.labels[members], np.int64),
            single=np.stack(pair.images) if pair else None,
            on_pass=lambda done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )

    return run


def _edge(bundle: Bundle, source: Unit, target: Unit) -> HeldEdge | None:
    """Where the edge runs; None where nothing runs between its ends."""
    for link in wiring_of(bundle.model, bundle.layers).links:
        if (link.source, link.target) == (source.layer, target.layer):
            sizes = (bundle.units(source.layer), bundle.units(target.layer))
            return HeldEdge(link.weights, source.unit, target.unit, *sizes)
    return None


def course(job: Job) -> tuple[float, str]:
    """How many settings are through, for the job bar."""
    done, total = job.progress or (0, 1)
    return done / total, f"{done} of {total} settings asked · {job.seconds:.0f} s"


def _show(bundle: Bundle, test: HoldTest, label: int, pair: Pair | None, what: str) -> None:
    name = plain(bundle.classes[label])
    before, after = test.before.recall, test.after.recall
    st.markdown(
        f"**With {what} held at its mean over all images, {after.percent()} of {name} are still "
        f"taken for {name}, of {before.n} images; {before.percent()} without.** With random ones "
        f"instead ({DRAWS} draws) {100 * test.random_mean('recall'):.1f}%."
    )
    rows = {"nothing": test.before, what: test.after}
    table: dict[str, list[str]] = {
        "held": [*rows, f"a random one, mean of {DRAWS}"],
        f"recall of {name}": [
            *(each.recall.text for each in rows.values()),
            f"{100 * test.random_mean('recall'):.1f}%",
        ],
        "accuracy on other classes": [
            *(each.accuracy.text for each in rows.values()),
            f"{100 * test.random_mean('accuracy'):.1f}%",
        ],
    }
    titles = ["benign image", "attacked image"][: len(pair.images) if pair else 0]
    for at, title in enumerate(titles):
        outcomes = [test.before, test.after, test.random[0]]
        table[title] = [_taken(bundle, each.probabilities[at]) for each in outcomes]
    st.table(pd.DataFrame(table), border="horizontal", hide_index=True)


def _taken(bundle: Bundle, probabilities: np.ndarray) -> str:
    at = int(probabilities.argmax())
    return f"{plain(bundle.classes[at])}, {100 * probabilities[at]:.1f}%"
