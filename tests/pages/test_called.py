"""Every page on a model that can only be called: no exception, and one line where it is empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.networks.probe import Wishes, open_images
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
