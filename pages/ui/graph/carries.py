"""Whether the drawing carries the decision: its neurons kept alone, and taken away, on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph
from ndcore.concept_graph.faithful import (
    ACTIVE,
    DRAWN,
    DRAWS,
    RANDOM,
    Faithfulness,
    faithfulness,
    faithfulness_sentence,
)
from ndcore.figures.graph.class_scene import key_of
from ndcore.jobs import Job
from ndcore.statistics.intervals import Rate
from pages.ui.frame.job_bar import DEADLINE_S, job_bar, remaining, submit
from pages.ui.frame.words import capital, plain
from pages.ui.graph.choices import CLASS, SHOW
from pages.ui.graph.hold import asked_images

KIND = "carries"
NAMES = {
    DRAWN: "the drawn ones",
    ACTIVE: "as many of the most active",
    RANDOM: f"as many random ones, mean of {DRAWS} draws",
}


def carries_panel(bundle: Bundle, graphs: ClassGraphs, graph: ConceptGraph) -> None:
    """A button, the job, and then the claim in words with its numbers."""
    label = graph.label
    if bundle.unasked or bundle.limit:
        return
    about = (bundle.weight_hash, tuple(key_of(node.unit) for node in graph.nodes), label)
    job = job_bar(KIND, about, _course, shared=True)
    if job is not None and job.state == "done":
        _show(job.result, plain(bundle.classes[label]), graph.units)
    elif (job is None or not job.active) and st.button(
        "Does the drawing carry the decision?", icon=":material/balance:", key="graph_carries"
    ):
        work = _work(bundle, graphs, graph)
        if work is None:
            st.info("There is no image of this class on this machine to ask.")
            return
        submit(
            KIND, about, work, label=f"what carries {bundle.classes[label]}", deadline_s=DEADLINE_S
        )


def carries_elsewhere(bundle: Bundle, label: int, what: str) -> None:
    """Where two graphs are compared: what the question was asked of, and the way to it.

    Args:
        bundle: on show.
        label: of the class whose own drawing is offered.
        what: is drawn, in words.
    """
    name = plain(bundle.classes[label])
    st.caption(
        "**Does the drawing carry the decision?** That is asked of the drawing of one class, and "
        f"of its benign held-out images; of {what} it is not known."
    )
    st.button(
        f"Ask it of the drawing of {name}",
        icon=":material/balance:",
        on_click=_to_class,
        key="graph_carries_elsewhere",
    )


def _to_class() -> None:
    """Callback: one class is drawn."""
    st.session_state[SHOW] = CLASS


def _work(
    bundle: Bundle, graphs: ClassGraphs, graph: ConceptGraph
) -> Callable[[Job], Faithfulness] | None:
    found = asked_images(bundle, graph.label)
    if found is None or not found.own:
        return None
    source, own = found.source, found.own

    def run(job: Job) -> Faithfulness:
        return faithfulness(
            bundle.model,
            graph,
            graphs.measured(graph.label),
            graphs.means,
            source.pixels(own),
            on_pass=lambda done, total: job.report((done, total)),
            should_stop=lambda: job.stopping,
        )

    return run


def _course(job: Job) -> tuple[float, str]:
    done, total = job.progress or (0, 1)
    words = "neurons kept alone and taken away, beside random and the most active ones"
    told = f": {done} of {total} times asked" if job.progress else ""
    return done / total, f"{words}{told}{remaining(job, done / total)}"


def _show(found: Faithfulness, name: str, whole: int) -> None:
    kept, removed = found.kept, found.removed
    told = capital(faithfulness_sentence(found, name, whole))
    st.markdown(f"**{told}.** {_claim(removed)}")
    n = found.whole.n
    st.table(
        pd.DataFrame(
            {
                "neurons": [*NAMES.values(), "nothing held"],
                "these alone kept": [*(_told(kept, key, n) for key in NAMES), found.whole.text],
                "these taken away": [*(_told(removed, key, n) for key in NAMES), found.whole.text],
            }
        ),
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        f"Share of {n} held-out images of {name} that are taken for it, with its 95% interval; "
        "what is taken away is held at its mean over all images."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _told(recalls: Mapping[str, float], key: str, n: int) -> str:
    # A mean of draws is no rate of images.
    return _percent(recalls[key]) if key == RANDOM else Rate(round(recalls[key] * n), n).text


def _claim(removed: Mapping[str, float]) -> str:
    if removed[DRAWN] >= removed[RANDOM]:
        return "They matter no more than random ones: do not read the drawing as a mechanism."
    if removed[DRAWN] >= removed[ACTIVE]:
        return "They matter more than random ones, but not more than the most active."
    return "So the drawing names neurons that the class rests on."
