"""How many images are certified, of which kinds, and whether an attack ever broke the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import Certificate
from ndcore.certificate.recovery import Recovery
from ndcore.certificate.two_pixels import PairCertificate
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


def two_pixel_shares(
    found: Sequence[PairCertificate],
    predicted: Sequence[int | None],
    labels: Sequence[int] | NDArray[np.integer],
    recovered: Sequence[Recovery],
    attacked: Mapping[int, Recovery],
) -> dict[str, Any]:
    """The same for changes of two pixels, and for the label that comes back after one.

    Args:
        found: certificates of N images by the same blocks.
        predicted: (N,) classes, None where there is none.
        labels: (N,) true classes, or `UNKNOWN`.
        recovered: the label that double masking gives each image as it is.
        attacked: position of an image -> the same after a known change of one pixel.

    Returns:
        `block`, `n`, `certified`, `pairs_asked`; under `correct` the share that is certified and
        its complement, the false alarms of the rule for pairs, under `wrong` these alarms;
        `accuracy` before and `recovered_accuracy` after double masking; and under `attacks` the
        share whose label is recovered, `on_certified` and `violations`: how many of those on
        certified images are not recovered, of which the proof says that there are none.
    """
    true = np.asarray(labels, np.int64)
    taken = np.array([UNKNOWN if one is None else one for one in predicted], np.int64)
    back = np.array([UNKNOWN if one.label is None else one.label for one in recovered], np.int64)
    certified = np.array([one.certified for one in found], bool)
    known = true != UNKNOWN
    right = known & (taken == true)
    again = {at: after.label == predicted[at] for at, after in attacked.items()}
    proven = [at for at in attacked if certified[at]]
    return {
        "block": found[0].block if found else 0,
        "n": len(found),
        "certified": int(certified.sum()),
        "pairs_asked": sum(one.asked for one in found),
        "correct": {"certified": _of(certified, right), "alarms": _of(~certified, right)},
        "wrong": {"alarms": _of(~certified, known & ~right)},
        "accuracy": _of(right, known),
        "recovered_accuracy": _of(back == true, known),
        "attacks": Rate(sum(again.values()), len(again)).to_dict()
        | {"on_certified": len(proven), "violations": sum(not again[at] for at in proven)},
    }


def _of(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
    return Rate(int((hits & among).sum()), int(among.sum())).to_dict()
