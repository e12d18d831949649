"""How image files are taken in: what people choose once, a bundle keeps and everything follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Intake:
    """Choices about image files, beside the shape that they are brought to.

    Attributes:
        crop: None squeezes an image into the shape; a share in (0, 1] keeps its middle instead:
            0.875 is 224 of 256 pixels, 1 as much as the shape's proportions allow.
        parts: whether folders named as parts of a data set (`train`, `val`, `test`) are such, or
            classes; None goes by what lies in them.
        without: ids of files that are left out, as they could not be read.
    """

    crop: float | None = None
    parts: bool | None = None
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Intake:
        """Of what `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        crop, parts, without = (stored.get(name) for name in ("crop", "parts", "without"))
        if crop is not None and not 0 < float(crop) <= 1:
            raise ValueError(f"a share of {crop} cannot be kept")
        return cls(crop, parts, tuple(map(str, without or ())))

    def to_dict(self) -> dict[str, Any]:
        """What was chosen, for a manifest."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


USUAL = Intake()
