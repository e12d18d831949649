"""Bundles from strangers: nothing in them runs, and none harms another bundle, page or visitor."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ndcore.bundles.bundle import list_bundles, load_bundle
from ndcore.errors import BundleError
from pages.ui.frame.page_list import PAGES
from tests.hostile.foreign_kinds import REFUSED, TAKEN, Spoil
from tests.hostile.limits import MOST_MB, measured
from tests.hostile.short import some
from tests.ui import opened

pytestmark = pytest.mark.hostile

GOOD = "digits-cnn"
MOST_S = 2


@pytest.fixture
def cache(digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(digits_cache / "bundles", tmp_path / "cache" / "bundles")
    monkeypatch.setenv("ND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def planted(cache: Path, name: str, spoil: Spoil) -> Path:
    """A spoiled copy of the good bundle; returns the file that its code would leave."""
    folder = cache / "bundles" / name
    shutil.copytree(cache / "bundles" / GOOD, folder, symlinks=True)
    spoil(folder, cache / "ran")
    return cache / "ran"


def test_there_are_many_kinds() -> None:
    assert len(REFUSED) + len(TAKEN) >= 110


@pytest.mark.parametrize("kind", some(REFUSED))
def test_a_foreign_bundle_is_one_sentence(kind: str, cache: Path) -> None:
    ran = planted(cache, "foreign", REFUSED[kind])
    with measured() as cost:
        ready = [info.name for info in list_bundles() if info.ready]
        with pytest.raises(BundleError) as told:
            load_bundle("foreign")
    assert GOOD in ready
    assert not ran.exists()
    sentence = str(told.value)
    assert "foreign" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert cost.seconds < MOST_S
    assert cost.mb < MOST_MB


@pytest.mark.parametrize("kind", TAKEN)
def test_an_odd_bundle_is_a_bundle(kind: str, cache: Path) -> None:
    planted(cache, kind, TAKEN[kind])
    assert load_bundle(kind).name == kind
    assert not opened("Home.py", bundle=kind).exception


def test_no_foreign_bundle_takes_a_page_down(cache: Path) -> None:
    for kind in some(REFUSED):
        planted(cache, "foreign " + re.sub(r"[/\0]", "-", kind), REFUSED[kind])
    for page in ("Home.py", *(page.path for page in PAGES)):
        at = opened(page, bundle=GOOD)
        assert not at.exception
        assert not at.error
    for folder in (cache / "bundles").glob("foreign *"):
        at.query_params["bundle"] = folder.name
        at.run()
        assert not at.exception, folder.name
        assert len(at.error) == 1, folder.name
    assert not (cache / "ran").exists()
