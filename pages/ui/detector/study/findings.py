"""What a finished study says, in sentences: what held, and as plainly what did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ndcore.detectors.registry import title_of
from ndcore.detectors.scoring.scores import LATE
from ndcore.legible.plurals import counted
from pages.ui.detector.study.rows import MAIN_ALPHA, frozen_row
from pages.ui.frame.words import capital

GOALS = {"auroc": 0.99, "caught": 0.97, "matched": 0.98}
CHANCE = 0.6  # an AUROC whose interval reaches below this tells nothing worth having


def headline(document: dict[str, Any]) -> str:
    """The first sentences: what was frozen, what it reached, and what beats it where."""
    attack = next(row for row in document["attacks"] if row["n"])
    ours = frozen_row(document)
    baselines = [row for row in document["detectors"] if row["kind"] == "baseline"]
    best = max(baselines, key=lambda row: row["attacks"][attack["name"]]["auroc"], default=None)
    told = []
    if ours is not None:
        found = ours["attacks"][attack["name"]]
        told.append(
            f"**{capital(title_of(ours['name']))}**, fixed before these images were looked at, "
            f"catches **{100 * found['tpr_at_fpr'][MAIN_ALPHA]:.1f}%** of {attack['n']:,} "
            f"{attack['name']} attacks while it flags "
            f"{100 * ours['realised_fpr'][MAIN_ALPHA]:.1f}% of benign images "
            f"(AUROC {_interval(found)})"
        )
    if best is not None:
        found = best["attacks"][attack["name"]]
        ahead = ours is not None and found["auroc"] >= ours["attacks"][attack["name"]]["auroc"]
        word = "is beaten by" if ahead else "is ahead of"
        words = f"the best baseline, {title_of(best['name'])} (AUROC {_interval(found)})"
        told.append(f"it {word} {words}" if ours is not None else words)
    if not told:
        return "The study compares no detector."
    more = [*missed_goals(document), losses(document)]
    return " ".join([f"{'; '.join(told)}.", *more]).strip()


def missed_goals(document: dict[str, Any]) -> list[str]:
    """What the frozen detector was to reach on the first attack and did not, in sentences."""
    attack = next(row for row in document["attacks"] if row["n"])["name"]
    ours = frozen_row(document)
    if ours is None:
        return []
    found = ours["attacks"][attack]
    reached = {
        f"AUROC {GOALS['auroc']:g}": found["auroc"] >= GOALS["auroc"],
        f"{100 * GOALS['caught']:g}% caught at 5% false alarms": found["tpr_at_fpr"][MAIN_ALPHA]
        >= GOALS["caught"],
        f"confidence-matched AUROC {GOALS['matched']:g}": found["against"]["confidence-matched"][
            "auroc"
        ]
        >= GOALS["matched"],
    }
    missed = [goal for goal, yes in reached.items() if not yes]
    return [f"It misses the goal of {' and of '.join(missed)}."] if missed else []


def losses(document: dict[str, Any]) -> str:
    """The kinds of attack on which a baseline is better, as plainly as the others."""
    rows = duels(document)
    lost = [row for row in rows if row.lost]
    if not lost:
        return ""
    return (
        f"**A baseline is better on {len(lost)} of {counted(len(rows), 'kind')} of attack:** "
        f"{', '.join(row.attack for row in lost)}."
    )


@dataclass(frozen=True)
class Duel:
    """The frozen detector and the best baseline on one kind of attack.

    Attributes:
        attack, about, n: its name, what it is, and how many images it flipped.
        ours, baseline: AUROC; name: of the baseline.
    """

    attack: str
    about: str
    n: int
    ours: float
    baseline: float
    name: str

    @property
    def lost(self) -> bool:
        """Whether the baseline is at least as good."""
        return self.baseline >= self.ours


def duels(document: dict[str, Any]) -> list[Duel]:
    """One for each kind of attack; none without a frozen detector or without baselines."""
    ours = frozen_row(document)
    baselines = [row for row in document["detectors"] if row["kind"] == "baseline"]
    if ours is None or not baselines:
        return []
    found = []
    for row in document["attacks"]:
        if row["n"]:
            attack = row["name"]
            best = max(baselines, key=lambda each: each["attacks"][attack]["auroc"])
            own, theirs = (each["attacks"][attack]["auroc"] for each in (ours, best))
            found.append(Duel(attack, row["about"], row["n"], own, theirs, best["name"]))
    return found


def hypothesis(document: dict[str, Any], attack: str) -> str:
    """What the data says about late-layer divergence, the guess that the paper ends on."""
    row = next((row for row in document["detectors"] if row["name"] == LATE), None)
    if row is None:
        return ""
    found = row["attacks"][attack]
    right, wrong = (found["against"][f"benign-{word}"] for word in ("correct", "misclassified"))
    matched = found["against"]["confidence-matched"]
    told = (
        f"The guess: an attacked image lies far from its predicted class in the late layers. "
        f"Late-layer divergence ({title_of(LATE)}) tells {found['n']:,} {attack} attacks from "
        f"correctly classified images with AUROC {_interval(right)}"
    )
    if not wrong["n"]:
        return f"{told}."
    told += (
        f", from natural errors of the network with {_interval(wrong)}, and from benign images "
        f"of the same confidence with {_interval(matched)}. At 5% false alarms it catches "
        f"{100 * found['tpr_at_fpr'][MAIN_ALPHA]:.1f}%. "
    )
    if right["ci95"][0] > CHANCE and wrong["ci95"][0] <= CHANCE:
        return told + "**It notices that the network errs, not that it was attacked.**"
    if right["ci95"][0] <= CHANCE:
        return told + "**The data does not bear the guess out.**"
    return told + "**The data bears the guess out, as far as these figures go.**"


def _interval(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{found['auroc']:.3f}, interval {low:.3f}-{high:.3f}"
