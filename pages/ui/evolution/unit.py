"""Training Evolution, one neuron: the patches that drive it, and the facets they fall into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.data.decode import encode_png
from ndcore.errors import DataError, StoppedError
from ndcore.evolution import Facets, Patches, cut_patches, facets_of, trimmed
from ndcore.figures.evolution.plane import plane_figure
from ndcore.figures.evolution.tiles import PictureRow, picture_rows
from ndcore.figures.style.palette import cluster_colours
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import csv_button
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.evolution.clusters import LEAST
from pages.ui.evolution.run_images import Reader, reader_of, thumb
from pages.ui.evolution.runs import OpenRun
from pages.ui.evolution.unit_pictures import unit_pictures, unit_words
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.link import box, number, recall, remember
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain, sentence

KIND = "facet"  # of job; `facets` in the link is their number
FACETS, MOST_FACETS = 10, 20
PATCHES = 1000
SHOWN = 5
AT_ONCE = 100
EXPECTED_S = 5.0


@dataclass(frozen=True)
class FacetResult:
    """Facets of a unit, with the patches they are made of, uint8 (n, H, W, C)."""

    facets: Facets
    cut: np.ndarray
    found: Patches


def unit_panel(each: OpenRun, layer: str, unit: int, epoch: int) -> None:
    """Top patches of the neuron at an epoch with details, then its facets on request.

    Raises:
        RunError: the details are damaged.
    """
    found = each.run.patches(layer, unit, epoch, PATCHES)
    result = None
    needs = "The pictures of patches need"
    try:
        _picture(each, layer, unit, epoch)
        needs = "The patches themselves, and the facets they fall into, need"
        reader = reader_of(each.run)
    except DataError as error:
        st.info(sentence(f"{needs} the images: {error}"))
    else:
        if not found.tied:  # else they are any patches, and have no facets
            result = _facets(each, layer, unit, epoch, found, reader)
    if result is not None:
        _draw(each, layer, unit, result)
    _numbers(each, layer, unit, epoch, found, result)


def _picture(each: OpenRun, layer: str, unit: int, epoch: int) -> None:
    """The average of what drives it most, with the first patches and their classes."""
    picture = unit_pictures(each, layer, epoch, [unit])[unit]
    row = PictureRow(
        f"{layer} · neuron {unit}, epoch {epoch}", picture.png, picture.patches, unit_words(picture)
    )
    st.html(picture_rows([row], large=104, small=64))
    if picture.tied:
        st.caption("Which patches came first is chance: they and their classes are not shown.")
        return
    classes = ", ".join(f"{plain(name)} ({count})" for name, count in picture.classes)
    st.caption(f"Classes of the {len(picture.activations)} patches behind the average: {classes}.")


def _facets(
    each: OpenRun, layer: str, unit: int, epoch: int, found: Patches, reader: Reader
) -> FacetResult | None:
    """Facets on request, and then of each neuron that is looked at."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    most = min(MOST_FACETS, len(found))
    wanted = most
    if most > 1:
        wanted = number(
            row.container(width=320).slider,
            "Facets",
            1,
            most,
            min(FACETS, most),
            key="evo_facets",
            name="facets",
            help="Kinds of patches among those that drive the neuron most.",
        )
    pressed = row.button("Show the facets", icon=":material/grid_view:", key="evo_show_facets")
    if len(found) < PATCHES:
        last = each.run.detailed[-1]
        more = each.run.details(last)["image"].shape[1] > len(found)
        where = f"; the last epoch, {last}, holds more" if more else ""
        st.caption(f"{len(found)} patches per neuron were kept at epoch {epoch}{where}.")
    about = (each.stamp, layer, unit, epoch, wanted)
    job = job_bar(KIND, about, _told, shared=pressed or bool(recall(KIND)))
    ended = job is not None and job.state in ("cancelled", "failed")
    if (job is None and (pressed or recall(KIND))) or (pressed and ended):
        submit(
            KIND,
            about,
            lambda job: find_facets(job, found, reader, each.run.about["shape"], wanted),
            label=f"facets of {layer} {unit}",
            deadline_s=120,
            lane="quick",
        )
    if job is None:
        return None
    remember(KIND, job.id)
    if job.state == "cancelled":
        st.info("The search for facets was stopped; “Show the facets” starts it again.")
    return job.result if isinstance(job.result, FacetResult) else None


