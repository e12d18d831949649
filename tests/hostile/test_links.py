"""Links from strangers: no page falls, and nothing of a link is markup, a picture or a link."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from tests.hostile.limits import MOST_MB, measured
from tests.hostile.link_kinds import MARK, NAMES, links
from tests.hostile.short import some
from tests.pages.test_hostile_names import MARKDOWN, texts
from tests.planted_runs import plant
from tests.ui import opened

pytestmark = pytest.mark.hostile

MOST_SECONDS = 5
FRESH = 60  # links that one session follows
# What a browser would make of a text, were it not escaped.
LIVE = re.compile(r"\]\(|<\w|!\[|://|\bwww\.|\w@\w|:\w+\[|:material/\w+:|\$\S|\*\*\w|^#|^>|^\|")


@pytest.fixture
def cache(digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(digits_cache / "bundles", tmp_path / "bundles")
    plant(tmp_path / "runs" / "own", "shallow", recorded=3, planned=3)
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    return tmp_path


def live(at: AppTest) -> list[str]:
    """Texts with something of the link in them that is not only text."""
    found = []
    for element in [*at._tree]:
        proto = getattr(element, "proto", None)
        if not isinstance(proto, Message):
            continue
        for place, text in texts(proto):
            kind, _, field = place.rpartition(".")
            if MARK not in text or (field not in MARKDOWN and kind != "Html"):
                continue
            bare = re.sub(r"\\.", "", re.sub(r"(`+)[^`].*?\1", "", text))
            if LIVE.search(bare) or kind == "Html":
                found.append(f"{place}: {text[:200]}")
    return found


def test_there_are_many() -> None:
    assert sum(len(links(page)) for page in NAMES) >= 560


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("page", NAMES)
def test_no_link_is_more_than_text(page: str) -> None:
    wrong = []
    with measured() as cost:
        for number, link in enumerate(some(links(page), every=16)):
            if number % FRESH == 0:
                at = opened(page)
            at.query_params.clear()
            for name, value in link.items():
                at.query_params[name] = value
            began = time.process_time()
            at.run()
            told = [each.message for each in at.exception] + live(at)
            if time.process_time() - began > MOST_SECONDS:
                told.append("too long")
            wrong += [(str(link)[:80], text) for text in told]
    assert not wrong
    assert cost.mb < MOST_MB


def test_what_is_live_is_found() -> None:
    for text in ("[a](b)", "<b>x", "![a", "http://a", "www.a", "a@b", ":red[a]", "$x$", "**b**"):
        assert LIVE.search(text)
    assert not LIVE.search("The link asks for “zq9” (3 of 4): no such thing.")
