"""`bench evolution` on few images: what it reports, not how fast it is."""

from __future__ import annotations

import json

import pytest

from ndcore.cli import main


@pytest.mark.usefixtures("empty_cache")
def test_it_reports_cost_size_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "evolution", "--n", "300", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "evolution"
    assert found["images"] == 300
    rows = {row["what"]: row for row in found["rows"]}
    assert all(row["value"] > 0 for row in rows.values())
    whole = rows["recording 45 epochs"]
    assert whole["ratio"] == pytest.approx(rows["share of training"]["value"])
    disk = rows["45-epoch recording on disk"]
    assert disk["unit"] == "MB"
    assert disk["ratio"] < 1
    limits = [row["against"] for row in found["rows"] if row["against"].startswith("the limit")]
    assert limits == [f"the limit of {told}" for told in ("0.15", "10 MB", "1.5 s", "0.5 s", "5 s")]


def test_too_few_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "evolution", "--n", "20"]) == 2
    assert "at least 200, got 20" in capsys.readouterr().err
