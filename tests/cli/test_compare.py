from __future__ import annotations

import json

import pytest

from ndcore.cli import main

COMMAND = ["compare", "--bundle", "digits-cnn", "--source", "digits", "--n", "6"]


@pytest.mark.spec("OM-7")
@pytest.mark.usefixtures("twin")
def test_a_network_beside_itself_differs_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--with", "twin", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bundles"] == ["digits-cnn", "twin"]
    assert found["images_compared"] == 6 == len(found["images"])
    assert found["broken_in"]["first"] == found["broken_in"]["second"] == 0
    for row in found["rows"]:
        assert row["rates"][0] == row["rates"][1]
        if row["what"] == "carries over":
            broken = found["broken_in"]["both"]
            assert (row["rates"][0]["n"], row["rates"][0]["rate"] or 1) == (broken, 1)
        elif row["gap"] is not None:
            assert row["gap"]["mean"] == 0
            assert row["gap"]["ci95"][0] < 0 < row["gap"]["ci95"][1]  # equal on six is not equal
    assert main([*COMMAND, "--with", "twin", "--detector", "none"]) == 0
    told = capsys.readouterr().out
    assert "broken, of those that both know" in told
    assert "Broken in both" in told
    assert "undefined (n = 0)" in told
    assert "No detector judged" in told


@pytest.mark.usefixtures("twin")
def test_what_cannot_be_compared_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--with", "nothing"]) == 2
    assert main([*COMMAND, "--with", "twin", "--detector", "nothing"]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in told if line.startswith("ndcore: ")]) == 2
