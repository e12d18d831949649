"""The recorded runs in the repository: whole and small, and what the README tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.cli import main
from ndcore.evolution import EvolutionRun, kept_averages, kept_epochs, list_runs, load_run
from ndcore.evolution.findings import VERDICTS, findings_of
from ndcore.evolution.findings.check import FINDINGS
from ndcore.legible.epoch_spans import spans
from ndcore.networks.deep_view import NETWORKS
from tests.planted_runs import plant
from tests.shipped import README
from tests.shipped import RUNS as SHIPPED
from tests.shipped import RUNS_FOLDER as FOLDER
from tests.ui import opened, texts

PAGE = "pages/4_Training_Evolution.py"
KEPT = (1, 2, *range(5, 46, 5))
# Details of more epochs would not fit.
LARGEST = ("lenet-w", "lenet-w-bn", "nin", "nin-bn")
DETAILED = {"lenet": (1, 10, 30, 45)} | dict.fromkeys(("lenet-d", *LARGEST), (45,))
ATTACKED = dict.fromkeys(LARGEST, (1, 45))
# Those whose facets the paper makes claims about keep more patches.
PATCHES = {"lenet": 1000, "lenet-d": 1000, "shallow": 1000}


@pytest.fixture(autouse=True)
def shipped_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ND_CACHE", raising=False)


@pytest.fixture(params=SHIPPED)
def run(request: pytest.FixtureRequest) -> EvolutionRun:
    return load_run(FOLDER / request.param)


def test_these_are_all() -> None:
    assert tuple(sorted(path.name for path in FOLDER.iterdir())) == SHIPPED
    of_the_figure = sorted(name for name in NETWORKS if not name.endswith("-digits"))
    assert list(SHIPPED) == of_the_figure
    assert "Recorded runs of all networks of the paper's Fig. 4 ship" in README


def test_they_are_small() -> None:
    sizes = {
        name: sum(path.stat().st_size for path in (FOLDER / name / "evolution").iterdir())
        for name in SHIPPED
    }
    assert max(sizes.values()) <= 10e6
    assert sum(sizes.values()) <= 25e6


def test_a_run_is_complete(run: EvolutionRun) -> None:
    name = run.folder.parent.name
    assert run.model == name
    assert run.epochs.tolist() == list(range(1, 46))
    assert run.about["config"]["epochs"] == 45
    assert run.detailed == DETAILED.get(name, (1, 45))
    assert len(run.patches("conv1", 0, 45, 2000)) == PATCHES.get(name, 100)
    test, held = run.result["test"], run.result["evaluation"]
    assert (test["n"], test["lossless"]) == (8983, 0)
    assert held["n"] == held["lossless"] == 2587
    assert run.result["test_accuracy"] == test["accuracy"]
    assert kept_epochs(run) == (45,)
    for layer in run.layers:
        assert len(kept_averages(run, layer.name, 45)) == layer.units


def test_the_command_line_tells_it_as_the_page_does(capsys: pytest.CaptureFixture[str]) -> None:
    run = load_run(FOLDER / "nin-bn")
    assert main(["evolve", "nin-bn"]) == 0
    told = capsys.readouterr().out
    assert "nin-bn on an image folder, epochs 1-45" in told
    assert "84.16 (83.39-84.90) on 8,983 test images, none lossless; 85.54 (" in told
    warnings = run.warnings()
    assert warnings
    for warned in warnings:
        assert f"{warned.layer} is {warned.rule} (epochs {spans(warned.epochs)}): " in told


def test_vulnerability_was_measured(run: EvolutionRun) -> None:
    found = run.vulnerability
    assert found is not None
    assert tuple(row.epoch for row in found.epochs) == ATTACKED.get(run.model, KEPT)
    assert found.config.images == 300
    for row in found.epochs:
        assert 0 < row.flipped <= row.attacked <= 300
        assert row.flip_rate == row.flipped / row.attacked
        assert row.auroc is not None
        assert row.auroc_ci95 is not None
        assert row.auroc_ci95[0] <= row.auroc <= row.auroc_ci95[1]


def test_measuring_again_needs_a_run_trained_here(capsys: pytest.CaptureFixture[str]) -> None:
    before = load_run(FOLDER / "shallow").vulnerability
    place = str(FOLDER / "shallow")
    assert main(["evolve", place, "--vulnerability", "--data", "nowhere"]) == 2
    assert "record one here with train shallow --record" in capsys.readouterr().err
    assert load_run(FOLDER / "shallow").vulnerability == before


def test_claims_on_shipped_networks_are_decided() -> None:
    results = findings_of([str(FOLDER / name) for name in SHIPPED])["findings"]
    by_id = {row["id"]: row for row in results}
    for finding in FINDINGS:
        if set(finding.networks) <= set(SHIPPED):
            row = by_id[finding.id]
            assert row["verdict"] in VERDICTS[:2], row["sentence"]
            assert row["figures"]


def test_a_run_trained_here_does_not_hide_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "runs" / "lenet", "lenet", recorded=3, share=None)
    plant(tmp_path / "shipped-runs" / "lenet", "lenet")
    plant(tmp_path / "shipped-runs" / "shallow", "shallow")
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    assert list_runs() == ["lenet", "lenet (shipped)", "shallow"]
    assert len(load_run("lenet").epochs) == 3
    assert len(load_run("lenet (shipped)").epochs) == 45
    judged = {row["id"]: row for row in findings_of()["findings"]}
    assert judged["DV-30a"]["recordings"] == {"lenet": "lenet (shipped)", "shallow": "shallow"}
    at: AppTest = opened(PAGE, run="lenet (shipped)")
    assert not at.exception
    assert "**lenet (shipped)** · 12 layers · 45 epochs" in texts(at)


def test_a_dead_neuron_is_told_to_be_driven_by_nothing() -> None:
    dead, live = (
        texts(opened(PAGE, run="lenet-w", layer="relu2", unit=unit, part="Neuron"))
        for unit in ("3", "12")
    )
    assert "Which patches came first is chance" in dead
    assert "behind the average" not in dead
    assert "behind the average" in live
