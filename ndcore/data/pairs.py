"""The benign/attacked pair that travels between pages, and its name in a link."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from ndcore.data.catalog import Find, find_image
from ndcore.data.pixels import PixelChange, apply_changes, changes_between
from ndcore.errors import BadRequestError, DataError

CHANGE = re.compile(r"(\d{1,5})\.(\d{1,5})\.((?:[0-9a-f]{2}){1,3})")
MOST_LINKED = 5  # an attack that changes every pixel would make a link of many kilobytes


@dataclass(frozen=True)
class Pair:
    """An image, and what an attack made of it.

    Attributes:
        image_id: where the image can be looked up; "" for an upload.
        benign: uint8 (H, W, C).
        attacked: uint8 (H, W, C), or None for an image that was not attacked.
        label: true class position, or None when unknown.
    """

    image_id: str
    benign: NDArray[np.uint8]
    attacked: NDArray[np.uint8] | None = None
    label: int | None = None

    @property
    def images(self) -> list[NDArray[np.uint8]]:
        """The benign image and, where there is one, the attacked one."""
        return [self.benign] if self.attacked is None else [self.benign, self.attacked]

    @cached_property
    def changes(self) -> tuple[PixelChange, ...]:
        """The pixels that differ; empty without an attacked image."""
        return () if self.attacked is None else changes_between(self.benign, self.attacked)

    def token(self) -> str:
        """`samples:3~12.7.ff00aa`: id, then row, column, colour of each change.

        "" for what no link can hold: an upload, or more than `MOST_LINKED` changed pixels.
        """
        changes = self.changes
        if not self.image_id or len(changes) > MOST_LINKED:
            return ""
        name = quote(self.image_id, safe="/:").replace("~", "%7E")
        parts = (f"{change.row}.{change.col}.{bytes(change.after).hex()}" for change in changes)
        return "~".join([name, *parts])

    @classmethod
    def from_token(cls, token: str, shape: Sequence[int], find: Find = find_image) -> Pair:
        """Look the image up by `find` and make the changes again.

        Raises:
            BadRequestError: the link is malformed or does not fit the image.
            DataError: the image is not on this machine.
        """
        image_id, *parts = token.split("~")
        if not re.fullmatch(r"[\w:/.%-]{1,600}", image_id):
            raise BadRequestError("the link names no image")
        image_id = unquote(image_id)
        if ".." in image_id.split("/"):
            raise BadRequestError("the link names no image")
        if len(parts) > MOST_LINKED:
            raise BadRequestError(f"a link holds at most {MOST_LINKED} changed pixels")
        changes = []
        for part in parts:
            match = CHANGE.fullmatch(part)
            if match is None:
                raise BadRequestError(f"the link has a damaged pixel: '{part[:40]}'")
            colour = tuple(bytes.fromhex(match[3]))
            changes.append(PixelChange(int(match[1]), int(match[2]), (), colour))
        benign, label = find(image_id)
        if benign.shape != tuple(shape):
            raise DataError(f"image '{image_id}' is {benign.shape}, the model takes {tuple(shape)}")
        attacked = apply_changes(benign, changes) if changes else None
        return cls(image_id, benign, attacked, label if label >= 0 else None)
