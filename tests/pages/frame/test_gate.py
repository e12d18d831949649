"""The login: nothing of any page without it, where the owner asks for it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.storage.places import ROOT
from pages.ui.frame.page_list import PAGES
from tests.ui import HOME, texts


def shown(script: str, who: dict[str, object] | None = None) -> AppTest:
    at = AppTest.from_file(str(HOME if script == "Home.py" else ROOT / script), default_timeout=60)
    at.user = who or {}
    return at.run()


@pytest.mark.spec("LB-5")
@pytest.mark.parametrize("script", ["Home.py", *(page.path for page in PAGES)])
@pytest.mark.parametrize("login", ["oidc", "headers"])
def test_no_page_shows_anything_before_the_login(
    script: str, login: str, monkeypatch: pytest.MonkeyPatch, empty_cache: object
) -> None:
    monkeypatch.setenv("ND_LOGIN", login)
    at = shown(script)
    assert not at.exception
    assert [title.value for title in at.title] == ["Neural Divergence"]
    assert len(at.button) == (login == "oidc")
    assert not at.get("bidi_component")
    assert not at.sidebar.selectbox


def test_who_is_logged_in_gets_the_page(
    monkeypatch: pytest.MonkeyPatch, empty_cache: object
) -> None:
    monkeypatch.setenv("ND_LOGIN", "oidc")
    assert "no bundle yet" in texts(shown("Home.py", {"is_logged_in": True, "sub": "7"}))
    assert "no bundle yet" not in texts(shown("Home.py", {"is_logged_in": False, "sub": "7"}))
    monkeypatch.setenv("ND_LOGIN", "headers")
    assert "no bundle yet" in texts(shown("Home.py", {"email": "a@b"}))


def test_bad_settings_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, empty_cache: object
) -> None:
    monkeypatch.setenv("ND_LOGIN", "maybe")
    at = shown("Home.py")
    monkeypatch.delenv("ND_LOGIN")  # the queue that is shut down after the test has settings too
    assert not at.exception
    assert "login must be none or oidc or headers" in at.error[0].value
