"""The recording of a run on disk.

`<run>/evolution/` holds `record.json` (what is recorded and how), `pool.npz` (keys and labels of
the images that top patches were looked for in), `epoch-001.npz`, ... (metrics and curves),
`epoch-000.npz` (metrics of the untrained network; older recordings lack it),
`detail-001.npz`, ... (class samples and top patches of the chosen epochs) and, in the end,
`averages-045.npz` (the average of each unit's top patches at the last epoch) and `result.json`;
`facets-32-045.npz` (what the facets of layer 32 show) where `evolve --facets` was asked for it.
There is no image in it. Every file is written whole or not at all, and an epoch
has one name, so that an epoch that is repeated after a kill takes its own place.
`<run>/snapshots/` beside it holds the weights of the chosen epochs, for further measurements; it
may be deleted.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import RunError
from ndcore.storage.atomic import write_bytes

SCHEMA = 1
FOLDER = "evolution"
SNAPSHOTS = "snapshots"
RECORD = "record.json"
RESULT = "result.json"

Arrays = dict[str, NDArray[Any]]


def epoch_file(folder: Path, what: str, epoch: int) -> Path:
    """The file of an epoch; `what` is `epoch` or `detail`."""
    return folder / f"{what}-{epoch:03d}.npz"


def snapshot_file(folder: Path, epoch: int) -> Path:
    """The weights of an epoch, beside the recording in `folder`; float16 safetensors."""
    return folder.parent / SNAPSHOTS / f"epoch-{epoch:03d}.safetensors"


def epochs_in(folder: Path, what: str) -> list[int]:
    """Epochs that have a file, in order."""
    names = (re.fullmatch(rf"{what}-(\d+)\.npz", path.name) for path in folder.iterdir())
    return sorted(int(name[1]) for name in names if name)


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write compressed arrays, atomically."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    write_bytes(path, out.getvalue())


def read_arrays(path: Path, shapes: dict[str, tuple[int | None, ...]]) -> Arrays:
    """Read the arrays named in `shapes`, whose None stands for any length.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        # Opened here, as numpy leaves what is no archive open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in shapes}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"the recording is damaged: {path} cannot be read") from error
    for name, shape in shapes.items():
        found = arrays[name].shape
        fits = len(found) == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, found, strict=True)
        )
        if not fits:
            raise RunError(f"the recording is damaged: {path} does not fit its {RECORD}")
    return arrays


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"the recording is damaged: {path} cannot be read") from error
    if not isinstance(document, dict):
        raise RunError(f"the recording is damaged: {path} cannot be read")
    return document