def _told(job: Job) -> tuple[float, str]:
    share, words = job.progress or (0.0, "Starting")
    if share >= 0.4:  # one call of the library: the time it usually takes is all there is
        share += 0.55 * min(1.0, job.seconds / EXPECTED_S)
    return share, f"{words} · {job.seconds:.0f} s"


def find_facets(
    job: Job, found: Patches, reader: Reader, shape: Sequence[int], facets: int
) -> FacetResult:
    """The work: read the patches, then group them and lay them out.

    Raises:
        StoppedError: the job was stopped.
    """
    parts: list[np.ndarray] = []
    for start in range(0, len(found), AT_ONCE):
        if job.stopping:
            raise StoppedError("stopped while reading patches")
        job.report((0.4 * start / len(found), f"Reading patches: {start:,} of {len(found):,}"))
        keys = found.keys[start : start + AT_ONCE]
        parts.append(cut_patches(reader(keys), found.boxes[start : start + AT_ONCE]))
    cut = np.concatenate(parts)
    cut = cut[:, *trimmed(found.boxes, shape)]
    job.report((0.4, f"Grouping {len(cut):,} patches (k-means), laying them out (t-SNE)"))
    result = facets_of(cut, found.activations, facets, should_stop=lambda: job.stopping)
    return FacetResult(result, cut, found)


def _draw(each: OpenRun, layer: str, unit: int, result: FacetResult) -> None:
    facets, found = result.facets, result.found
    tips = [
        f"patch {n + 1}: {escape(each.class_name(int(label)))}, activation {value:.3g}"
        for n, (label, value) in enumerate(zip(found.labels, found.activations, strict=True))
    ]
    averages = [encode_png(thumb(average)) for average in facets.averages]
    halves = side_by_side("evo_facet_map", LEAST)
    left, right = halves.container(), halves.container()
    left.plotly_chart(
        plane_figure(
            facets,
            title=f"Facets of {layer} · neuron {unit}",
            group="facet",
            tips=tips,
            pictures=averages,
            ink=page_ink(),
            covered=True,
        ),
        key="evolution_facets",
    )
    left.caption(
        f"{len(found):,} patches that drive the neuron most, laid out by their pixels (t-SNE), in "
        f"{len(facets.sizes)} facets (k-means). The picture of a facet averages the patches "
        "nearest to its centre, weighted by activation."
    )
    rows = []
    colours = cluster_colours(len(facets.sizes))
    for facet, (size, near) in enumerate(zip(facets.sizes, facets.nearest, strict=True)):
        members = found.labels[facets.labels == facet]
        common = Counter(members.tolist()).most_common(2)
        told = ", ".join(f"{each.class_name(label)} ({count})" for label, count in common)
        rows.append(
            PictureRow(
                f"facet {facet + 1}: {counted(size, 'patch', 'patches')}",
                averages[facet],
                [encode_png(result.cut[patch]) for patch in near[:SHOWN]],
                f"mostly {told}" if len(common) > 1 else f"all {told}",
                colours[facet],
            )
        )
    right.html(picture_rows(rows, large=56, small=44))


def _numbers(
    each: OpenRun,
    layer: str,
    unit: int,
    epoch: int,
    found: Patches,
    result: FacetResult | None,
) -> None:
    label = f"Numbers: {len(found):,} patches of {layer} · neuron {unit}"
    table = box(st.expander, label, key="evo_unit_open", name="unit_table")
    if not table.open:
        return
    with table:
        frame = pd.DataFrame(
            {
                "patch": np.arange(1, len(found) + 1),
                "image": found.keys,
                "class": [each.class_name(int(label)) for label in found.labels],
                "activation": found.activations,
                **dict(zip(("top", "left", "bottom", "right"), found.boxes.T, strict=True)),
            }
        )
        if result is not None:
            frame["facet"] = result.facets.labels + 1
        st.dataframe(frame, hide_index=True, key="evo_patches", height=260)
        csv_button(frame, f"{each.name}-{layer}-{unit}-epoch{epoch}.csv", "evo_patches_csv")
