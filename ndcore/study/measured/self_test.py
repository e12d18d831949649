"""Is the attacker strong enough? Images on which a stealthy flip is known to exist, by search.

A defence is weakened, image by image, until an exhaustive search of every pixel and corner colour
knows flips that pass it: the tenth of all flips whose own repair turns the prediction least, or
the least of them alone. Then the attacker of the study, with his own budget, is asked to pass.

Reference:
    Zimmermann, Brendel, Tramer & Carlini 2022, "Increasing confidence in adversarial robustness
    evaluations": an attack that misses what is known to exist is too weak to judge a defence by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.adaptive import Flips
from ndcore.attacks.engines.exhaustive import exhaustive
from ndcore.attacks.engines.grid import Grid
from ndcore.statistics.roc import rate
from ndcore.storage.stamped import StampedRows
from ndcore.study.measured.adversaries import Defence
from ndcore.study.measured.image_sets import ImageSet

TENTH = 0.1
SLACK = 0.05  # of log-odds: what the screen may blur


@dataclass(frozen=True)
class SelfTest(StampedRows):
    """N images with flips.

    Attributes:
        flips: int64 (N,), how many the exhaustive search knows.
        least, tenth: float64 (N,), what the own repair turns at the least, and at the tenth.
        found: float64 (N,), what it turns at the least among the flips of the attacker; inf where
            it has none.
    """

    flips: NDArray[np.int64]
    least: NDArray[np.float64]
    tenth: NDArray[np.float64]
    found: NDArray[np.float64]

    @property
    def passed_tenth(self) -> NDArray[np.bool_]:
        """Where the attacker passes what a tenth of all flips pass, (N,)."""
        return np.asarray(self.found <= self.tenth + SLACK)

    @property
    def passed_least(self) -> NDArray[np.bool_]:
        """Where it passes what a single flip of all passes, (N,)."""
        return np.asarray(self.found <= self.least + SLACK)

    def to_dict(self) -> dict[str, Any]:
        """As in the document of a study."""
        return {
            "n": len(self.flips),
            "flips_mean": float(self.flips.mean()),
            "passes_what_a_tenth_passes": rate(self.passed_tenth),
            "passes_what_one_passes": rate(self.passed_least),
        }


def self_test(defence: Defence, images: ImageSet) -> SelfTest | None:
    """Plant defences that can be passed on images that the plain attack broke; None without any.

    Args:
        defence: whose attackers are tested.
        images: before they were attacked, correctly classified.
    """
    rows = []
    for image, label, key in zip(images.pixels, images.labels, images.ids, strict=True):
        queries = Grid().count(image.shape)
        known = defence.search(image, int(label), key, exhaustive, queries)
        if not len(known):
            continue
        searches = ("fast", "inconspicuous")
        made = [defence.flips(image, int(label), key, search) for search in searches]
        turns = _turns(defence, image, key, known)
        least = min(_turns(defence, image, key, each).min(initial=np.inf) for each in made)
        rows.append((len(known), float(turns.min()), float(np.quantile(turns, TENTH)), least))
    if not rows:
        return None
    flips, least, tenth, found = zip(*rows, strict=True)
    return SelfTest(np.array(flips), np.array(least), np.array(tenth), np.array(found))


def _turns(
    defence: Defence, image: NDArray[np.uint8], key: str, flips: Flips
) -> NDArray[np.float64]:
    """What the repair of the changed pixel turns, for every flip."""
    if not len(flips):
        return np.zeros(0)
    return defence.table(image, key).own_turn(flips.positions, flips.logits)
