"""Before anything was chosen a page shows an attack of the gallery, or an image without one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.images import open_own
from pages.ui.frame.page_list import DETECTOR, EXPLORER, LAB
from tests.own.large import HELD, build_untouched
from tests.ui import captions, linked, opened, texts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of 1,000 classes, images of two of them, and no attack."""
    place = tmp_path_factory.mktemp("untouched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(place / "cache"))
        build_untouched(place, 16)
    return place


@pytest.fixture
def untouched(made: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("ND_CACHE", str(made / "cache"))
    return load_bundle("mine")


@pytest.fixture
def first(untouched: Bundle) -> str:
    """Id of the first held-out image that the network gets right; it knows class 500 alone."""
    source = open_own(untouched)
    assert source is not None
    held = [source.places[key] for key in untouched.splits["evaluation"]]
    return next(source.ids[at] for at in held if source.labels[at] == 500)


@pytest.mark.spec("OM-8")
def test_a_bundle_without_attacks_shows_an_image_that_it_gets_right(first: str) -> None:
    for page in (EXPLORER.path, DETECTOR.path):
        at = opened(page)
        assert not at.exception
        assert linked(at, "pair") == first.replace(" ", "%20")
        assert "**The example**: a class 500, not attacked yet." in texts(at)
    assert "**Benign image**, taken for **class 500**" in texts(at)
    lab = opened(LAB.path)
    assert not lab.exception
    assert "The example: a class 500, not attacked yet" in texts(lab)
    assert "Benign: class 500 " in captions(lab)
    home = opened("Home.py")
    assert not home.exception
    told = texts(home)
    assert "**The example**: a class 500, not attacked yet." in told
    assert "Not attacked yet: class 500." in told
    assert "The last neurons: class 500, and the image ●." in told


@pytest.mark.usefixtures("untouched")
def test_an_image_that_was_taken_away_stays_away() -> None:
    at = opened(EXPLORER.path)
    at.button(key="remove_1").click().run()
    assert linked(at, "pair") == "-"
    assert "No image is chosen" in texts(at)


@pytest.mark.usefixtures("untouched")
def test_where_no_image_is_here_the_lab_says_what_to_do(made: Path, tmp_path: Path) -> None:
    shutil.move(made / "images", tmp_path / "images")
    try:
        at = opened(LAB.path)
        assert not at.exception
        assert "The example" not in texts(at)
    finally:
        shutil.move(tmp_path / "images", made / "images")


@pytest.mark.usefixtures("untouched")
def test_only_classes_with_images_are_a_filter() -> None:
    assert opened(LAB.path).multiselect(key="filter").options == list(HELD)
