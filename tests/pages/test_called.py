"""Every page on a model that can only be called, and on stored activations: no exception, and one
line where it is empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ndcore.activations.reading import read_source
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.catalog import open_source
from ndcore.networks.brought.opening import Wishes, open_images
from ndcore.networks.registry import model_spec
from pages.ui.frame.page_list import DETECTOR, EXPLORER, LAB, PAGES
from tests.own import called
from tests.ui import components, ended, job_of, opened, texts

ONLY = "so there are no layers inside it to look at"


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(tmp_path_factory.mktemp("cache")))
        spec, source = open_images(
            model_spec(f"{Path(called.__file__).resolve()}:forest"), "digits", Wishes()
        )
        build(BuildConfig("forest", spec.name, gallery=2, gallery_images=20), source, spec=spec)
        yield load_bundle("forest")


@pytest.mark.spec("OM-5")
@pytest.mark.parametrize("page", ["Home.py", *(page.path for page in PAGES)])
def test_a_page_opens(page: str, forest: Bundle) -> None:
    at = opened(page)
    assert not at.exception
    assert not at.error


@pytest.mark.spec("OM-5")
def test_the_lab_attacks_it_and_the_others_show_the_pair(forest: Bundle) -> None:
    at = opened(LAB.path, images="digits:1,digits:3")
    at.button(key="start").click().run()
    assert ended(job_of(at)).state == "done"
    at.run()
    assert not at.exception
    pair = "digits:1~3.3.ff"
    at = opened(EXPLORER.path, pair=pair)
    assert not at.exception
    assert texts(at).count(ONLY) == 1
    assert len(components(at)) == 1
    at.button(key="story_2").click().run()
    assert not at.exception
    at = opened(DETECTOR.path, pair=pair)
    assert not at.exception
    assert texts(at).count(ONLY) == 1
    assert at.selectbox(key="detector").value == "repair-turn"
    for tab in ("Many images", "The study", "Hypothesis desk"):
        at = opened(DETECTOR.path, pair=pair, detector_tab=tab)
        assert not at.exception


@pytest.fixture(scope="module", params=["with pictures", "without"])
def stored(
    request: pytest.FixtureRequest, digits_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bundle]:
    path, source = tmp_path_factory.mktemp("said") / "said.npz", open_source("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(digits_cache))
        origin = load_bundle("digits-cnn")
        said = read_source(origin.model, origin.layers, source, range(400))
        pictures = {"images": source.pixels(range(400))} if request.param != "without" else {}
        np.savez(
            path,
            labels=source.labels[:400],
            logits=said.logits,
            maps=np.repeat(said.values("block1_conv1", "max")[..., None, None], 4, 3),
            dense_1=said.values("dense_1", "value"),
            **pictures,
        )
        patch.setenv("ND_CACHE", str(tmp_path_factory.mktemp("cache")))
        spec, own = open_images(model_spec(str(path)), str(path), Wishes())
        build(BuildConfig("said", spec.name), own, spec=spec)
        yield load_bundle("said")


@pytest.mark.spec("OM-9")
@pytest.mark.parametrize("page", ["Home.py", *(page.path for page in PAGES)])
def test_a_page_on_stored_activations_opens(page: str, stored: Bundle) -> None:
    at = opened(page)
    assert not at.exception
    assert not at.error
    if page in (LAB.path, DETECTOR.path):
        assert texts(at).count(stored.unasked) == 1


@pytest.mark.spec("OM-9")
def test_stored_images_are_drawn_and_judged_and_no_others(stored: Bundle) -> None:
    changed = f"~0.0.{'7f' * stored.shape[2]}"
    at = opened(EXPLORER.path, pair="stored:7", **{"with": f"stored:8;stored:9{changed}"})
    assert not at.exception
    assert len(components(at)) == 1
    assert "stored:8" in texts(at)
    assert texts(at).count(stored.unasked) == 1  # of the changed one
    for place in ("Depth profile", "How the change spreads", "Where neurons fire"):
        at = opened(EXPLORER.path, pair="stored:7", closer=place)
        assert not at.exception
        assert not at.error
    for link in (f"stored:7{changed}", "digits:700", "stored:4000"):
        at = opened(EXPLORER.path, pair=link)
        assert not at.exception
        assert "cannot be shown" in at.error[0].value
    at = opened(DETECTOR.path, pair="stored:7")
    assert not at.exception
    assert texts(at).count(stored.unasked) == 1
    assert at.selectbox(key="detector").value == "wasserstein"
    for tab in ("Many images", "The study", "Hypothesis desk"):
        at = opened(DETECTOR.path, detector_tab=tab)
        assert not at.exception
        assert not at.error
    at = opened(DETECTOR.path, detector_tab="Many images")
    at.button(key="triage_start").click().run()
    assert ended(job_of(at, "triage")).state == "done"
    assert not at.run().exception
