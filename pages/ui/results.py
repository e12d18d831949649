"""An attack's outcome: before and after, the change in numbers, and where to go next."""

from __future__ import annotations

import io
import json
import zipfile

import pandas as pd
import streamlit as st

from ndcore.attacks import AttackResult, summarise
from ndcore.bundle import Bundle
from ndcore.figures.attack import probability_bars
from ndcore.images import encode_png
from ndcore.pairs import Pair
from pages.ui.page import keep_pair, remember
from pages.ui.pictures import show_image

__all__ = ["colour_words", "pair_of", "show_one", "show_table"]

IMAGE_WIDTH = 230
CHART_WIDTH = 460


def pair_of(result: AttackResult) -> Pair:
    """The pair that other pages show; an upload has no id to be looked up by."""
    image_id = result.id if ":" in result.id or "/" in result.id else ""
    return Pair(image_id, result.benign, result.attacked, result.true)


def colour_words(colour: tuple[int, ...]) -> str:
    """`RGB (255, 0, 0)` or `grey 128`."""
    if len(colour) == 1:
        return f"grey {colour[0]}"
    return f"RGB ({', '.join(str(value) for value in colour)})"


def show_table(bundle: Bundle, results: list[AttackResult]) -> AttackResult:
    """Success rate and a table to pick from; returns the picked result."""
    summary = summarise(results)
    if summary["attacked"]:
        low, high = summary["ci95"]
        st.markdown(
            f"**{summary['succeeded']} of {summary['attacked']}** correctly classified images "
            f"were broken: {100 * summary['success_rate']:.0f}% (95% interval "
            f"{100 * low:.0f}-{100 * high:.0f}%)."
        )
    frame = pd.DataFrame(
        {
            "image": [result.id for result in results],
            "outcome": [_outcome(result) for result in results],
            "before": [bundle.classes[result.predicted_before] for result in results],
            "after": [bundle.classes[result.predicted_after] for result in results],
            "confidence after": [100 * result.confidence_after for result in results],
            "queries": [result.queries for result in results],
            "seconds": [result.seconds for result in results],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="results",
        column_config={
            "confidence after": st.column_config.NumberColumn(format="%.1f%%"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
        },
    )
    rows = event["selection"]["rows"]
    won = [i for i, result in enumerate(results) if result.success]
    st.caption("Click a row to see that image below.")
    index = rows[0] if rows and rows[0] < len(results) else (won[0] if won else 0)
    return results[index]


def _outcome(result: AttackResult) -> str:
    if result.skipped:
        return "not attacked: misclassified"
    if result.success:
        return "fooled"
    return "stopped" if result.stopped else "resisted"


def show_one(bundle: Bundle, result: AttackResult) -> None:
    """One result in full."""
    names = bundle.classes
    st.subheader(_headline(bundle, result))
    st.markdown(_change(bundle, result))
    # Fixed widths in a row that wraps: on a narrow page the chart goes below the images.
    row = st.container(horizontal=True)
    left, middle = row.container(width=IMAGE_WIDTH), row.container(width=IMAGE_WIDTH)
    right = row.container(width=CHART_WIDTH)
    what = "After" if result.success else "Nearest miss"
    for place, when, image, label, confidence in (
        (left, "Before", result.benign, result.predicted_before, result.confidence_before),
        (middle, what, result.attacked, result.predicted_after, result.confidence_after),
    ):
        caption = f"{when}: {names[label]} {100 * confidence:.1f}%"
        show_image(image, caption, changes=result.pixels, place=place)
    right.plotly_chart(
        probability_bars(
            names, result.probabilities_before, result.probabilities_after, true=result.true
        ),
        key=f"probabilities_{result.id}",
    )
    with st.expander("Numbers"):
        st.dataframe(
            pd.DataFrame(
                {
                    "class": names,
                    "before": result.probabilities_before,
                    "after": result.probabilities_after,
                }
            ),
            hide_index=True,
        )
    _next_steps(bundle, result)


def _headline(bundle: Bundle, result: AttackResult) -> str:
    names = bundle.classes
    if result.skipped:
        return f"Not attacked: the model takes this {names[result.true]} for another class already"
    if result.success:
        return f"The {names[result.true]} became a {names[result.predicted_after]}"
    if result.stopped:
        return "Stopped before a flip was found"
    return f"The attack failed: it is still a {names[result.predicted_after]} to the model"


def _change(bundle: Bundle, result: AttackResult) -> str:
    if not result.pixels:
        return "No pixel was changed."
    parts = [
        f"row {change.row}, column {change.col}: {colour_words(change.before)} → "
        f"{colour_words(change.after)}"
        for change in result.pixels
    ]
    paid = f"{result.queries:,} queries, {result.seconds:.1f} s, seed {result.seed}"
    if result.success:
        return f"{'; '.join(parts)}. Found with {paid}; confirmed in a plain float32 pass."
    return f"Nearest miss: {'; '.join(parts)}. Spent {paid}."


def _next_steps(bundle: Bundle, result: AttackResult) -> None:
    pair = pair_of(result)
    name = "".join(c if c.isalnum() else "-" for c in result.id)
    row = st.container(horizontal=True)
    explorer = row.button(
        "See the neurons", icon=":material/neurology:", type="primary", key="to_explorer"
    )
    detector = row.button("Could it be noticed?", icon=":material/troubleshoot:", key="to_detector")
    row.download_button(
        "PNG pair",
        _zip(result, name),
        f"{name}.zip",
        icon=":material/download:",
        on_click="ignore",
        key="png",
    )
    row.download_button(
        "JSON",
        json.dumps(result.to_dict(bundle.classes), indent=1),
        f"{name}.json",
        icon=":material/download:",
        on_click="ignore",
        key="json",
    )
    if explorer or detector:
        keep_pair(bundle, pair)
        page = "2_Activation_Explorer" if explorer else "3_Divergence_Detector"
        link = {"bundle": bundle.name} | ({"pair": pair.token()} if pair.token() else {})
        st.switch_page(f"pages/{page}.py", query_params=link)
    remember("pair", pair.token())
    keep_pair(bundle, pair)


def _zip(result: AttackResult, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for kind, pixels in (("benign", result.benign), ("attacked", result.attacked)):
            # A fixed date, so that equal results give equal files.
            archive.writestr(zipfile.ZipInfo(f"{name}-{kind}.png"), encode_png(pixels))
    return out.getvalue()
