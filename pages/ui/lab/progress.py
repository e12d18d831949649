"""A running attack: how far it is, what it looks at, and what it found."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ndcore.attacks import AttackProgress, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import small_png
from ndcore.figures.lab.attack import search_course
from ndcore.figures.lab.grid_map import lowest_colours, ramp_legend
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.tasks.attack import AttackJob, results_of
from pages.ui.elements.pictures import rings, show_image
from pages.ui.frame.job_bar import job_bar, live_picture
from pages.ui.frame.words import plain
from pages.ui.lab.attack_job import KIND

STRIP = 24  # images shown at a time
TILE = 64  # CSS pixels
PICTURE = 240
COURSE = 380


def watched_attack(bundle: Bundle) -> Job | None:
    """The attack of the link or of this session on this bundle; its bar while it is active."""
    return job_bar(KIND, bundle.name, _course, size=lambda job: len(results_of(job)))


def picture_of_attack(bundle: Bundle, job: Job) -> None:
    """What a running attack is at."""

    def draw(job: Job) -> None:
        if job.progress is not None and job.result is not None:
            _in_view(bundle, job.result, job.progress)
            _strip(job.result, job.progress)

    live_picture(job, draw)


def _course(job: Job) -> tuple[float, str]:
    """How many images are done, with the part of the one that is searched."""
    now: AttackProgress | None = job.progress
    work: AttackJob | None = job.result
    if now is None or work is None:
        return 0.0, "Starting …"
    found = work.results  # newer than the progress report, which comes before the results
    images = len(work.choice.ids)
    part = min(1.0, now.queries / max(1, now.max_queries)) if len(found) < images else 0.0
    return (len(found) + part) / images, (
        f"{len(found):,} of {counted(images, 'image')} done · {summarise(found)['succeeded']} "
        f"broken · {counted(now.total_queries, 'query', 'queries')} · {job.seconds:.0f} s"
    )


def _in_view(bundle: Bundle, work: AttackJob, now: AttackProgress) -> None:
    """The image that the report is about."""
    config, choice = work.config, work.choice
    label = bundle.classes[choice.labels[now.index]]
    target = "" if config.target is None else bundle.classes[config.target]
    goal = f"highest probability of {target}" if target else f"lowest probability of {label}"
    budget = f" of at most {now.max_queries:,}" if now.max_queries else ""
    st.markdown(
        f"**{plain(now.id)}** ({plain(label)}) · {now.stage}  \n{now.queries:,}{budget} queries "
        f"· {plain(goal, 80)} so far **{100 * now.best_confidence:.1f}%**"
    )
    row = st.container(horizontal=True, gap="small")
    places = now.candidates
    caption = f"{counted(len(places), 'candidate')} last tried" if len(places) else "in view"
    show_image(
        choice.pixels[now.index],
        caption,
        candidates=places,
        width=PICTURE,
        place=row.container(width=PICTURE),
    )
    if now.lowest is not None and np.isfinite(now.lowest).any():
        place = row.container(width=PICTURE)
        tried = np.isfinite(now.lowest)
        top = float(np.nanmax(now.lowest))
        show_image(
            lowest_colours(now.lowest, top),
            f"map: {int(tried.sum()):,} of {tried.size:,} pixels tried",
            width=PICTURE,
            hatched=True,
            place=place,
        )
        place.html(ramp_legend(label, top, partial=True, untouched=False))
    row.container(width=COURSE).plotly_chart(
        search_course(now.history, target=target, true=label), key="course"
    )


def _strip(work: AttackJob, now: AttackProgress) -> None:
    """Images of a batch about the one in view, each with its state."""
    choice, images = work.choice, len(work.choice.ids)
    if images < 2:
        return
    first = max(0, min(now.index - STRIP // 2, images - STRIP))
    active, tiles = dict(now.active), []
    for index in range(first, min(first + STRIP, images)):
        result = work.found.get(index)
        state = f"{active[index]:.0%} of budget" if index in active else "waiting"
        broken = result if result is not None and result.success else None
        tiles.append(
            ImageTile(
                small_png(broken.attacked if broken else choice.pixels[index], TILE),
                (choice.pixels.shape[1], choice.pixels.shape[2]),
                rings(broken.pixels) if broken else (),
                (result.outcome if result else state, choice.names[index]),
            )
        )
    st.caption(f"Images {first + 1:,} to {first + len(tiles):,} of {images:,}")
    st.html(image_tiles(tiles, width=TILE))
