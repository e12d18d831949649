"""A case file: verdicts with their images, evidence and provenance, as JSON or one HTML file.

The document holds everything, the images as PNG without loss among it; the HTML is drawn from the
document alone.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ndcore
from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate
from ndcore.data.decode import encode_png
from ndcore.data.pixels import PixelChange, changes_between
from ndcore.detectors.repair import Repairs
from ndcore.detectors.verdict import Verdict

SCHEMA_VERSION = 1
TOP = 5
LISTED = 20  # changed pixels that are listed; an attack may change all of them
BATCH = 64


@dataclass(frozen=True)
class Case:
    """One judged image.

    Attributes:
        name: file name, id or role; anything.
        pixels: uint8 (H, W, C).
        verdict: on it.
        changes: pixels known to have been changed.
        repairs: of this one image, where they were made.
        by_repair: the verdict of `repair-turn` on them.
        by_layers: name and verdict of a detector of layers, where `verdict` has none.
        certificate: what is proven of the image, where that was asked.
    """

    name: str
    pixels: NDArray[np.uint8]
    verdict: Verdict
    changes: Sequence[PixelChange] = ()
    repairs: Repairs | None = None
    by_repair: Verdict | None = None
    by_layers: tuple[str, Verdict] | None = None
    certificate: Certificate | None = None


def image_files(names: Sequence[str]) -> list[str]:
    """A plain, unique PNG file name for each image, in the order of the case file."""
    found: list[str] = []
    for name in names:
        letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(name).stem)
        stem = letters.strip("-")[:60] or "image"
        number = 1
        while (file := f"{stem}{f'-{number}' if number > 1 else ''}.png") in found:
            number += 1
        found.append(file)
    return found


def case_document(
    bundle: Bundle,
    detector: str,
    cases: Sequence[Case],
    *,
    command: str,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Everything a case file says, ready for JSON.

    Args:
        bundle: whose model and detector judged.
        detector: name.
        cases: at least one. Of exactly two the difference is shown.
        command: line that reproduces the verdicts.
        now: time of the file; default: the present.
    """
    files = image_files([case.name for case in cases])
    rows = []
    for start in range(0, len(cases), BATCH):
        part = cases[start : start + BATCH]
        probabilities = bundle.read(np.stack([case.pixels for case in part])).probabilities
        rows += [
            _image(bundle, case, files[start + i], probabilities[i]) for i, case in enumerate(part)
        ]
    return {
        "kind": "case file",
        "schema_version": SCHEMA_VERSION,
        "provenance": {
            "bundle": bundle.name,
            "weight_hash": bundle.weight_hash,
            "model": _plain(str(bundle.manifest["model"])),
            "detector": detector,
            "seed": bundle.manifest.get("seed"),
            "versions": {
                "ndcore": ndcore.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "created": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
            "command": _plain(command),
        },
        "alpha": cases[0].verdict.alpha,
        "images": rows,
        "difference": _difference(cases) if len(cases) == 2 else None,
    }


def _image(
    bundle: Bundle, case: Case, file: str, probabilities: NDArray[np.floating]
) -> dict[str, Any]:
    top = np.argsort(-probabilities, kind="stable")[:TOP].tolist()
    changed = [change.to_dict() for change in case.changes[:LISTED]]
    return {
        "name": _plain(case.name),
        "file": file,
        "shape": list(case.pixels.shape),
        "sha256": hashlib.sha256(np.ascontiguousarray(case.pixels).tobytes()).hexdigest(),
        "png": _png(case.pixels),
        "changed_pixels": len(case.changes),
        "changes": changed,
        "verdict": case.verdict.to_dict(bundle.classes),
        "probabilities": [
            {"class": bundle.classes[label], "probability": float(probabilities[label])}
            for label in top
        ],
        "by_layers": _by_layers(bundle, case),
        "certificate": case.certificate and case.certificate.to_dict(bundle.classes),
        "repair": None if case.repairs is None else _repair(bundle, case.repairs, case.by_repair),
    }


def _by_layers(bundle: Bundle, case: Case) -> dict[str, Any] | None:
    if case.by_layers is None:
        return None
    name, verdict = case.by_layers
    return {"detector": name} | verdict.to_dict(bundle.classes)


def _repair(bundle: Bundle, repairs: Repairs, judged: Verdict | None) -> dict[str, Any]:
    row, col = repairs.suspect[0].tolist()
    lost = repairs.lost[0]
    return {
        "row": row,
        "col": col,
        "repaired_label": bundle.classes[int(repairs.repaired[0])],
        "probability_lost": float(lost[row, col]),
        "flipping_pixels": int((repairs.label[0] != repairs.predicted[0]).sum()),
        "lost": np.round(lost, 5).tolist(),
        "verdict": None if judged is None else judged.to_dict(bundle.classes),
    }


def _difference(cases: Sequence[Case]) -> dict[str, Any]:
    before, after = (case.pixels for case in cases)
    changes = changes_between(before, after)
    return {
        "of": [_plain(case.name) for case in cases],
        "changed_pixels": len(changes),
        "largest_change": int(np.abs(after.astype(np.int16) - before).max()),
        "changes": [change.to_dict() for change in changes[:LISTED]],
    }


def _png(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(encode_png(pixels)).decode()


def _plain(text: str) -> str:
    """Text that any encoding can write: file names may hold bytes that are no text."""
    return text.encode(sys.getdefaultencoding(), "backslashreplace").decode()
