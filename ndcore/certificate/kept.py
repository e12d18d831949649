"""Certificates on disk, one a line: work that was stopped goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import Certificate, Hole
from ndcore.data.pixels import image_key
from ndcore.errors import BadRequestError


class KeptCertificates:
    """A file of certificates under the images they are of.

    Args:
        path: of the file; need not exist.
        weight_hash: of the model; lines of other weights are passed over.

    Raises:
        BadRequestError: the file cannot be read.
    """

    def __init__(self, path: Path, weight_hash: str) -> None:
        self._path, self._weights = path, weight_hash
        try:
            lines = path.read_text().splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequestError(f"{path} is no file of certificates: {error}") from error
        self._known = dict(row for line in lines if (row := _parsed(line)) is not None)

    def get(self, image: NDArray[np.uint8]) -> Certificate | None:
        """The certificate of this image uint8 (H, W, C), if the file has it."""
        return self._known.get(image_key(self._weights, image))

    def add(self, image: NDArray[np.uint8], found: Certificate) -> None:
        """Write another one, at once.

        Raises:
            BadRequestError: the file cannot be written.
        """
        key = image_key(self._weights, image)
        self._known[key] = found
        holes = [[hole.row, hole.col, hole.label] for hole in found.holes]
        line = json.dumps([key, found.predicted, found.margin, holes])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a") as file:
                # On a line of its own, whatever a killed process left behind.
                file.write(f"\n{line}\n" if file.tell() else f"{line}\n")
        except OSError as error:
            raise BadRequestError(f"cannot write {self._path}: {error.strerror}") from error


def _parsed(line: str) -> tuple[str, Certificate] | None:
    """What a whole line says; None for any other."""
    try:
        key, predicted, margin, holes = json.loads(line)
        return str(key), Certificate(predicted, float(margin), tuple(Hole(*hole) for hole in holes))
    except (ValueError, TypeError):
        return None
