"""A copy of a recording that is small enough to hand on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndcore.cli import main
from ndcore.errors import NeuralDivergenceError
from ndcore.evolution import EvolutionRun, load_run
from ndcore.evolution.recording.light_copy import copy_recording
from ndcore.evolution.store import epoch_file, write_arrays
from tests.planted_runs import plant

MANY = 60


@pytest.fixture
def run(tmp_path: Path) -> EvolutionRun:
    plant(tmp_path / "lenet", "lenet")
    found = load_run(tmp_path / "lenet")
    arrays = found.details(45)
    more = {name: np.tile(arrays[name], 3)[:, :MANY] for name in ("image", "position", "level")}
    for epoch, held in ((1, arrays), (10, arrays), (45, arrays | more)):
        write_arrays(epoch_file(found.folder, "detail", epoch), held)
    (tmp_path / "lenet" / "snapshots").mkdir()
    (tmp_path / "lenet" / "snapshots" / "epoch-045.safetensors").write_bytes(b"weights")
    return load_run(tmp_path / "lenet")


def test_a_copy_keeps_the_strongest_patches_and_the_asked_epochs(
    run: EvolutionRun, tmp_path: Path
) -> None:
    first, last = 1, 45
    folder = copy_recording(run, tmp_path / "copy", details=[first], patches=25)
    assert not (tmp_path / "copy" / "snapshots").exists()
    copy = load_run(tmp_path / "copy")
    assert copy.folder == folder
    assert copy.detailed == (first, last)
    assert np.array_equal(copy.units("conv1"), run.units("conv1"))
    assert copy.result == run.result
    whole, short = (found.patches("conv1", 0, last, 1000) for found in (run, copy))
    assert (len(whole), len(short)) == (MANY, 25)
    assert short.keys == whole.keys[:25]
    assert np.array_equal(short.activations, whole.activations[:25])
    assert np.array_equal(copy.sketch("conv1", last), run.sketch("conv1", last))


def test_a_plain_copy_is_the_recording(run: EvolutionRun, tmp_path: Path) -> None:
    folder = copy_recording(run, tmp_path / "copy")
    for path in run.folder.iterdir():
        if path.name != "checksums.json":
            assert (folder / path.name).read_bytes() == path.read_bytes()
    (folder / "epoch-007.npz").write_bytes(b"something else")
    with pytest.raises(NeuralDivergenceError, match="damaged"):
        load_run(folder)


def test_what_was_damaged_is_not_copied_as_if_it_were_whole(
    run: EvolutionRun, tmp_path: Path
) -> None:
    (run.folder / "detail-001.npz").write_bytes(b"something else")
    with pytest.raises(NeuralDivergenceError, match="damaged"):
        copy_recording(run, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_the_command(run: EvolutionRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evolve", str(run.folder)]
    copy = [*command, "--copy", str(tmp_path / "copy")]
    for wrong, said in (
        ([*copy, "--details", "1,x"], "numbers of epochs"),
        ([*copy, "--details", "3"], "epoch 3 has no details"),
        ([*copy, "--patches", "5"], "at least 20"),
        ([*command, "--patches", "50"], "--copy"),
    ):
        assert main(wrong) == 2
        assert said in capsys.readouterr().err
    assert main([*copy, "--details", "1", "--patches", "20"]) == 0
    assert load_run(tmp_path / "copy").detailed == (1, 45)
    assert main(copy) == 2
    assert "is there already" in capsys.readouterr().err
