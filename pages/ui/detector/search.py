"""Every pixel of an image repaired in turn: once per server, as a job where it takes long."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.attacks import PixelChange
from ndcore.bundles.bundle import Bundle
from ndcore.detectors.repair import Repairs
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.networks.stoppable import stoppable
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar
from pages.ui.frame.words import counted, sentence

KEPT = 64  # images whose repairs a server remembers
PATIENCE_S = 2.0  # a search that takes longer shows how far it is
POLL_S = 0.02
KIND = "search"
# Name, pixels uint8 (H, W, C) and known changes of an image.
Subject = tuple[str, NDArray[np.uint8], list[PixelChange]]


def known_repairs(bundle: Bundle, found: Sequence[Subject]) -> list[Repairs]:
    """The repairs of these images, if this server has made them all."""
    known, keys = _known(), [image_key(bundle, pixels) for _, pixels, _ in found]
    return [known[key] for key in keys] if all(key in known for key in keys) else []


def repairs_of(bundle: Bundle, found: Sequence[Subject]) -> list[Repairs]:
    """Every pixel of every image repaired in turn; none until the search is through.

    One that lasts is shown here with Stop; one that was stopped waits for a button.
    """
    known = known_repairs(bundle, found)
    if known:
        return known
    # Whichever image comes first, it is the same search.
    keys = tuple(sorted(image_key(bundle, pixels) for _, pixels, _ in found))
    job = loaders.jobs().find(KIND, keys)
    if (
        job is not None
        and job.state in ("cancelled", "failed")
        and not st.button("Search again", icon=":material/search:", key="search_again")
    ):
        st.caption(sentence(job.error or "stopped"))
        return []
    if job is None or not job.active:
        try:
            job = _search(bundle, keys, found)
        except NeuralDivergenceError as error:
            st.error(sentence(error))
            return []
    end = time.monotonic() + PATIENCE_S
    with st.spinner("Looking at every pixel …"):
        while job.active and time.monotonic() < end:
            time.sleep(POLL_S)
    if job.active:
        job_bar(KIND, keys, _course, shared=True)
        return []
    if job.state != "done":
        st.rerun()
    return known_repairs(bundle, found)


def image_key(bundle: Bundle, pixels: NDArray[np.uint8]) -> str:
    """SHA-256 (hex) over the weights and the pixels of an image."""
    digest = hashlib.sha256(f"{bundle.weight_hash}{pixels.shape}".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def _search(bundle: Bundle, about: tuple[str, ...], found: Sequence[Subject]) -> Job:
    known, best = _known(), loaders.detectors(bundle).repairer()
    images = {image_key(bundle, pixels): pixels for _, pixels, _ in found}

    def run(job: Job) -> None:
        with stoppable(lambda: job.stopping, "the search for the pixel was stopped"):
            for at, (key, pixels) in enumerate(images.items()):
                job.report((at, len(images)))
                if key not in known:
                    known[key] = best.see(pixels[None])
        for old in list(known)[:-KEPT]:
            del known[old]

    label = f"search for the pixel in {counted(len(images), 'image')}"
    return loaders.jobs().submit(run, label=label, kind=KIND, about=about, lane="quick")


def _course(job: Job) -> tuple[float, str]:
    at, images = job.progress or (0, 1)
    words = f"Every pixel of image {at + 1} of {images}" if images > 1 else "Every pixel"
    return at / images, f"{words} · {job.seconds:.0f} s"


@st.cache_resource(show_spinner=False)
def _known() -> dict[str, Repairs]:
    """Repairs by weights and image, the latest last."""
    return {}
