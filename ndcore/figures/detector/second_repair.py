"""A second repair in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def second_words(label: str, found: Mapping[str, Any]) -> str:
    """What repairing another pixel along with the suspect does.

    Args:
        label: predicted class, which the repair of the suspect alone leaves.
        found: as `ndcore.detectors.second_repair.SecondRepair.to_dict` gives it.
    """
    told = (
        f"With the pixel at row {found['row']}, column {found['col']} repaired as well, the "
        f"probability of {label} falls by {100 * found['probability_lost']:.1f} points in all and "
    )
    if found["repaired"] == label:
        return f"{told}it stays the prediction."
    return (
        f"{told}the image is taken for {found['repaired']}: two pixels carry the prediction, as "
        "where a second one was changed for a decoy."
    )
