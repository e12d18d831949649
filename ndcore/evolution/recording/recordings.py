"""Recorded runs on this machine: those trained here, and those that came with the project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ndcore.errors import RunError, UnreadableError
from ndcore.evolution.layers import WatchedLayer
from ndcore.evolution.recording.about import require_known
from ndcore.evolution.run import METRICS, EvolutionRun
from ndcore.evolution.store import (
    FOLDER,
    RECORD,
    RESULT,
    SCHEMA,
    epoch_file,
    epochs_in,
    read_arrays,
    read_document,
)
from ndcore.storage.places import RUNS, cache_dir
from ndcore.storage.schema import SHARE, SHARES, or_null, record, require, whole

SHIPPED = "shipped-runs"  # in the cache


def load_run(place: str | Path) -> EvolutionRun:
    """Open a recorded run.

    Args:
        place: folder of a run, of its recording, or the name of a model trained here.

    Raises:
        RunError: there is no recording, it has no epoch yet, or it is damaged.
    """
    folder = _find(place)
    about = read_document(folder / RECORD)
    if about.get("schema") != SCHEMA:
        raise RunError(f"the recording in {folder} was made by another version: record it anew")
    try:
        require_known(about)
    except UnreadableError as error:
        raise RunError(f"the recording in {folder} is damaged: {error}") from error
    layers = tuple(WatchedLayer.from_dict(row) for row in about["layers"])
    names = about["curves"]
    epochs = [epoch for epoch in epochs_in(folder, "epoch") if epoch]  # 0: see `EvolutionRun.start`
    if not epochs:
        raise RunError(f"the recording in {folder} has no epoch yet")
    units = sum(layer.units for layer in layers)
    shapes: dict[str, tuple[int | None, ...]] = dict.fromkeys(METRICS, (units,))
    shapes["curves"] = (len(names),)
    rows = [read_arrays(epoch_file(folder, "epoch", epoch), shapes) for epoch in epochs]
    curves = np.stack([row["curves"] for row in rows], axis=1)
    result = folder / RESULT
    return EvolutionRun(
        folder=folder,
        about=about,
        layers=layers,
        epochs=np.array(epochs, np.int64),
        curves=dict(zip(names, curves, strict=True)),
        result=_result(result) if os.path.lexists(result) else {},
        recorded={name: np.stack([row[name] for row in rows], axis=1) for name in METRICS},
    )


def _result(path: Path) -> dict[str, Any]:
    found = read_document(path)
    try:
        require(_RESULT, found, RESULT)
    except UnreadableError as error:
        raise RunError(f"the recording is damaged: {error}") from error
    return found


_ACCURACY = record({"n": whole(), "accuracy": or_null(SHARE)}, {"ci95": or_null(SHARES)})
_RESULT = record(
    {},
    {"test_accuracy": or_null(SHARE), **dict.fromkeys(("test", "evaluation"), or_null(_ACCURACY))},
)


def run_folders() -> dict[str, Path]:
    """Recorded runs by name, in alphabetical order.

    They are those trained here and those that came with the project; of two with one name, the
    latter is called `NAME (shipped)`.
    """
    own, came = (_recordings(cache_dir() / place) for place in (RUNS, SHIPPED))
    named = {f"{name} (shipped)" if name in own else name: path for name, path in came.items()}
    return dict(sorted((own | named).items()))


def list_runs() -> list[str]:
    """Names of `run_folders`."""
    return list(run_folders())


def _recordings(folder: Path) -> dict[str, Path]:
    try:
        found = [path for path in folder.glob(f"*/{FOLDER}/{RECORD}") if path.is_file()]
    except OSError:  # no folder that may be read
        return {}
    return {path.parent.parent.name: path.parent.parent for path in found}


def _find(place: str | Path) -> Path:
    named = run_folders()
    for folder in (Path(place), named.get(str(place))):
        for inner in (folder / FOLDER, folder) if folder else ():
            if (inner / RECORD).is_file():
                return inner
    known = ", ".join(named)
    raise RunError(
        f"there is no recorded run '{place}': "
        + (f"choose {known}" if known else "make one with train MODEL --record")
    )
