"""What is slow to make of an image: made once per server, as a job with Stop, and remembered."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.pixels import image_key
from ndcore.errors import NeuralDivergenceError
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.networks.stoppable import stoppable
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar
from pages.ui.frame.words import sentence

POLL_S = 0.02
# Of each kind, by weights and image, the latest last. Looked into many times a click, so it is no
# cache of Streamlit's, which takes its key apart each time.
MADE: defaultdict[str, dict[str, Any]] = defaultdict(dict)

Made = TypeVar("Made")
Images = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class MadeOnce(Generic[Made]):
    """One kind of thing that is made of single images, or of sets of them.

    Attributes:
        kind: of its job; the key of its button begins so.
        label: of its job, before how many images it is of.
        again: label and icon of the button that goes on after a stop.
        course: of image so many of so many, in words for the job bar; one image needs no number.
        kept: how many a server remembers.
        stopped: what is said of a stop.
        noun: what each is made of.
    """

    kind: str
    label: str
    again: tuple[str, str]
    course: Callable[[str], str]
    kept: int
    stopped: str = "stopped"
    noun: str = "image"

    def known(self, bundle: Bundle, images: Images, about: str = "") -> list[Made]:
        """What was made of these images (H, W, C), if this server has made it of all.

        `about` tells what else it hangs on.
        """
        whose = f"{bundle.weight_hash}{about}"
        made, keys = MADE[self.kind], [image_key(whose, each) for each in images]
        return [made[key] for key in keys] if all(key in made for key in keys) else []

    def of(
        self,
        bundle: Bundle,
        images: Images,
        make: Callable[[NDArray[np.uint8]], Made],
        *,
        about: str = "",
        patience_s: float = 0.0,
        spinner: str = "",
    ) -> list[Made]:
        """The same, made where it is not known; none until all are through.

        Work that lasts longer than `patience_s` is shown here with Stop; what was stopped waits
        for a button. `make` may be left at any function of torch.
        """
        if found := self.known(bundle, images, about):
            return found
        whose = f"{bundle.weight_hash}{about}"
        wanted = {image_key(whose, pixels): pixels for pixels in images}
        keys = tuple(sorted(wanted))  # whichever image comes first, it is the same work
        job = loaders.jobs().find(self.kind, keys)
        label, icon = self.again
        if (
            job is not None
            and job.state in ("cancelled", "failed")
            and not st.button(label, icon=icon, key=f"{self.kind}_again")
        ):
            st.caption(sentence(job.error or "stopped"))
            return []
        if job is None or not job.active:
            try:
                job = self._submit(keys, wanted, make)
            except NeuralDivergenceError as error:
                st.error(sentence(error))
                return []
        end = time.monotonic() + patience_s
        with st.spinner(spinner):
            while job.active and time.monotonic() < end:
                time.sleep(POLL_S)
        if job.active:
            job_bar(self.kind, keys, self._course, shared=True)
            return []
        if job.state != "done":
            st.rerun()
        return self.known(bundle, images, about)

    def _submit(
        self,
        about: tuple[str, ...],
        wanted: dict[str, NDArray[np.uint8]],
        make: Callable[[NDArray[np.uint8]], Made],
    ) -> Job:
        made = MADE[self.kind]

        def run(job: Job) -> None:
            with stoppable(lambda: job.stopping, self.stopped):
                for at, (key, pixels) in enumerate(wanted.items()):
                    job.report((at, len(wanted)))
                    if key not in made:
                        made[key] = make(pixels)
            for old in list(made)[: -self.kept]:
                del made[old]

        label = f"{self.label} {counted(len(wanted), self.noun)}"
        return loaders.jobs().submit(run, label=label, kind=self.kind, about=about, lane="quick")

    def _course(self, job: Job) -> tuple[float, str]:
        at, images = job.progress or (0, 1)
        of = f" of {self.noun} {at + 1} of {images}" if images > 1 else ""
        return at / images, f"{self.course(of)} · {job.seconds:.0f} s"
