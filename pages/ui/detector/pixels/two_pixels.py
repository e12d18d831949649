"""What no change of two pixels can do to an image, and its label before a change of one: a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.certificate.blocks import pairs_of
from ndcore.certificate.recovery import recover
from ndcore.certificate.two_pixels import certify_two
from ndcore.data.pixels import image_key
from ndcore.figures.detector.certificate import two_pixels_words
from ndcore.jobs import Job
from ndcore.networks.evaluator import evaluator_for
from ndcore.networks.stoppable import stoppable
from pages.ui.detector.search import Subject
from pages.ui.elements.certificate import with_badge
from pages.ui.frame.job_bar import job_bar, submit
from pages.ui.frame.link import box, choice
from pages.ui.frame.words import plain

KIND = "pairs"
BLOCKS = (4, 2, 1)
DEADLINE_S = 3600


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
        pixels = found[names.index(name)][1]
        pairs = pairs_of(bundle.shape, block)
        about = (image_key(bundle.weight_hash, pixels), block)
        start = bar.empty()
        job = job_bar(KIND, about, lambda job: _course(job, pairs), shared=True)
        if job is not None and job.state == "done":
            _show(job.result)
        elif (job is None or not job.active) and start.button(
            f"Ask up to {pairs:,} pairs", icon=":material/grid_on:", key="pairs_start"
        ):

            def work(job: Job) -> dict[str, Any]:
                with stoppable(lambda: job.stopping):
                    evaluator = evaluator_for(bundle.model, bundle.shape, "float32")
                    certified = certify_two(evaluator, pixels, block, job.report)
                    back = recover(evaluator, pixels, block)
                    label = bundle.classes[int(evaluator.plain(pixels[None]).argmax())]
                told = certified.to_dict() | {"recovered": back.to_dict(bundle.classes)}
                return {"label": label} | told

            label = f"pairs of {block} x {block} blocks of one image"
            submit(KIND, about, work, label=label, deadline_s=DEADLINE_S)


def _show(result: dict[str, Any]) -> None:
    names = result | {"recovered": dict(result["recovered"])}
    if names["recovered"]["label"] is not None:
        names["recovered"]["label"] = plain(names["recovered"]["label"])
    st.markdown(with_badge(two_pixels_words(names, plain(result["label"]))))


def _course(job: Job, pairs: int) -> tuple[float, str]:
    asked = job.progress or 0
    return min(1.0, asked / pairs), f"{asked:,} of {pairs:,} pairs agree · {job.seconds:.0f} s"
