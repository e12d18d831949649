"""The recorded runs in the repository: the page opens them and tells the command's numbers."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.cli import main
from pages.ui.evolution.network_numbers import curve_rows, macro_rows
from pages.ui.evolution.runs import open_run
from tests.shipped import RUNS as SHIPPED
from tests.ui import opened, texts

PAGE = "pages/4_Training_Evolution.py"


@pytest.fixture(autouse=True)
def shipped_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ND_CACHE", raising=False)


@pytest.mark.parametrize("variant", ["normalised", "paper"])
def test_the_command_gives_the_numbers_of_the_page(
    variant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evolve", "lenet", "--variant", variant, "--layer", "relu4", "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    each = open_run("lenet")
    shown = macro_rows(each, variant)
    for layer in told["layers"]:
        rows = shown[shown["layer"] == layer["layer"]]
        assert rows["epoch"].tolist() == told["epochs"]
        assert rows[f"discriminability ({variant})"].tolist() == layer["discriminability"]
        assert rows["density"].tolist() == layer["density"]
    curves = curve_rows(each)
    for part in ("train", "validation"):
        for name in ("loss", "top1_error", "top5_error"):
            column = f"{part}_{name}".replace("_", " ")
            assert curves[column].tolist() == told[part][name]
    measured = curves.dropna(subset=["flip rate"])
    rows = told["vulnerability"]["epochs"]
    assert measured["epoch"].tolist() == [row["epoch"] for row in rows]
    assert measured["flip rate"].tolist() == [row["flip_rate"] for row in rows]
    assert measured["auroc"].tolist() == [row["auroc"] for row in rows]
    units = each.run.units("relu4", variant=variant)
    assert [row["discriminability"] for row in told["units"]] == units.tolist()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_page_opens_it(name: str) -> None:
    at: AppTest = opened(PAGE, run=name)
    assert not at.exception
    assert f"**{name}**" in " ".join(str(element.value) for element in at.markdown)
    assert len(at.get("plotly_chart")) == 1


def test_status_and_home_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "-"]) == 0
    assert set(SHIPPED) <= set(json.loads(capsys.readouterr().out)["runs"])
    told = texts(opened("Home.py"))
    assert "**Recorded training runs**: lenet, lenet-bn, lenet-d" in told


def test_two_of_them_stand_side_by_side() -> None:
    at: AppTest = opened(PAGE, run="lenet", against="shallow", part="Layer")
    assert not at.exception
    assert not at.error
    assert len(at.get("plotly_chart")) == 3
