"""What is proven of many images: a job with Stop, whose shares and table stay."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate, certified_shares
from ndcore.data.pixels import image_key
from ndcore.figures.detector.certificate import proven_words
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from ndcore.study.incoming import Images
from ndcore.tasks.certificates import CertifyJob
from pages.ui.elements.csv_button import folded_table
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar, submit_on
from pages.ui.frame.link import recall
from pages.ui.frame.words import plain

KIND = "certify"


def certify_many(bundle: Bundle, images: Images | None, place: DeltaGenerator) -> None:
    """A button in `place`, then the job, then what it found so far where it was stopped.

    Without images those of the job that the link names.
    """
    if images is None:
        named = loaders.jobs().get(recall(KIND))
        if named is None or named.kind != KIND or named.result is None:
            return
        images = named.result.images
    total = len(images)
    about = image_key(bundle.weight_hash, images.pixels)
    job = job_bar(KIND, about, lambda job: _course(job, total), shared=True)
    if job is None or not (job.active or job.state == "done"):
        found = job.result.found if job is not None and job.result else []
        asked = place.button(
            f"Certify {counted(total - len(found), 'more image' if found else 'image')}",
            icon=":material/verified_user:",
            key="certify_start",
            help="What no change of one pixel can do to each of them unnoticed: about a second an "
            "image of 32 x 32 pixels on two cores.",
        )
        if asked:
            label = f"certificates of {counted(total, 'image')}"
            submit_on(KIND, about, CertifyJob(images, list(found)), bundle, label=label)
    if job is not None and not job.active and job.result and job.result.found:
        _show(bundle, images, job.result.found)


def _course(job: Job, total: int) -> tuple[float, str]:
    done = job.progress or 0
    return done / total, f"{done:,} of {total:,} images certified or not · {job.seconds:.0f} s"


def _show(bundle: Bundle, images: Images, kept: list[Certificate]) -> None:
    found, total = list(kept), len(images)
    images = images.take(slice(len(found)))
    if len(found) < total:
        st.caption(f"{len(found):,} of {total:,} images; stopped before the end.")
    benign = images.attacked != 1
    chosen = [one for one, is_benign in zip(found, benign, strict=True) if is_benign]
    summary = certified_shares(chosen, images.labels[benign])
    if told := proven_words(summary, summary):
        st.markdown(told)
    alarms = np.array([one.alarm for one in found], bool)
    if count := int((~benign).sum()):
        rate = Rate(int(alarms[~benign].sum()), count)
        st.markdown(f"The rule *flip* raises its alarm on **{rate.text}** of {count:,} attacked.")
    make = partial(_table, bundle, images, found, benign)
    folded_table("the images, proven or not", make, f"{bundle.name}-certificates.csv", "certified")


def _table(
    bundle: Bundle, images: Images, found: list[Certificate], benign: NDArray[np.bool_]
) -> pd.DataFrame:
    rows = [one.to_dict([plain(name) for name in bundle.classes]) for one in found]
    return pd.DataFrame(
        {
            "image": [plain(name, 200) for name in images.ids],
            "attacked": ["" if each else "yes" for each in benign],
            "taken for": [row["predicted"] for row in rows],
            "proven": [row["certified"] for row in rows],
            "holes": [len(row["holes"]) for row in rows],
            "can have been": [", ".join(row["labels"] or ["anything"]) for row in rows],
            "least lead": [row["margin"] for row in rows],
        }
    )
