"""The images of a batch in a second network, by AppTest on digits and its twin."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import ended, job_of, linked, opened, texts

LAB = "pages/1_Attack_Lab.py"
BATCH = {"bundle": "digits-cnn", "images": "digits:0-3"}


def attacked() -> AppTest:
    """The Attack Lab after a batch."""
    at = opened(LAB, **BATCH)
    at.button(key="start").click().run()
    ended(job_of(at))
    return at.run()


@pytest.mark.spec("OM-7")
@pytest.mark.usefixtures("twin")
def test_a_batch_is_repeated_in_another_network() -> None:
    at = attacked()
    assert at.selectbox(key="second").options == ["twin"]
    at.button(key="start_compare").click().run()
    assert ended(job_of(at, "compare")).error == ""
    at.run()
    assert not at.exception
    assert "in digits-cnn alone 0, in twin alone 0" in texts(at)
    table = at.table[-1].value
    assert table["digits-cnn"].tolist() == table["twin"].tolist()
    assert linked(at, "compare")


@pytest.mark.usefixtures("digits_bundle")
def test_without_another_network_nothing_is_offered() -> None:
    at = attacked()
    assert not [each for each in at.selectbox if each.key == "second"]


@pytest.mark.usefixtures("twin")
def test_a_stopped_comparison_says_so() -> None:
    at = attacked()
    at.button(key="start_compare").click().run()
    job = job_of(at, "compare")
    job.cancel()
    ended(job)
    at.run()
    assert not at.exception
    assert job.state == "done" or "Stopped before both networks were through" in texts(at)
