"""Code that a bundle names runs where the owner of the machine built from it, or allowed all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ndcore.errors import BadRequestError
from ndcore.networks.consent import allow, require_allowed


@pytest.mark.usefixtures("empty_cache")
def test_what_was_built_from_here_may_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = f"{tmp_path}/model.py:make"
    with pytest.raises(BadRequestError, match="no build here has allowed"):
        require_allowed(named, "mine")
    monkeypatch.chdir(tmp_path)
    allow("model.py:make")
    require_allowed(named, "mine")
    require_allowed("model.py:make", "mine")
    for other in ("model.py:other", "other.py:make", "os:abort"):
        with pytest.raises(BadRequestError, match="no build here has allowed"):
            require_allowed(other, "mine")
    monkeypatch.chdir("/")
    with pytest.raises(BadRequestError, match="no build here has allowed"):
        require_allowed("model.py:make", "mine")  # another file now


@pytest.mark.usefixtures("empty_cache")
def test_the_owner_may_allow_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    allow("net.onnx")
    require_allowed("net.onnx", "mine")
    monkeypatch.setenv("ND_OWN_MODELS", "none")
    require_allowed("digits-cnn", "mine")
    with pytest.raises(BadRequestError, match="lets none run"):
        require_allowed("net.onnx", "mine")
    monkeypatch.setenv("ND_OWN_MODELS", "all")
    require_allowed("os:abort", "mine")
    monkeypatch.setenv("ND_OWN_MODELS", "perhaps")
    with pytest.raises(BadRequestError, match="built, all, none"):
        require_allowed("net.onnx", "mine")


def test_a_damaged_list_allows_nothing(empty_cache: Path) -> None:
    empty_cache.mkdir()
    for content in ("", "7", "[" * 100_000, '{"os:abort": 1'):
        (empty_cache / "allowed-models.json").write_text(content)
        with pytest.raises(BadRequestError, match="no build here has allowed"):
            require_allowed("os:abort", "mine")


@pytest.mark.usefixtures("empty_cache")
def test_what_to_do_is_a_command_that_can_be_pasted() -> None:
    with pytest.raises(BadRequestError) as told:
        require_allowed("my net.py:make", "mine", "/images/a b")
    assert "`python -m ndcore build mine --model 'my net.py:make' --data '/images/a b'`" in str(
        told.value
    )
    assert "set ND_OWN_MODELS=all" in str(told.value)
