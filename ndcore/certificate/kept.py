"""Certificates for one pixel and for two on disk, one a line: stopped work goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import Certificate, Hole
from ndcore.certificate.two_pixels import PairCertificate
from ndcore.data.pixels import image_key
from ndcore.errors import BadRequestError

FILL = "rings of medians"  # what certificates for two pixels rest on, see `neighbours.filled`


class KeptCertificates:
    """A file of certificates under the images they are of.

    Args:
        path: of the file; need not exist. None keeps them in memory alone.
        weight_hash: of the model; lines of other weights are passed over.

    Raises:
        BadRequestError: the file cannot be read.
    """

    def __init__(self, path: Path | None, weight_hash: str) -> None:
        self._path, self._weights = path, weight_hash
        try:
            lines = path.read_text().splitlines() if path and path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequestError(f"{path} is no file of certificates: {error}") from error
        rows = [row for line in lines if (row := _parsed(line)) is not None]
        self._known = {key: one for key, one in rows if isinstance(one, Certificate)}
        self._pairs = {
            (key, two.block): two for key, two in rows if not isinstance(two, Certificate)
        }

    def get(self, image: NDArray[np.uint8]) -> Certificate | None:
        """The certificate of this image uint8 (H, W, C), if the file has it."""
        return self._known.get(image_key(self._weights, image))

    def get_two(self, image: NDArray[np.uint8], block: int) -> PairCertificate | None:
        """The certificate for two pixels by such blocks, if the file has it."""
        return self._pairs.get((image_key(self._weights, image), block))

    def add(self, image: NDArray[np.uint8], found: Certificate) -> None:
        """Write another one, at once.

        Raises:
            BadRequestError: the file cannot be written.
        """
        key = image_key(self._weights, image)
        self._known[key] = found
        holes = [[hole.row, hole.col, hole.label] for hole in found.holes]
        self._write([key, found.predicted, found.margin, holes])

    def add_two(self, image: NDArray[np.uint8], found: PairCertificate) -> None:
        """The same of a certificate for two pixels."""
        key = image_key(self._weights, image)
        self._pairs[key, found.block] = found
        self._write([key, FILL, found.to_dict()])

    def _write(self, row: list[Any]) -> None:
        if self._path is None:
            return
        line = json.dumps(row)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a") as file:
                # On a line of its own, whatever a killed process left behind.
                file.write(f"\n{line}\n" if file.tell() else f"{line}\n")
        except OSError as error:
            raise BadRequestError(f"cannot write {self._path}: {error.strerror}") from error


def _parsed(line: str) -> tuple[str, Certificate | PairCertificate] | None:
    """What a whole line says; None for any other, and for pairs that were filled in another way."""
    try:
        key, *row = json.loads(line)
        if len(row) == 2:
            fill, two = row
            hole = two["hole"] and tuple((int(row), int(col)) for row, col in two["hole"])
            return (str(key), PairCertificate(**two | {"hole": hole})) if fill == FILL else None
        predicted, margin, holes = row
        return str(key), Certificate(predicted, float(margin), tuple(Hole(*hole) for hole in holes))
    except (ValueError, TypeError, KeyError):
        return None
