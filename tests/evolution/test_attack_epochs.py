"""One-pixel flips and the detector at each recorded epoch: on digits."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ndcore.attacks import AttackConfig, attack_images
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError, DataError, RunError, StoppedError
from ndcore.evolution import EvolutionRun, Vulnerability, VulnerabilityConfig, load_run
from ndcore.evolution.recording.attack_epochs import measure_vulnerability
from ndcore.evolution.recording.recorder import RecordConfig, Recorder
from ndcore.networks.registry import build_model, model_spec
from ndcore.networks.weights import load_weights
from ndcore.statistics.intervals import wilson
from ndcore.training.loop import train
from ndcore.training.recipes import recipe

MODEL = "lenet-digits"
SMALL = VulnerabilityConfig(images=20, max_queries=200, reference=300, ranked=60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "runs" / MODEL
    train(
        model_spec(MODEL),
        open_source("digits"),
        replace(recipe(MODEL), epochs=5),
        folder,
        recorder=Recorder(folder, RecordConfig(per_class=16, pool=100, top=5, top_last=5)),
    )
    return folder


@pytest.fixture(scope="module")
def measured(trained: Path) -> Vulnerability:
    return measure_vulnerability(load_run(trained), open_source("digits"), SMALL)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> EvolutionRun:
    shutil.copytree(trained, tmp_path / "runs" / MODEL)
    (tmp_path / "runs" / MODEL / "evolution" / "vulnerability.json").unlink(missing_ok=True)
    return load_run(tmp_path / "runs" / MODEL)


def told(found: Vulnerability) -> list[dict]:
    """The rows but for how long they took."""
    return [row.to_dict() | {"seconds": 0} for row in found.epochs]


def test_every_detailed_epoch_is_measured(trained: Path, measured: Vulnerability) -> None:
    run = load_run(trained)
    assert [row.epoch for row in measured.epochs] == list(run.detailed) == [1, 2, 5]
    for row in measured.epochs:
        assert row.benign == 20
        assert 0 <= row.flipped <= row.attacked <= 20
        assert row.flip_ci95 == wilson(row.flipped, row.attacked)
        assert (row.auroc is None) == (row.flipped == 0)
        if row.auroc is not None and row.auroc_ci95 is not None:
            assert 0 <= row.auroc_ci95[0] <= row.auroc <= row.auroc_ci95[1] <= 1
    assert run.vulnerability == measured


def test_a_row_is_that_of_the_epochs_weights(trained: Path, measured: Vulnerability) -> None:
    source = open_source("digits")
    row = measured.epochs[-1]
    model = load_weights(build_model(MODEL), trained / "snapshots" / "epoch-005.safetensors")
    dev = json.loads((trained / "run.json").read_text())["splits"]["dev"]
    rows = positions(source, dev)
    results = attack_images(
        model,
        source.pixels(rows),
        source.labels[rows],
        [source.keys()[i] for i in rows],
        AttackConfig(max_queries=200, precision="float32"),
    )
    # The sample is some of the dev images, and an image's search depends on its own name alone.
    flips = sum(result.success for result in results)
    assert row.flipped <= flips
    assert row.attacked <= sum(not result.skipped for result in results)
    everything = replace(SMALL, images=len(dev))
    run = load_run(trained)
    shutil.copytree(trained, trained.parent / "whole")
    whole = measure_vulnerability(load_run(trained.parent / "whole"), source, everything)
    assert whole.epochs[-1].flipped == flips
    assert whole.epochs[-1].benign == len(dev)
    assert run.vulnerability == measured


def test_a_stopped_measurement_goes_on(copied: EvolutionRun, measured: Vulnerability) -> None:
    source, done = open_source("digits"), []
    with pytest.raises(StoppedError, match="are kept"):
        measure_vulnerability(
            copied, source, SMALL, on_epoch=done.append, should_stop=lambda: len(done) == 1
        )
    assert copied.vulnerability is not None
    assert [row.epoch for row in copied.vulnerability.epochs] == [1]
    steps: list[str] = []
    more = measure_vulnerability(
        copied, source, SMALL, on_epoch=done.append, on_step=lambda *step: steps.append(step[0])
    )
    assert [row.epoch for row in done] == [1, 2, 5]
    assert told(more) == told(measured)
    assert steps[0] == "epoch 2 (2 of 3): attacking"
    # All there: nothing is done again, not even without the weights.
    shutil.rmtree(copied.folder.parent / "snapshots")
    assert measure_vulnerability(copied, source, SMALL) == more
    assert copied.vulnerability == more


def test_other_settings_and_other_weights_are_measured_again(copied: EvolutionRun) -> None:
    source, done = open_source("digits"), []
    few = replace(SMALL, images=3)
    measure_vulnerability(copied, source, few)
    snapshots = copied.folder.parent / "snapshots"
    shutil.copy(snapshots / "epoch-005.safetensors", snapshots / "epoch-001.safetensors")
    found = measure_vulnerability(copied, source, few, on_epoch=done.append)
    assert [row.epoch for row in done] == [1]
    assert found.epochs[0].weights == found.epochs[2].weights
    measure_vulnerability(copied, source, replace(few, seed=1), on_epoch=done.append)
    assert [row.epoch for row in done] == [1, 1, 2, 5]


def test_what_cannot_be_measured_is_one_sentence(copied: EvolutionRun) -> None:
    source, folder = open_source("digits"), copied.folder.parent
    table = copied.folder / "vulnerability.json"
    for text in ("{", "[]", "{}", '{"schema": 1, "epochs": [{}], "config": {}}'):
        table.write_text(text)
        with pytest.raises(RunError) as raised:
            _ = load_run(folder).vulnerability
        assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match="lacks images of the 'reference' split"):
        measure_vulnerability(copied, open_source("samples"), SMALL)
    half = folder / "snapshots" / "epoch-001.safetensors"
    half.write_bytes(half.read_bytes()[:100])
    with pytest.raises(RunError, match="cannot be used"):
        measure_vulnerability(copied, source, SMALL)
    shutil.rmtree(folder / "snapshots")
    with pytest.raises(RunError, match="kept by train lenet-digits --record"):
        measure_vulnerability(copied, source, SMALL)
    training = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(training | {"model": "lenet"}))
    with pytest.raises(RunError, match="not of the training beside it"):
        measure_vulnerability(copied, source, SMALL)
    (folder / "run.json").unlink()
    with pytest.raises(RunError, match="came without its training"):
        measure_vulnerability(copied, source, SMALL)
    for wrong in ({"images": 0}, {"max_queries": 0}, {"seed": -1}):
        with pytest.raises(BadRequestError, match="must"):
            VulnerabilityConfig(**wrong)


def test_evolve_measures_and_shows(
    copied: EvolutionRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ND_CACHE", str(copied.folder.parents[2]))
    assert main(["evolve", MODEL, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["vulnerability"] is None
    assert main(["evolve", MODEL, "--vulnerability", "--images", "6", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["vulnerability"]
    assert [row["epoch"] for row in found["epochs"]] == [1, 2, 5]
    assert found["config"]["images"] == 6
    assert found["engine"] == "fast"
    shutil.rmtree(copied.folder.parent / "snapshots")
    assert main(["evolve", MODEL, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["vulnerability"] == found
    assert main(["evolve", MODEL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("one pixel flips" in line for line in lines) == 3
    assert main(["evolve", MODEL, "--vulnerability", "--images", "0"]) == 2
    assert "images must be at least 1" in capsys.readouterr().err


def test_the_flipped_images_stand_out_of_noise(measured: Vulnerability) -> None:
    areas = [row.auroc for row in measured.epochs if row.auroc is not None]
    assert areas
    assert np.mean(areas) > 0.5
