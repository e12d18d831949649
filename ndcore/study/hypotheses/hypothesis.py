"""A hypothesis about detection, chosen on dev images and tested once on evaluation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.scoring.aggregate import Tail
from ndcore.errors import BadRequestError
from ndcore.statistics.conformal import ClassCalibration, rank
from ndcore.statistics.roc import auroc, pooled_band, rate
from ndcore.study.desk import Desk
from ndcore.study.report import ALPHAS, attack_figures

OVER = {
    "mean": "the mean over measures and layers",
    "largest": "the most alarming measure and layer",
}
FOR_THRESHOLDS = ("tpr_at_fpr", "tpr_ci95", "per_class")


@dataclass(frozen=True)
class Hypothesis:
    """Which scores are said to tell attacked images; see `hypothesis` for what is checked.

    Attributes:
        measures: keys of `layer_measures()`; the name says how units are aggregated.
        layers: of the model.
        attack: kind of attack.
        over: a key of `OVER`, how parts are joined after each was ranked among benign dev images.
    """

    measures: tuple[str, ...]
    layers: tuple[str, ...]
    attack: str
    over: str = "mean"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def hypothesis(
    desk: Desk,
    measures: Sequence[str],
    layers: Sequence[str] | None,
    attack: str,
    over: str = "mean",
) -> Hypothesis:
    """The hypothesis in its one form: equal ones are equal however they were asked for.

    Names come in the desk's order; layers that no chosen measure is defined on are dropped.

    Args:
        desk: with the scores.
        measures: at least one.
        layers: at least one; None for all.
        attack: one of `desk.attacks`.
        over: a key of `OVER`.

    Raises:
        BadRequestError: nothing is chosen, a name is unknown, or a measure has none of the layers.
    """
    _known("measure", measures, list(desk.measures))
    wanted = list(desk.layers if layers is None else layers)
    _known("layer", wanted, list(desk.layers))
    _known("attack", [attack], desk.attacks)
    _known("way to join", [over], list(OVER))
    for measure in measures:
        if not set(wanted) & set(desk.measures[measure]):
            raise BadRequestError(f"measure '{measure}' is not defined on the chosen layers")
    defined = {layer for measure in measures for layer in desk.measures[measure]}
    found = Hypothesis(
        measures=tuple(name for name in desk.measures if name in measures),
        layers=tuple(name for name in desk.layers if name in wanted and name in defined),
        attack=attack,
        over=over,
    )
    if len(_columns(desk, found)) == 1:  # nothing to join
        return Hypothesis(found.measures, found.layers, attack)
    return found


def _known(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    if not names:
        raise BadRequestError(f"choose at least one {kind}: {', '.join(known)}")
    for name in names:
        if name not in known:
            raise BadRequestError(f"unknown {kind} '{name}': choose {', '.join(known) or 'none'}")


def _columns(desk: Desk, about: Hypothesis) -> list[int]:
    return [
        at
        for at, (measure, layer) in enumerate(desk.parts)
        if measure in about.measures and layer in about.layers
    ]


def _scores(desk: Desk, about: Hypothesis, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Scores (N,) of the images of some sets, every part on the scale of its benign dev tail."""
    columns = _columns(desk, about)
    tails = [Tail(desk.sets["dev"].scores[:, at]) for at in columns]
    found = {}
    for name in names:
        scores = desk.sets[name].scores
        parts = np.stack([tail(scores[:, at]) for tail, at in zip(tails, columns, strict=True)], 1)
        found[name] = parts.mean(1) if about.over == "mean" else parts.max(1)
    return found


def dev_figures(desk: Desk, about: Hypothesis) -> dict[str, Any]:
    """How well it tells attacks on dev images; to be looked at as often as one likes.

    The dev images also give the scale, and the hypothesis was chosen on them: the figures are too
    good. `confidence_alone` is the AUROC of 1 less the probability of the predicted class.
    """
    attack = f"dev-{about.attack}"
    scores = _scores(desk, about, ("dev", attack))
    benign, attacked = (desk.sets[name].scored(name, scores[name]) for name in ("dev", attack))
    found = attack_figures(benign, attacked, desk.classes)
    for name in FOR_THRESHOLDS:  # those come from calibration images, which take no part here
        del found[name]
    return found | {
        "benign": len(desk.sets["dev"]),
        "confidence_alone": auroc(-benign.confidence, -attacked.confidence),
    }


def evaluation_figures(desk: Desk, about: Hypothesis) -> dict[str, Any]:
    """How well it tells attacks on evaluation images, with thresholds from calibration images.

    To be called once a hypothesis, by `ndcore.study.hypotheses.frozen_list`.

    Returns:
        As `dev_figures`, and detection and false alarms at each alpha; `too_few` names the
        predicted classes without a threshold at that alpha.
    """
    names = ("calibration", "evaluation", about.attack)
    scores = _scores(desk, about, names)
    predicted = {name: desk.sets[name].predicted for name in names}
    count = len(desk.classes)
    known = ClassCalibration(scores["calibration"], predicted["calibration"])
    p = {
        name: known.p_values(scores[name], predicted[name]) for name in ("evaluation", about.attack)
    }
    benign, attacked = (
        desk.sets[name].scored(name, scores[name], p[name]) for name in ("evaluation", about.attack)
    )
    numbers = [len(known.benign(c)) for c in range(count)]
    seen = np.bincount(benign.predicted, minlength=count).tolist()
    alarms, too_few = {}, {}
    for alpha in ALPHAS:
        low, high = pooled_band(numbers, seen, alpha)
        alarms[str(alpha)] = rate(benign.p <= alpha) | {"band": [low, high]}
        too_few[str(alpha)] = [
            name for name, n in zip(desk.classes, numbers, strict=True) if rank(n, alpha) < 1
        ]
    return attack_figures(benign, attacked, desk.classes) | {
        "benign": len(desk.sets["evaluation"]),
        "calibration": sum(numbers),
        "confidence_alone": auroc(-benign.confidence, -attacked.confidence),
        "false_alarms": alarms,
        "too_few": too_few,
    }
