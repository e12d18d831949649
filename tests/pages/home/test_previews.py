"""Home: a picture per page from what is there, light, and the job that runs."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.manifest import GRAPH_FILE
from ndcore.evolution import load_run
from ndcore.figures.home.small_pictures import layer_heat
from pages.ui.frame import loaders
from pages.ui.frame.page_list import LAB, PAGES
from tests.shipped import RUNS_FOLDER, document
from tests.ui import ended, opened, texts

HOME = "Home.py"
MOST_BYTES = 60_000  # half of it the pictures of neurons


def pictures(at: AppTest) -> dict[str, str]:
    """Label -> markup of the pictures on the page's cards."""
    shown = [str(html.value) for html in at.main.get("html")]
    found = {
        re.findall(r'alt="([^"]*)"', markup)[0]: markup for markup in shown if "<img" in markup
    }
    return {
        label: markup for label, markup in found.items() if 'viewBox="0 0 180 90"' in svg(markup)
    }


def svg(markup: str) -> str:
    return base64.b64decode(re.findall(r"svg\+xml;base64,([\w+/=]+)", markup)[0]).decode()


@pytest.mark.spec("UX-1")
def test_every_page_has_a_light_picture_of_shipped_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ND_CACHE", raising=False)
    at = opened(HOME)
    assert not at.exception
    found = pictures(at)
    drawn = GRAPH_FILE in load_bundle("cifar10-vgg16").manifest["files"]
    assert len(found) == len(PAGES) - (not drawn)
    assert sum(map(len, found.values())) <= MOST_BYTES
    images = document("study/study.json")["images"]["evaluation"]
    told = texts(at)
    assert f"{images:,} benign images" in told
    assert "12 layers of lenet over 45 epochs" in told
    values = load_run(RUNS_FOLDER / "lenet").macro(variant="normalised")
    label = "Discriminability of lenet, layers by epochs"
    assert found[label] == layer_heat(values, label=label)


def test_another_bundle_has_its_own_pictures(digits_bundle: Bundle) -> None:
    at = opened(HOME)
    assert not at.exception
    found = pictures(at)
    assert len(found) == len(PAGES) - 2, "no run was recorded, and no vectors were kept here"
    rows = digits_bundle.gallery[1:3] or digits_bundle.gallery[:1]
    words = ", ".join(f"{row.predicted_before} → {row.predicted_after}" for row in rows)
    assert f"Broken by one pixel: {words}." in texts(at)
    assert f"Attacked images: {words}" in found
    (name,) = (label for label in found if label.startswith("Neurons of"))
    assert f"Neurons of {digits_bundle.layers[-1]}: " in name
    values = digits_bundle.read(np.stack(digits_bundle.gallery[0].look_up().images)).values(
        digits_bundle.layers[-1], "value"
    )
    panel = loaders.class_panel(digits_bundle, digits_bundle.layers[-1], "value")
    share = (values[0][values[1].argmax()] - panel.low) / (panel.high - panel.low)
    assert f'<circle cx="{4 + 172 * min(max(share, 0), 1):.1f}"' in svg(found[name])


@pytest.mark.usefixtures("digits_bundle")
def test_a_running_job_shows_its_progress_on_home() -> None:
    at = opened(HOME)
    job = loaders.jobs().submit(
        lambda job: job._stop.wait(30), label="attack on 1 image", kind="job", about="digits-cnn"
    )
    at.session_state["kept_job"] = [job.id]
    at.run()
    assert not at.exception
    links = [link.proto.label for link in at.main.get("page_link")]
    assert "attack on 1 image · Attack Lab" in links
    assert at.main.get("progress")
    job.cancel()
    ended(job)
    assert "attack on 1 image · Attack Lab" in [
        link.proto.label for link in at.run().main.get("page_link")
    ]
    at.switch_page(LAB.path).run()
    assert "attack on 1 image · Attack Lab" not in [
        link.proto.label for link in at.switch_page(HOME).run().main.get("page_link")
    ]
