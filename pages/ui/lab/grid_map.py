"""The vulnerability map on the page: its picture, what it says in words, tables and downloads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ndcore.attacks import AttackResult, VulnerabilityMap
from ndcore.bundles.bundle import Bundle
from ndcore.figures.lab.grid_map import (
    class_legend,
    flip_colours,
    lowest_colours,
    map_tips,
    ramp_legend,
)
from ndcore.legible.plurals import counted
from pages.ui.components.pixel_view import PixelScene
from pages.ui.elements.download import download
from pages.ui.frame.link import box
from pages.ui.frame.words import colour_words, plain
from pages.ui.lab.certificate import map_certificate


def map_scene(
    bundle: Bundle, found: VulnerabilityMap, kind: str, name: str, subject: str, top: float
) -> tuple[PixelScene, str]:
    """The map as a picture to click on, and the markup of its legend.

    Args:
        bundle: names the classes.
        found: the map.
        kind: `lowest` probability or class it `flips` to.
        name, subject: whose map.
        top: true-class probability of the untouched image.
    """
    tried = np.asarray(found.evaluated.any(-1))
    partial = not bool(tried.all())
    flips = np.argwhere(found.flips_to >= 0).tolist()
    worst, probability = found.worst
    if kind == "lowest":
        colours = lowest_colours(found.lowest, top)
        legend = ramp_legend(bundle.classes[found.true], top, partial=partial)
    else:
        colours = flip_colours(found.flips_to, tried, len(bundle.classes))
        legend = class_legend(found.flips_to, bundle.classes, partial=partial)
    scene = PixelScene(
        subject=subject,
        colours=colours,
        label=f"Vulnerability map of {name}: {counted(len(flips), 'pixel')} with a flip",
        channels=bundle.shape[2],
        pictured=False,
        tips=map_tips(
            probability,
            found.flips_to,
            found.colours[worst],
            bundle.classes,
            found.true,
        ),
        dots=[(row, col) for row, col in flips] if kind == "lowest" else (),
    )
    return scene, legend


def map_findings(bundle: Bundle, result: AttackResult, found: VulnerabilityMap, key: str) -> None:
    """What one pixel can reach by the map that was `found`, and its numbers."""
    targeted = result.config.target
    if targeted is not None:
        goal = plain(bundle.classes[targeted])
        st.caption(f"Flips here are to any class; the goal was {goal}: see its row.")
    rows = [
        {
            "class": bundle.classes[reach.label],
            "one pixel gets there": "yes" if reach.reached else "no",
            "row": reach.row,
            "column": reach.col,
            "colour": colour_words(reach.colour),
            "logits short": max(0.0, reach.margin),
        }
        for reach in sorted(found.reach(), key=lambda reach: reach.margin)
        if np.isfinite(reach.margin)
    ]
    told = precision_words(found)
    if told:
        st.caption(told)
    st.markdown("**What one pixel can turn it into**")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=f"{key}_reach",
        column_config={
            "logits short": st.column_config.NumberColumn(
                format="%.2f", help="How far below the strongest other class it stays; 0 = reached."
            )
        },
    )
    map_certificate(bundle, result)
    told = f"Numbers: the worst colour at each of {found.lowest.size:,} pixels"
    numbers = box(st.expander, told, key=f"{key}_numbers", name="map_numbers")
    if numbers.open:
        numbers.dataframe(map_rows(found, bundle.classes), hide_index=True, key=f"{key}_cells")
    name = f"{bundle.name}-map"
    bar = st.container(horizontal=True)
    download(
        "Map as CSV",
        lambda: map_rows(found, bundle.classes).to_csv(index=False),
        f"{name}.csv",
        key=f"{key}_map_csv",
        place=bar,
    )
    download(
        "Map as NPZ",
        lambda: _npz(result.benign, found),
        f"{name}.npz",
        key=f"{key}_map_npz",
        place=bar,
        help="All logits: (row, column, colour, class).",
    )


def map_words(found: VulnerabilityMap) -> str:
    """How many pixels flip the prediction, and what that does not say."""
    tried = found.evaluated
    flips = int((found.flips_to >= 0).sum())
    size = found.pixels
    colours = f"{len(found.colours)} colours"
    done = ""
    if not found.complete:
        done = (
            f" The map is not complete: {int(tried.sum()):,} of {found.points:,} points of the "
            "grid were tried; the shares count what was not tried as no flip."
        )
    if flips:
        return (
            f"**{flips} of {size:,} pixels ({100 * found.vulnerable_share:.1f}%)** flip the "
            f"prediction with some colour of the grid of {colours}.{done}"
        )
    return (
        f"**No flip on this grid of {colours}.** That is a statement about the grid, not a "
        f"certificate: other colours were not tried.{done}"
    )


def precision_words(found: VulnerabilityMap) -> str:
    """Which numbers of the map are rounded; "" when none is."""
    tried = found.evaluated
    screened = tried & ~found.confirmed
    if not screened.any():
        return ""
    flips = int((screened & (found.margins < 0)).sum())
    told = f", {flips:,} of them {'a flip' if flips == 1 else 'flips'}," if flips else ""
    return (
        f"{screened.sum():,} of {tried.sum():,} points{told} were screened in bfloat16, so their "
        "probabilities are rounded; where two classes were close, float32 decided. A click "
        "computes the pixel again in float32."
    )


def map_rows(found: VulnerabilityMap, classes: tuple[str, ...]) -> pd.DataFrame:
    """One row per pixel that was tried."""
    rows, cols = np.nonzero(found.evaluated.any(-1))
    index, probability = found.worst
    worst = found.colours[index[rows, cols]]
    labels = found.flips_to[rows, cols]
    return pd.DataFrame(
        {
            "row": rows,
            "column": cols,
            "worst colour": [colour_words(tuple(int(v) for v in colour)) for colour in worst],
            f"probability of {classes[found.true]} with it": probability[rows, cols],
            "flips to": [classes[label] if label >= 0 else "" for label in labels.tolist()],
        }
    )


def map_arrays(found: VulnerabilityMap) -> dict[str, Any]:
    """The map as named arrays."""
    return {
        "colours": found.colours,
        "logits": found.logits,
        "confirmed": found.confirmed,
        "lowest": found.lowest,
        "flips_to": found.flips_to,
        "true": np.array(found.true),
    }


def _npz(benign: NDArray[np.uint8], found: VulnerabilityMap) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, benign=benign, **map_arrays(found))
    return out.getvalue()
