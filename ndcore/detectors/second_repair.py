"""A second pixel repaired, where the repair of the suspect alone leaves the label.

Of two changed pixels either of which flips the label alone, repairing one leaves the other at work.
With the suspect repaired every other pixel is repaired once more, and the one that then costs the
prediction most is taken. A search along one path: where it finds nothing, nothing is proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.neighbours import filled
from ndcore.detectors.repair import Repairs, repair
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.log_odds import log_odds


@dataclass(frozen=True)
class SecondRepair:
    """What happened when a second pixel was repaired along with the suspect.

    Attributes:
        row, col: the second pixel.
        label: class position after both repairs, neither of which looks at the other's pixel.
        lost: probability of the predicted class that both take away.
    """

    row: int
    col: int
    label: int
    lost: float

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON."""
        return {
            "row": self.row,
            "col": self.col,
            "repaired": classes[self.label],
            "probability_lost": self.lost,
        }


def second_repair(
    evaluator: Evaluator, image: NDArray[np.uint8], repairs: Repairs
) -> SecondRepair | None:
    """Repair every pixel again, the suspect being repaired.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
        repairs: of this one image.

    Returns:
        None where the first repair gives another label, so that no second is needed, or where no
        second one costs anything.
    """
    label = int(repairs.predicted[0])
    if int(repairs.repaired[0]) != label:
        return None
    mask = np.zeros((1, *image.shape[:2]), bool)
    mask[(0, *repairs.suspect[0])] = True
    again = repair(evaluator, filled(image, mask))
    row, col = again.suspect[0].tolist()
    if not again.drop[0, row, col] > 0:
        return None
    mask[0, row, col] = True
    answer = evaluator.plain(filled(image, mask))
    left = 1 / (1 + np.exp(-log_odds(answer, label)[0].astype(float)))
    lost = float(repairs.confidence[0] - left)
    return SecondRepair(row, col, int(answer[0].argmax()), lost)
