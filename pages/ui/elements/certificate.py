"""What is proven of the images on a page: made once per server, as a job, and told in a line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate, certify
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.detector.certificate import certificate_words
from ndcore.jobs import Job
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar
from pages.ui.frame.words import counted, plain, sentence

KEPT = 256  # images whose certificates a server remembers
KIND = "certificate"
WIDTH = 220
BADGES = (("Not proven: ", ":orange-badge[Not proven] "), ("Proven: ", ":green-badge[Proven] "))


def known_certificate(bundle: Bundle, pixels: NDArray[np.uint8]) -> Certificate | None:
    """The certificate of an image uint8 (H, W, C), if this server has made it."""
    return _known().get(_key(bundle, pixels))


def certificates_of(bundle: Bundle, images: Sequence[NDArray[np.uint8]]) -> list[Certificate]:
    """The certificate of every image; none until all are made, which is shown here with Stop.

    What was stopped waits for a button.
    """
    known, keys = _known(), tuple(sorted({_key(bundle, pixels) for pixels in images}))
    if all(key in known for key in keys):
        return [known[_key(bundle, pixels)] for pixels in images]
    job = loaders.jobs().find(KIND, keys)
    if (
        job is not None
        and job.state in ("cancelled", "failed")
        and not st.button("Certify", icon=":material/verified_user:", key="certify_again")
    ):
        st.caption(sentence(job.error or "stopped"))
        return []
    if job is None or not job.active:
        try:
            _submit(bundle, keys, images)
        except NeuralDivergenceError as error:
            st.error(sentence(error))
            return []
    job_bar(KIND, keys, _course, shared=True)
    return []


def show_certificate(
    bundle: Bundle, pixels: NDArray[np.uint8], found: Certificate, place: DeltaGenerator
) -> None:
    """In words and, where there are holes, dotted on the image."""
    words = certificate_words(found.to_dict([plain(name) for name in bundle.classes]))
    for start, badge in BADGES:
        if words.startswith(start):
            words = badge + words.removeprefix(start)
            break
    place.markdown(words)
    if found.holes:
        holes = np.unique([(hole.row, hole.col) for hole in found.holes], axis=0)
        told = f"{counted(len(holes), 'pixel')} where a change could pass, dotted"
        show_image(pixels, told, candidates=holes, width=WIDTH, place=place)


def _submit(bundle: Bundle, about: tuple[str, ...], images: Sequence[NDArray[np.uint8]]) -> None:
    known = _known()
    wanted = {_key(bundle, pixels): pixels for pixels in images}

    def run(job: Job) -> None:
        for at, (key, pixels) in enumerate(wanted.items()):
            job.report((at, len(wanted)))
            if key not in known:
                found = certify(bundle.model, pixels[None], should_stop=lambda: job.stopping)
                known[key] = found[0]
        for old in list(known)[:-KEPT]:
            del known[old]

    label = f"certificate of {counted(len(wanted), 'image')}"
    loaders.jobs().submit(run, label=label, kind=KIND, about=about, lane="quick")


def _course(job: Job) -> tuple[float, str]:
    at, images = job.progress or (0, 1)
    of = f" of image {at + 1} of {images}" if images > 1 else ""
    return at / images, f"Certificate: every pixel{of}, in float32 · {job.seconds:.0f} s"


@st.cache_resource(show_spinner=False)
def _known() -> dict[str, Certificate]:
    """Certificates by weights and image, the latest last."""
    return {}


def _key(bundle: Bundle, pixels: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{bundle.weight_hash}{pixels.shape}".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()
