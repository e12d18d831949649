"""Every file of a bundle and of a recording, harmed in every way: one sentence, and no more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ndcore.bundles.bundle import list_bundles, load_bundle
from ndcore.bundles.manifest import FILES, MANIFEST
from ndcore.errors import NeuralDivergenceError
from ndcore.evolution import list_runs, load_run
from ndcore.evolution.store import SUMS, seal
from tests.faults.ways import WAYS
from tests.hostile.short import some
from tests.planted_runs import plant

pytestmark = pytest.mark.faults

EPOCHS = 4
RUN_FILES = (
    "record.json",
    "result.json",
    "pool.npz",
    SUMS,
    *(f"epoch-00{epoch}.npz" for epoch in range(EPOCHS + 1)),
    f"detail-00{EPOCHS}.npz",
)
# What may be absent: an epoch is then missing in the curves, the rest was never made.
OPTIONAL = ("result.json", SUMS, *(f"epoch-00{epoch}.npz" for epoch in range(EPOCHS + 1)))
MOST_SECONDS = 5


def harmed(folder: Path, file: str, touch: Callable[[], object]) -> list[tuple[str, str]]:
    """What went unnoticed, or was told in a way that nobody can read, as (way, what was told)."""
    wrong = []
    whole = (folder / file).read_bytes()
    for way, harm in some(WAYS.items(), every=4):
        harm(folder / file)
        began = time.monotonic()
        try:
            touch()
            told = "nothing"
        except NeuralDivergenceError as refused:
            told = str(refused)
        if told == "nothing" or "\n" in told or time.monotonic() - began > MOST_SECONDS:
            wrong.append((way, told))
        path = folder / file
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(whole)
    touch()
    return wrong


def test_there_are_many() -> None:
    assert len(WAYS) * (len(FILES) + 1 + len(RUN_FILES)) >= 400


@pytest.mark.parametrize("file", [MANIFEST, *FILES])
def test_a_harmed_bundle(
    file: str, digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("digits-cnn", "other"):
        shutil.copytree(digits_cache / "bundles" / "digits-cnn", tmp_path / "bundles" / name)
    monkeypatch.setenv("ND_CACHE", str(tmp_path))

    def touch() -> None:
        assert "other" in [info.name for info in list_bundles() if info.ready]
        bundle = load_bundle("digits-cnn")
        for layer in bundle.layers:
            for reduction in bundle.reductions(layer):
                bundle.distributions(layer, reduction)
        assert bundle.calibrations

    wrong = harmed(tmp_path / "bundles" / "digits-cnn", file, touch)
    if file == MANIFEST:  # a bit of what is only told, such as how long the training took
        wrong = [row for row in wrong if not row[0].startswith("a bit") or row[1] != "nothing"]
    assert not wrong


@pytest.mark.parametrize("file", RUN_FILES)
def test_a_harmed_recording(file: str, empty_cache: Path) -> None:
    run = plant(
        empty_cache / "runs" / "own",
        "shallow",
        recorded=EPOCHS,
        planned=EPOCHS,
        between=(0.1, 0.5),
    )
    plant(empty_cache / "runs" / "other", "shallow", recorded=1)
    folder = run / "evolution"
    seal(folder)

    def touch() -> None:
        assert "other" in list_runs()
        found = load_run(run)
        found.macro()
        found.warnings()
        _ = found.start, found.vulnerability
        found.between()
        for layer in found.layers:
            found.sketch(layer.name, EPOCHS)
            found.patches(layer.name, 0, EPOCHS)

    wrong = harmed(folder, file, touch)
    if file in OPTIONAL:
        wrong = [row for row in wrong if row != ("gone", "nothing")]
    if file == SUMS:  # a name less in it is a file that nothing is said of
        wrong = [row for row in wrong if row[1] != "nothing"]
    assert not wrong
