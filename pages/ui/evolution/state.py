"""Choices of the Training Evolution page: kept in the session and in the link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.frame.link import just_linked, recall, remember

__all__ = ["OTHER", "View", "choose", "clicked", "dark", "held", "view_controls"]

METRICS = {"discriminability": "Discriminability", "density": "Density"}
OTHER = {"discriminability": "density", "density": "discriminability"}
VARIANTS = {"normalised": "normalised", "paper": "as in the paper"}
COLOURS = {"global": "one for all layers", "local": "each layer its own"}
DIGITS = {"none": "none", "discriminability": "discriminability", "density": "density"}
ABOUT_METRIC = (
    "Discriminability: how far apart a neuron's activations of two classes lie, the mean over "
    "all pairs of classes. Density: its mean activation over the image, cut to 0-1, the mean over "
    "images. A layer's value is the mean over its neurons."
)
ABOUT_VARIANT = (
    "The paper's distance is the root of a sum over samples, so it grows with the size of a "
    "layer's map; normalised is the root of a mean, so that layers and runs can be compared."
)


@dataclass(frozen=True)
class View:
    """What the heat map shows.

    Attributes:
        metric: `discriminability` or `density`.
        variant: of discriminability, `normalised` or `paper`.
        local: each layer has a colour scale of its own.
        digits: what stands in the cells: `none` or a metric.
    """

    metric: str
    variant: str
    local: bool
    digits: str

    def name(self, metric: str = "") -> str:
        """The metric in words, with its variant where it has one."""
        metric = metric or self.metric
        return metric if metric == "density" else f"{metric} ({VARIANTS[self.variant]})"


def view_controls() -> View:
    """Switches of metric, variant, colours and digits."""
    row = st.container(horizontal=True, gap="medium")
    metric = _segments(row, "Colour shows", METRICS, "metric", "discriminability", ABOUT_METRIC)
    variant = _segments(row, "Discriminability", VARIANTS, "variant", "normalised", ABOUT_VARIANT)
    colours = _segments(row, "Colour scale", COLOURS, "colours", "local")
    digits = _segments(
        row,
        "Digits in the cells",
        DIGITS,
        "digits",
        "density",
        "Left out where the page is too narrow for them; point at a cell for its numbers.",
    )
    return View(metric, variant, colours == "local", digits)


def _segments(
    row: Any, label: str, options: Mapping[str, str], name: str, default: str, about: str = ""
) -> str:
    kept = recall(name, default)
    if kept not in options and just_linked(name):
        st.warning(f"The link asks for the {name} '{kept[:40]}', which there is not.")
    chosen = row.segmented_control(
        label,
        list(options),
        default=kept if kept in options else default,
        required=True,
        format_func=lambda option: options[option],
        key=f"evo_{name}",
        help=about or None,
    )
    remember(name, "" if chosen == default else str(chosen))
    return str(chosen)


def choose(
    place: Any,
    label: str,
    options: Sequence[Any],
    name: str,
    default: Any,
    *,
    text: Callable[[Any], str] = str,
    slider: bool = False,
    about: str = "",
) -> Any:
    """A select box (or a slider over the options) that a click elsewhere can set, see `held`.

    Args:
        place: container.
        label: of the box.
        options: what there is to choose from.
        name: in the link.
        default: taken where the link and the session say nothing that is an option.
        text: how an option is told.
        slider: a slider instead of a box.
        about: help.
    """
    key = f"evo_{name}"
    wanted = st.session_state.get(key, recall(name))
    by_text = {str(option): option for option in options}
    st.session_state[key] = by_text.get(str(wanted), default)
    kind = place.select_slider if slider else place.selectbox
    chosen = kind(label, options, format_func=text, key=key, help=about or None)
    remember(name, "" if chosen == default else str(chosen))
    return chosen


def held(name: str, value: Any) -> None:
    """Set a `choose` from a callback."""
    st.session_state[f"evo_{name}"] = value


def clicked(key: str) -> list[Any] | None:
    """The `customdata` of the point that was clicked last in a chart, or None."""
    try:
        found = st.session_state[key]["selection"]["points"][-1]["customdata"]
        return list(found)
    except (IndexError, KeyError, TypeError):
        return None


def dark() -> bool:
    """Whether the page is dark."""
    return bool(st.context.theme.type == "dark")
