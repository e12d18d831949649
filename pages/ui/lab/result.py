"""One attack's outcome: before and after, the change in numbers, and where to go next."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from ndcore.attacks import ENGINES, AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.figures.lab.attack import probability_bars
from ndcore.figures.style.difference import amplified_difference, difference_words
from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import formats
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.elements.pictures import show_image
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import tabs
from pages.ui.frame.words import colour_words, plain, with_article
from pages.ui.images.send_buttons import send_buttons
from pages.ui.lab.by_hand import Subject, drive
from pages.ui.lab.downloads import download_buttons
from pages.ui.lab.grid_map import map_findings, map_words

IMAGE_WIDTH = 230
CHART_WIDTH = 430
MOST_TOLD = 5
MAP, HAND, PICTURES, NUMBERS = (
    "Vulnerability map",
    "Pixel by pixel",
    "Pictures",
    "Numbers and files",
)


def pair_of(result: AttackResult) -> Pair:
    """The pair that other pages show; an upload has no id to be looked up by."""
    image_id = result.id if ":" in result.id or "/" in result.id else ""
    attacked = result.attacked if result.pixels else None
    return Pair(image_id, result.benign, attacked, result.true)


def show_one(bundle: Bundle, result: AttackResult) -> None:
    """One result in full: outcome, map if there is one, and the pixels to drive by hand."""
    st.header(_headline(bundle, result))
    st.markdown(_change(bundle, result))
    pair = pair_of(result)
    what = "it" if result.success or pair.attacked is None else "the nearest miss"
    send_buttons(bundle, pair, what=what)
    # Of a map it is the map that was asked for.
    labels = (PICTURES, HAND, NUMBERS) if result.map is None else (MAP, PICTURES, NUMBERS)
    for label, tab in zip(labels, tabs(labels, key="result_tab"), strict=True):
        if not tab.open:
            continue
        with tab:
            if label == PICTURES:
                after = result.probabilities_after if pair.attacked is not None else None
                what = "Attacked" if result.success else "Nearest miss"
                believed = (result.probabilities_before, after)
                show_pictures(bundle, pair, believed, "probabilities", what=what)
            elif label == NUMBERS:
                _numbers(bundle, result)
                download_buttons(bundle, [result], "one")
            else:
                _by_pixel(bundle, result, pair)


def _by_pixel(bundle: Bundle, result: AttackResult, pair: Pair) -> None:
    """The map where there is one, the image where not, to click on."""
    if result.map is None:
        st.caption(
            "Set a pixel yourself and read what the model says. The exhaustive engine adds a map "
            "of what every pixel can do."
        )
    else:
        st.markdown(map_words(result.map))
        st.caption(
            "Each cell is a pixel; its colour is the lowest true-class probability that any colour "
            "of the grid reaches there. Point at a cell for its numbers, click it to try it."
        )
    drive(bundle, Subject(result.id, pair, result.true, result.map), "hand")
    if result.map is not None:
        map_findings(bundle, result, result.map, "hand")


def show_pictures(
    bundle: Bundle,
    pair: Pair,
    probabilities: tuple[NDArray[np.floating], NDArray[np.floating] | None],
    key: str,
    *,
    what: str = "Attacked",
) -> None:
    """The pair, its difference and what the model believes of it; or of one image alone.

    Args:
        bundle: names the classes.
        pair: the images.
        probabilities: (classes,) of the benign and of the attacked image, if there is one.
        key: of the chart.
        what: the attacked image is called.
    """
    names = bundle.classes
    # In a row that wraps: on a narrow page the chart goes below the images.
    row = st.container(horizontal=True, key=f"pictures_{key}")
    for when, image, shares in zip(("Benign", what), pair.images, probabilities, strict=False):
        if shares is None:
            continue
        caption = f"{when}: {names[int(shares.argmax())]} {100 * shares.max():.1f}%"
        place = row.container(width=IMAGE_WIDTH, gap="xxsmall")
        show_image(image, caption, changes=pair.changes, place=place)
    if pair.attacked is not None:
        difference, gain = amplified_difference(pair.benign, pair.attacked)
        place = row.container(width=IMAGE_WIDTH, gap="xxsmall")
        show_image(difference, difference_words(gain), changes=pair.changes, place=place)
    before, after = probabilities
    now = None if after is None else tuple(after.tolist())
    chart = _chart(names, tuple(before.tolist()), now, pair.label, what.lower())
    row.container(width=CHART_WIDTH).plotly_chart(chart, key=key)


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _chart(
    classes: tuple[str, ...],
    before: tuple[float, ...],
    after: tuple[float, ...] | None,
    true: int | None,
    kind: str,
) -> go.Figure:
    """The bars, drawn once for the same numbers."""
    now = None if after is None else np.array(after)
    return kept_figure(probability_bars(classes, np.array(before), now, true=true, kind=kind))


def _headline(bundle: Bundle, result: AttackResult) -> str:
    names = [plain(name) for name in bundle.classes]
    label, after = names[result.true], names[result.predicted_after]
    target = result.config.target
    if result.skipped:
        if result.predicted_before == result.true:
            return f"Not attacked: it is {with_article(label)} already, which is the goal"
        return f"Not attacked: the model takes this {label} for another class already"
    if result.success:
        return f"The {label} became {with_article(after)}"
    if result.stopped:
        what = "a flip was found" if target is None else f"it became {with_article(names[target])}"
        return f"Stopped before {what}"
    if target is not None:
        return f"The attack failed: no {names[target]} was reached, the model still says {after}"
    return f"The attack failed: it is still {with_article(after)} to the model"


def _change(bundle: Bundle, result: AttackResult) -> str:
    if result.skipped:
        was = plain(bundle.classes[result.predicted_before])
        return f"The model says {was} to the untouched image, so there is nothing to break."
    config = result.config
    paid = f"in {result.seconds:.1f} s"
    if config.searches:
        most = config.budget(bundle.shape)
        most_told = counted(most, "query", "queries")
        paid = f"with {result.queries:,} of at most {most_told} {paid}, seed {result.seed}"
    target = config.target
    if not result.pixels:
        goal = "a flip" if target is None else plain(bundle.classes[target])
        return f"Nothing that was tried came nearer to {goal} than the untouched image ({paid})."
    sizes = result.distances
    if len(result.pixels) > MOST_TOLD:
        parts = (
            f"{counted(round(sizes['l0']), 'pixel')} changed, each value by at most "
            f"{255 * sizes['linf']:.0f} of 255 (L2 distance {sizes['l2']:.3f})"
        )
    else:
        parts = "; ".join(
            f"row {change.row}, column {change.col}: {colour_words(change.before)} → "
            f"{colour_words(change.after)}"
            for change in result.pixels
        )
    if result.success:
        how = f"Found by {ENGINES[result.found_by].title} {paid}"
        if result.first_hit is not None and result.first_hit != result.queries:
            how += f", the first hit at query {result.first_hit:,}"
        return f"{parts[:1].upper()}{parts[1:]}. {how}; confirmed in a plain float32 pass."
    if target is None:
        return f"Nearest miss: {parts}. Ended {paid}."
    before, after = (
        f"{100 * float(each[target]):.1f}%"
        for each in (result.probabilities_before, result.probabilities_after)
    )
    name = plain(bundle.classes[target])
    return f"Nearest to {name}, from {before} to {after}: {parts}. Ended {paid}."


def _numbers(bundle: Bundle, result: AttackResult) -> None:
    """Probabilities, and everything else that was measured."""
    config = result.config
    told = {
        "engine": ", then ".join(engine.title for engine in config.engines),
        "goal": "any other class" if config.target is None else bundle.classes[config.target],
        "queries paid": f"{result.queries:,}",
        "really computed": f"{result.forwards:,} (the others were remembered)",
        "first hit at query": "none" if result.first_hit is None else f"{result.first_hit:,}",
        "found by": ENGINES[result.found_by].title if result.success else "not found",
        "precision of the search": result.precision,
        "changed pixels (L0)": f"{result.distances['l0']:,}",
        "L2 distance": f"{result.distances['l2']:.4f}",
        "largest change (L∞)": f"{result.distances['linf']:.4f}",
        "seconds": f"{result.seconds:.2f}",
        "seed": str(result.seed),
    }
    left, right = st.columns(2)
    left.dataframe(
        pd.DataFrame({"measure": list(told), "value": list(told.values())}), hide_index=True
    )
    right.dataframe(
        pd.DataFrame(
            {
                "class": bundle.classes,
                "before": result.probabilities_before,
                "after": result.probabilities_after,
            }
        ),
        hide_index=True,
        column_config=formats({"percent": ("before", "after")}),
    )
