"""What clears a cache: a file that was written, and nothing that is still hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.settings import Settings
from pages.ui.frame import gate, loaders


def test_a_build_in_progress_is_not_seen(tmp_path: Path) -> None:
    bundle = tmp_path / "mine"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    before = loaders.stamps(tmp_path, inside=True)
    (bundle / ".weights.tmp").write_text("half")
    (tmp_path / ".building").mkdir()
    (tmp_path / ".building" / "manifest.json").write_text("{}")
    assert loaders.stamps(tmp_path, inside=True) == before
    os.utime(bundle / "manifest.json", ns=(1, 1))
    changed = loaders.stamps(tmp_path, inside=True)
    assert changed != before
    (tmp_path / "other").mkdir()
    assert loaders.stamps(tmp_path, inside=True) != changed
    assert loaders.stamps(tmp_path / "none") == loaders.stamps(tmp_path / "other")


def test_a_file_that_goes_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stays").write_text("")
    (tmp_path / "goes").write_text("")
    listed = os.scandir

    @contextmanager
    def late(folder: Path) -> Iterator[list[Any]]:
        with listed(folder) as entries:
            found = list(entries)
        (tmp_path / "goes").unlink()
        yield found

    monkeypatch.setattr(os, "scandir", late)
    told = loaders.stamps(tmp_path)
    assert "stays" in told
    assert "goes" not in told


def test_a_page_reads_the_settings_of_its_login_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def settings() -> Settings:
        asked.append(1)
        return Settings()

    monkeypatch.setattr(gate, "settings", settings)
    script = "from pages.ui.frame.gate import gate\ngate()\n"
    assert not AppTest.from_string(script).run().exception
    assert len(asked) == 1
