"""Many images are certified in a job: shares, table, and what was found before a stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate, certified_shares, certify
from ndcore.data.catalog import open_source
from ndcore.errors import StoppedError
from ndcore.figures.detector.certificate import proven_words
from ndcore.study.incoming import draw
from tests.ui import ended, job_of, opened, texts

PAGE = "pages/3_Divergence_Detector.py"
LINK = {
    "detector_tab": "Many images",
    "triage_images": "digits",
    "triage_n": "6",
    "triage_gallery": "1",
}


@pytest.mark.spec("CE-5")
def test_shares_and_a_row_for_each(digits_bundle: Bundle) -> None:
    at = opened(PAGE, **LINK)
    assert at.button(key="certify_start").label == "Certify 7 images"
    at.button(key="certify_start").click().run()
    job = ended(job_of(at, "certify"))
    assert job.state == "done", job.error
    at.run()
    assert not at.exception
    benign = draw(digits_bundle, open_source("digits"), 6, 0)
    attacked = digits_bundle.gallery[0].look_up().images[-1]
    found = certify(digits_bundle.model, np.concatenate([benign.pixels, attacked[None]]))
    summary = certified_shares(found[:6], benign.labels)
    assert proven_words(summary, summary) in texts(at)
    assert f"on **{'100.0% (20.7-100.0%)' if found[6].alarm else '0.0% (0.0-79.3%)'}** of 1" in (
        texts(at)
    )
    at.session_state["certified_table"] = True
    at.run()
    (frame,) = (each.value for each in at.dataframe if "can have been" in each.value.columns)
    assert frame["proven"].tolist() == [one.certified for one in found]
    assert frame["attacked"].tolist() == [""] * 6 + ["yes"]
    assert frame["holes"].tolist() == [len(one.holes) for one in found]


@pytest.mark.usefixtures("digits_bundle")
def test_what_was_found_before_a_stop_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(
        *_: Any, on_image: Callable[[Certificate], None], should_stop: Callable[[], bool]
    ) -> None:
        on_image(Certificate(3, 1.0))
        while not should_stop():
            time.sleep(0.01)
        raise StoppedError("stopped")

    monkeypatch.setattr("ndcore.tasks.certificates.certify", slow)
    at = opened(PAGE, **LINK)
    at.button(key="certify_start").click().run()
    at.button(key="stop_certify").click().run()
    assert ended(job_of(at, "certify")).state == "cancelled"
    at.run()
    assert not at.exception
    assert "1 of 7 images; stopped before the end." in texts(at)
    assert at.button(key="certify_start")
