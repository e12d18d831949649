"""Natural errors on the pages: looked for once per server, by a job where it takes long."""

from __future__ import annotations

import streamlit as st

from ndcore.analysis.natural_errors import NaturalError, find_errors, held_out
from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.jobs import Job
from ndcore.tasks.natural_errors import ErrorSearch
from pages.ui.frame import loaders
from pages.ui.frame.job_bar import job_bar, submit_on
from pages.ui.frame.known_signature import known_signature
from pages.ui.images.picker import ready_sources

AT_ONCE = 64  # images; more are read by a job
KIND = "error-search"

Key = tuple[str, str, str]


def sources_for(bundle: Bundle) -> dict[str, ImageSource]:
    """Sources on this machine that fit the bundle, by name."""
    return {name: loaders.source(name, bundle) for name in ready_sources(bundle)}


def known_errors(bundle: Bundle, name: str) -> tuple[NaturalError, ...] | None:
    """The natural errors of one of `sources_for`; None while they are looked for, or before.

    Few images are read at once, many by a job with progress and Stop; what a stopped job found is
    shown, what a finished one found is kept for everyone on this server.
    """
    source = loaders.source(name, bundle)
    key = (bundle.weight_hash, source.name, repr((source.root, source.intake)))
    known = _known()
    if key in known:
        return known[key]
    members = _held_out(*key, bundle, source)
    if len(members) <= AT_ONCE:
        with st.spinner("Looking for errors …"):
            known[key] = find_errors(bundle, source, members)
        return known[key]
    total = len(members)

    def course(job: Job) -> tuple[float, str]:
        done = job.progress or 0
        return done / total, f"{done:,} of {total:,} images read · {job.seconds:.0f} s"

    job = job_bar(KIND, key, course, shared=True)
    if job is not None and job.active:
        return None
    if job is not None and job.state == "done":
        known[key] = job.result.errors
        return known[key]
    begun: ErrorSearch | None = job.result if job is not None else None
    if begun is not None:
        st.caption(f"Stopped after {begun.read:,} of {total:,} images; these were found.")
    else:
        st.caption(
            f"Each of {total:,} images that the model never learned from is read once; "
            "what is found is kept on this server."
        )
    told = "Look for errors" if begun is None else "Go on"
    if st.button(told, icon=":material/search:", key="find_errors"):
        work = ErrorSearch(name, members)
        if begun is not None:
            work.add((begun.read, begun.found))
        submit_on(KIND, key, work, bundle, label=f"natural errors of {source.name}")
    return None if begun is None else begun.errors


@st.cache_resource(show_spinner=False)
def _known() -> dict[Key, tuple[NaturalError, ...]]:
    """What was found on this server, by weights and source; a few entries of some kilobytes."""
    return {}


@st.cache_data(max_entries=8, show_spinner=False)
@known_signature
def _held_out(
    weight_hash: str, name: str, place: str, _bundle: Bundle, _source: ImageSource
) -> list[int]:
    return held_out(_bundle, _source)
