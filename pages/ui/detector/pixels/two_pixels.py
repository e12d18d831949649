"""What no change of two pixels can do to an image, and its label before a change of one: a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pixels import image_key
from ndcore.figures.detector.certificate import two_pixels_words
from ndcore.jobs import Job
from ndcore.tasks.certificates import PairsOfBlocks
from pages.ui.detector.search import Subject
from pages.ui.elements.certificate import with_badge
from pages.ui.frame.job_bar import job_bar, submit_on
from pages.ui.frame.link import box, choice
from pages.ui.frame.words import plain

KIND = "pairs"
BLOCKS = (4, 2, 1)


def two_pixels_panel(bundle: Bundle, found: Sequence[Subject]) -> None:
    """Choose an image and a block, ask all pairs, and tell what came of it."""
    with box(st.expander, "Two pixels: what is proven by pairs of blocks", key="pairs_box") as all_:
        if not all_.open:
            return
        st.caption(
            "A second changed pixel can hide the first from single repairs. Here every pair of "
            "blocks is filled from outside both, so wherever two pixels were changed, one pair "
            "takes both away. Where all pairs agree, that is a proof for two pixels. Asked up to "
            "the first pair that disagrees; smaller blocks prove more and take far longer."
        )
        bar = st.container(horizontal=True, vertical_alignment="bottom")
        names = [name for name, _, _ in found]
        name = choice(
            bar.segmented_control, "Image", names, key="pairs_image", format_func=str.capitalize
        )
        possible = [block for block in BLOCKS if 2 * block < max(bundle.shape[:2])]
        block = choice(
            bar.segmented_control,
            "Side of a block",
            possible,
            key="pairs_block",
            format_func=lambda side: f"{side} x {side}",
        )
        work = PairsOfBlocks(found[names.index(name)][1], block)
        about = (image_key(bundle.weight_hash, work.pixels), block)
        start = bar.empty()
        job = job_bar(KIND, about, lambda job: _course(job, work.pairs), shared=True)
        if job is not None and job.state == "done":
            _show(job.result)
        elif (job is None or not job.active) and start.button(
            f"Ask up to {work.pairs:,} pairs", icon=":material/grid_on:", key="pairs_start"
        ):
            label = f"pairs of {block} x {block} blocks of one image"
            submit_on(KIND, about, work, bundle, label=label)


def _show(result: dict[str, Any]) -> None:
    names = result | {"recovered": dict(result["recovered"])}
    if names["recovered"]["label"] is not None:
        names["recovered"]["label"] = plain(names["recovered"]["label"])
    st.markdown(with_badge(two_pixels_words(names, plain(result["label"]))))


def _course(job: Job, pairs: int) -> tuple[float, str]:
    asked = job.progress or 0
    return min(1.0, asked / pairs), f"{asked:,} of {pairs:,} pairs agree · {job.seconds:.0f} s"
