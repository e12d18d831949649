"""Settings by environment and file: read, printed, refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ndcore.cli import main
from ndcore.errors import BadRequestError
from ndcore.settings import Settings, settings


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings() == Settings()
    file = tmp_path / "server.toml"
    file.write_text("places = 9\nkeep_days = 1\n")
    monkeypatch.setenv("ND_SETTINGS", str(file))
    monkeypatch.setenv("ND_PLACES", "2")
    assert (settings().places, settings().keep_days) == (2, 1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("places = 'many'", "places must be a number"),
        ("places = -1", "places must be a number"),
        ("places = true", "places must be a number"),
        ("keep_mb = nan", "keep_mb must be a number"),
        ("login = 'password'", "login must be none or oidc or headers, not 'password'"),
        ("place = 3", "unknown setting 'place'"),
        ("places =", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)
    monkeypatch.setenv("ND_SETTINGS", str(file))
    with pytest.raises(BadRequestError, match=told):
        settings()
    monkeypatch.setenv("ND_SETTINGS", str(tmp_path / "none.toml"))
    with pytest.raises(BadRequestError, match="cannot be read"):
        settings()


@pytest.mark.spec("LB-3")
def test_status_prints_them(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ND_PLACES", "2")
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert "places = 2 (default 4)" in told
    assert "heavy_jobs = 1\n" in told
