"""How the graph is made and what its colours say: the controls beside it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.topology.mapper import MapperSettings
from ndcore.topology.presets import PRESETS
from ndcore.topology.space import LENSES, NEIGHBOURS, Space
from ndcore.topology.vectors import POSITIONS
from pages.ui.frame.link import choice, number, several, switch
from pages.ui.frame.words import plain

LENS_NAMES = {"norm": "L2 norm", "divergence": "divergence", "density": "density"}
POSITION_NAMES = {
    "max": "strongest position",
    "mean": "mean over positions",
    "random": "one random position",
}
COLOURS = {
    "class": "class",
    "norm": "norm",
    "divergence": "divergence",
    "error": "error",
    "attacked": "attacked",
}
USUAL = PRESETS["usual"]
MOST_INTERVALS = 120


@dataclass(frozen=True)
class View:
    """What the controls say.

    Attributes:
        lens, intervals, overlap, min_samples: see `Preset`.
        share: of the vectors with so many neighbours within epsilon; None for the curve's elbow.
        colour: one of `COLOURS`.
        least: Jaccard below which edges are hidden.
        classes: those in colour; none for all.
    """

    lens: str
    intervals: int
    overlap: float
    min_samples: int
    share: float | None
    colour: str
    least: float
    classes: tuple[str, ...]

    def settings(self, space: Space) -> MapperSettings:
        """With the epsilon of these vectors."""
        epsilon = space.epsilon(self.min_samples, self.share)
        return MapperSettings(epsilon, self.intervals, self.overlap, self.min_samples)


def take_preset(name: str) -> None:
    """Callback: the controls as a preset has them."""
    found = PRESETS[name]
    st.session_state.update(
        {
            "topology_positions": found.positions,
            "topology_lens": found.lens,
            "topology_intervals": found.intervals,
            "topology_overlap": round(100 * found.overlap),
            "topology_min_samples": found.min_samples,
            "topology_elbow": found.share is None,
        }
    )
    if found.share is not None:
        st.session_state["topology_share"] = round(100 * found.share)


def choose_positions(convolution: bool) -> str:
    """What a vector holds of a convolution; it is not asked where no layer is one."""
    if not convolution:
        return USUAL.positions
    return choice(
        st.selectbox,
        "A convolution's neurons at",
        POSITIONS,
        key="topology_positions",
        format_func=POSITION_NAMES.get,
        help="The Activation Explorer shows the strongest position or the mean; TopoAct takes all "
        "neurons at one position, drawn at random for every image.",
    )


def choose_view(bundle: Bundle, attacks: bool) -> View:
    """Colour and search first, then what the graph is made by."""
    colour = choice(
        st.segmented_control,
        "Colour by",
        [name for name in COLOURS if attacks or name != "attacked"],
        key="topology_colour",
        format_func=COLOURS.get,
    )
    classes = several(
        st.multiselect,
        "Classes in colour",
        bundle.classes,
        key="topology_classes",
        format_func=plain,
        placeholder="all; type to search",
        help="Grey is a node of which none of these is among its three commonest classes.",
    )
    least = number(
        st.slider,
        "Hide edges below (Jaccard)",
        0.0,
        1.0,
        0.0,
        key="topology_jaccard",
        step=0.01,
        help="An edge joins two clusters with images in common; its Jaccard index is their share "
        "of the images in either.",
    )
    lens = choice(
        st.segmented_control,
        "Lens",
        list(LENSES),
        key="topology_lens",
        format_func=LENS_NAMES.get,
        help="Images are laid out along it: "
        + "; ".join(f"{LENS_NAMES[k]}: {v}" for k, v in LENSES.items()),
    )
    intervals = number(
        st.slider,
        "Intervals of the lens",
        2,
        MOST_INTERVALS,
        USUAL.intervals,
        key="topology_intervals",
    )
    overlap = number(
        st.slider,
        "Overlap of intervals",
        5,
        70,
        round(100 * USUAL.overlap),
        key="topology_overlap",
        format="%d%%",
    )
    neighbours = number(
        st.slider,
        "Vectors that make a cluster",
        2,
        NEIGHBOURS,
        USUAL.min_samples,
        key="topology_min_samples",
        help="DBSCAN's min-samples: so many within epsilon, its own among them, make a vector the "
        "core of a cluster.",
    )
    return View(
        lens=lens,
        intervals=intervals,
        overlap=overlap / 100,
        min_samples=neighbours,
        share=choose_epsilon(neighbours),
        colour=colour,
        least=least,
        classes=tuple(classes),
    )


def choose_epsilon(neighbours: int) -> float | None:
    """A share of the curve, or None for its elbow; and the presets."""
    bend = switch(
        st.toggle,
        "Epsilon at the elbow of the curve",
        key="topology_elbow",
        help="Epsilon is the radius within which vectors are neighbours. The curve below the graph "
        "shows how many have enough neighbours within which radius.",
    )
    share = number(
        st.slider,
        f"Vectors with {neighbours} within epsilon",
        50,
        100,
        round(100 * (USUAL.share or 0)),
        key="topology_share",
        format="%d%%",
        disabled=bend,
    )
    row = st.container(horizontal=True, gap="small")
    for name, label in (("usual", "Usual settings"), ("topoact", "As TopoAct")):
        row.button(label, on_click=take_preset, args=(name,), key=f"preset_{name}", type="tertiary")
    return None if bend else share / 100
