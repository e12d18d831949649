"""The job bar: asked, found again by link, of the right kind only, stopped, lost."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.frame import loaders
from tests.ui import ended


def page() -> None:
    import time

    import streamlit as st

    from ndcore.errors import DataError
    from pages.ui.frame.job_bar import job_bar, submit

    def work(job):
        job.report((1, 2))
        while not job.stopping and not st_free.is_set():
            time.sleep(0.01)
        if job.label == "bad":
            raise DataError("no such image")
        return "found"

    import threading

    st_free = threading.Event()
    for label in ("slow", "bad", "quick"):
        if st.button(label, key=label):
            if label != "slow":
                st_free.set()
            submit("count", "this", work, label=label)
    job = job_bar("count", st.query_params.get("about", "this"), lambda job: (0.5, "half way"))
    st.session_state["job"] = job


def opened(**link: str) -> AppTest:
    at = AppTest.from_function(page)
    for name, value in link.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


@pytest.mark.spec("UX-3")
def test_a_job_is_watched_stopped_and_found_by_its_link() -> None:
    at = opened()
    assert at.session_state["job"] is None
    at.button(key="slow").click().run()
    job = at.session_state["job"]
    assert job.active
    assert (job.kind, job.about) == ("count", "this")
    again = opened(count=job.id)
    assert again.session_state["job"] is job
    started = time.monotonic()
    again.button(key="stop_count").click().run()
    assert time.monotonic() - started < 1
    assert ended(job).state == "cancelled"  # soon, if not within the click
    assert again.session_state["job"].result == "found"


def test_a_failed_job_says_why() -> None:
    at = opened()
    at.button(key="bad").click().run()
    ended(at.session_state["job"])
    assert at.run().error[0].value == "No such image."


def test_a_lost_job_and_one_of_another_kind_are_one_sentence() -> None:
    other = loaders.jobs().submit(lambda job: 1, label="x", kind="other", about="this")
    for job_id in (other.id, "gone", "<b>"):
        at = opened(count=job_id)
        assert at.session_state["job"] is None
        assert len(at.info) == 1
        assert "no longer kept" in at.info[0].value
        assert "count" not in at.query_params


def test_a_job_about_something_else_is_not_shown() -> None:
    at = opened()
    at.button(key="quick").click().run()
    job = ended(at.session_state["job"])
    assert opened(count=job.id, about="that").session_state["job"] is None
