"""Hold the kept neuron or edge at its mean: what becomes of the class and of the pair.

What was found is found again by what was held and the class, whoever asked; so far as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.analysis.hold_test import (
    DRAWS,
    SETTINGS,
    HeldEdge,
    HoldTest,
    class_members,
    hold_test,
)
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.concept_graph.wiring import wiring_of
from ndcore.data.pairs import Pair
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.figures.graph.class_scene import key_of
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from pages.ui.frame.job_bar import DEADLINE_S, job_bar, live_picture, remaining, submit
from pages.ui.frame.words import plain
from pages.ui.images.natural_errors import sources_for

KIND = "hold"


@dataclass(frozen=True)
class Held:
    """What a job was asked.

    Attributes:
        weight_hash: of the network.
        keys: of the neuron, or of both ends of the edge.
        label: class whose recall is told.
        pair: token of the pair that was asked too; "" for none. The class's answer is the same
            with another pair.
    """

    weight_hash: str
    keys: tuple[str, ...]
    label: int
    pair: str = field(default="", compare=False)


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
    about = Held(bundle.weight_hash, keys, label, pair.token() if pair else "")

    def show(job: Job) -> None:
        if job.result is not None and job.result.answered:
            _show(bundle, job.result, about, pair if _asked(job).pair == about.pair else None)

    job = job_bar(KIND, about, _course, shared=True)
    if job is not None and job.active:
        live_picture(job, show)
        return
    if job is not None:
        show(job)
    words, begun = _offer(job, about, what)
    if not words:
        return
    if st.button(words, icon=":material/push_pin:", key="graph_hold"):
        work = _work(bundle, units, label, pair, begun)
        if work is None:
            st.info("There are no images on this machine to ask, or nothing links the two.")
            return
        submit(KIND, about, work, label=f"hold {' > '.join(keys)}", deadline_s=DEADLINE_S)


def _asked(job: Job) -> Held:
    """What a job of this kind is about."""
    if not isinstance(job.about, Held):
        raise TypeError(f"a job of the kind {KIND} is about {job.about!r}")
    return job.about


def _offer(job: Job | None, about: Held, what: str) -> tuple[str, HoldTest]:
    """What the button says after a job that ended, "" for no button, and what is known."""
    if job is None or job.result is None:
        return f"Hold {what} at its mean", HoldTest()
    if _asked(job).pair != about.pair:
        return f"Hold {what} again, with the current pair", HoldTest()
    return ("", HoldTest()) if job.state == "done" else ("Go on", job.result)


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
    bundle: Bundle, units: Sequence[Unit], label: int, pair: Pair | None, begun: HoldTest
) -> Callable[[Job], HoldTest] | None:
    found = asked_images(bundle, label)
    held = list(units) if len(units) == 1 else _edge(bundle, *units)
    if found is None or held is None:
        return None
    source, members = found.source, [*found.own, *found.others]

    def run(job: Job) -> HoldTest:
        test = HoldTest(list(begun.outcomes))
        job.report(len(begun.outcomes))
        job.grow(test)
        hold_test(
            bundle,
            held,
            label,
            (source.pixels(members), np.asarray(source.labels[members], np.int64)),
            single=np.stack(pair.images) if pair else None,
            begun=begun.outcomes,
            on_outcome=job.add,
            should_stop=lambda: job.stopping,
        )
        return test

    return run


def _edge(bundle: Bundle, source: Unit, target: Unit) -> HeldEdge | None:
    """Where the edge runs; None where nothing runs between its ends."""
    for link in wiring_of(bundle.model, bundle.layers).links:
        if (link.source, link.target) == (source.layer, target.layer):
            sizes = (bundle.units(source.layer), bundle.units(target.layer))
            return HeldEdge(link.weights, source.unit, target.unit, *sizes)
    return None


def _course(job: Job) -> tuple[float, str]:
    """How many times the images were asked, and how long the rest takes."""
    done = 0 if job.result is None else len(job.result.outcomes)
    what = "edge" if len(_asked(job).keys) == 2 else "neuron"
    words = f"nothing, the {what} and {counted(DRAWS, f'random {what}')} held: {done} of {SETTINGS}"
    left = remaining(job, done / SETTINGS, (job.progress or 0) / SETTINGS)
    return done / SETTINGS, f"{words} done{left}"


def _draws(test: HoldTest) -> str:
    known = len(test.random)
    return counted(DRAWS, "draw") if known == DRAWS else f"{known} of {DRAWS} draws so far"


def _show(bundle: Bundle, test: HoldTest, about: Held, pair: Pair | None) -> None:
    name = plain(bundle.classes[about.label])
    what = "this neuron" if len(about.keys) == 1 else "this edge"
    before, after = test.before.recall, test.after.recall
    told = (
        f"**With {what} held at its mean over all images, {after.percent()} of {name} are still "
        f"taken for {name}, of {before.n} held-out images; {before.percent()} without.**"
    )
    rows = {"nothing": test.before, what: test.after}
    table: dict[str, list[str]] = {
        "held": [*rows],
        f"recall of {name}": [each.recall.text for each in rows.values()],
        "accuracy on other classes": [each.accuracy.text for each in rows.values()],
    }
    outcomes = [test.before, test.after]
    if test.random:
        recall, accuracy = (100 * test.random_mean(of) for of in ("recall", "accuracy"))
        told += f" With random ones instead ({_draws(test)}) {recall:.1f}%."
        means = (f"a random one, mean of {_draws(test)}", f"{recall:.1f}%", f"{accuracy:.1f}%")
        for column, value in zip(table.values(), means, strict=True):
            column.append(value)
        outcomes.append(test.random[0])
    titles = ["benign image", "attacked image"][: len(pair.images) if pair else 0]
    for at, title in enumerate(titles):
        table[title] = [_taken(bundle, each.probabilities[at]) for each in outcomes]
    st.markdown(told)
    st.table(pd.DataFrame(table), border="horizontal", hide_index=True)


def _taken(bundle: Bundle, probabilities: np.ndarray) -> str:
    at = int(probabilities.argmax())
    return f"{plain(bundle.classes[at])}, {100 * probabilities[at]:.1f}%"
