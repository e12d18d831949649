"""How many images are certified, of which kinds, and whether an attack ever broke the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import Certificate
from ndcore.data.batch import UNKNOWN
from ndcore.statistics.intervals import Rate


def certified_shares(
    found: Sequence[Certificate],
    labels: Sequence[int] | NDArray[np.integer],
    attacked: Mapping[int, bool] | None = None,
) -> dict[str, Any]:
    """Counts and shares, each share with its n and 95% interval; None where n is 0.

    Args:
        found: certificates of N images.
        labels: (N,) true classes, or `UNKNOWN`.
        attacked: position of an image -> whether the rule raises its alarm on the same image after
            a known change of one pixel that flips its label.

    Returns:
        `n, certified` (how many), `certified_share, certified_ci95`, `alarms, undefined` (how many
        have no label of their own), `holes` (how many pairs of pixel and class); of the images
        whose true class is known `certified_accuracy` and its interval (right and certified),
        `accuracy`, and under `correct`, `wrong` and `breakable` the share that is certified, or
        raises the alarm. `breakable` are the images in `attacked`, and `attacks` counts these
        attacks: how many raise the alarm, how many are on certified images, and how many of those
        raise none (`violations`), of which the proof says that there are none.
    """
    attacked = attacked or {}
    true = np.asarray(labels, np.int64)
    predicted = np.array([UNKNOWN if c.predicted is None else c.predicted for c in found], np.int64)
    certified = np.array([c.certified for c in found], bool)
    known = true != UNKNOWN
    right = known & (predicted == true)
    breakable = np.isin(np.arange(len(found)), list(attacked))
    share = Rate(int(certified.sum()), len(found)).to_dict()
    sound = _of(right & certified, known)
    caught = [at for at, alarm in attacked.items() if alarm]
    return {
        "n": len(found),
        "certified": int(certified.sum()),
        "certified_share": share["rate"],
        "certified_ci95": share["ci95"],
        "alarms": int((~certified).sum()),
        "undefined": sum(c.predicted is None for c in found),
        "holes": sum(len(c.holes) for c in found),
        "accuracy": _of(right, known)["rate"],
        "certified_accuracy": sound["rate"],
        "certified_accuracy_ci95": sound["ci95"],
        "certified_accuracy_n": sound["n"],
        "correct": {"certified": _of(certified, right), "alarms": _of(~certified, right)},
        "wrong": {"alarms": _of(~certified, known & ~right)},
        "breakable": {"certified": _of(certified, breakable)},
        "attacks": {
            "n": len(attacked),
            "caught": len(caught),
            "on_certified": sum(bool(certified[at]) for at in attacked),
            "violations": sum(bool(certified[at]) and at not in caught for at in attacked),
        },
    }


def _of(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
    return Rate(int((hits & among).sum()), int(among.sum())).to_dict()
