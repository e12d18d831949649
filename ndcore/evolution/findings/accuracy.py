"""Accuracy of the trained networks beside the paper's, and whether one is better than another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import hypot
from typing import Any

from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.run import EvolutionRun
from ndcore.networks.deep_view import NETWORKS
from ndcore.statistics.intervals import wilson

PAPER_IMAGES = 10_000  # the test images of CIFAR-10
# The networks of the paper, on CIFAR-10: not their small kin on digits.
FIGURE_4 = tuple(name for name, network in NETWORKS.items() if network.shape == (32, 32, 3))


@dataclass(frozen=True)
class Accuracy:
    """Share of images classified rightly.

    Attributes:
        images: `test` (the data's own test set) or `evaluation` (a split that training never saw).
        accuracy: in [0, 1].
        n: images behind it.
        ci95: Wilson's interval.
        lossless: how many of them came from lossless files, or None where that is not known.
    """

    images: str
    accuracy: float
    n: int
    ci95: tuple[float, float]
    lossless: int | None


@dataclass(frozen=True)
class AccuracyRow:
    """A network's accuracy beside the paper's.

    Attributes:
        network: of Fig. 4, or one of its -bn variants.
        paper: accuracy that the paper states, a share, or None.
        run: name of the recording, or None where there is none.
        test: after training, on the test set; None where there is none, or the run has not ended.
        evaluation: the same on the split that training never saw.
        epochs: recorded.
        recipe: in words.
        seed: of initialisation, order and augmentation.
        data: that it was trained on.
    """

    network: str
    paper: float | None
    run: str | None = None
    test: Accuracy | None = None
    evaluation: Accuracy | None = None
    epochs: int | None = None
    recipe: str | None = None
    seed: int | None = None
    data: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def accuracy_table(runs: Mapping[str, EvolutionRun]) -> list[AccuracyRow]:
    """One row per recording of a network, or one that says it has none.

    Args:
        runs: name -> recording; those of other models are left out.
    """
    rows = []
    for network in FIGURE_4:
        stated = NETWORKS[network].paper_accuracy
        paper = None if stated is None else round(stated / 100, 4)
        own = [name for name in sorted(runs) if runs[name].model == network]
        rows += [_row(network, paper, name, runs[name]) for name in own]
        if not own:
            rows.append(AccuracyRow(network, paper))
    return rows


def told_data(data: str) -> str:
    """What a run was trained on, in words."""
    return "an image folder" if data == "folder" else data


def told_files(n: int, lossless: int | None) -> str:
    """How many of `n` images came from lossless files, as the end of a list of facts."""
    if lossless is None:
        return ""
    return {0: ", none lossless", n: ", lossless"}.get(lossless, f", {lossless:,} lossless")


def train_command(network: str) -> str:
    """The command that records a network as the paper trained it."""
    return f"python -m ndcore train {network} --data .data --epochs 45 --record"


def _row(network: str, paper: float | None, name: str, run: EvolutionRun) -> AccuracyRow:
    return AccuracyRow(
        network=network,
        paper=paper,
        run=name,
        test=accuracy_of(run, "test"),
        evaluation=accuracy_of(run, "evaluation"),
        epochs=len(run.epochs),
        recipe=_recipe(run),
        seed=run.about["config"].get("seed"),
        data=str(run.about["data"]),
    )


def accuracy_of(run: EvolutionRun, images: str) -> Accuracy | None:
    """After training, on images that `Accuracy` names; None before, or where there are none."""
    found = run.result.get(images)
    if not found or not found["n"]:
        return None
    n = int(found["n"])
    low, high = map(float, found["ci95"])
    lossless = found.get("lossless")
    known = None if lossless is None else int(lossless)
    return Accuracy(images, float(found["accuracy"]), n, (low, high), known)


def _final(run: EvolutionRun) -> tuple[int, int] | None:
    """How many were right, of how many: test images where there are some."""
    found = accuracy_of(run, "test") or accuracy_of(run, "evaluation")
    return None if found is None else (round(found.accuracy * found.n), found.n)


def _recipe(run: EvolutionRun) -> str:
    config, steps = run.about["config"], run.rate_lowered
    parts = [
        f"SGD, rate {config['lr']:g}"
        + (f" lowered after epochs {' and '.join(map(str, steps))}" if steps else ""),
        f"momentum {config['momentum']:g}",
        f"weight decay {config['weight_decay']:g}",
        f"batch {config['batch_size']}",
        f"{config['epochs']} epochs",
    ]
    if config["mirror"]:
        parts.append("mirrored")
    if config["shift_px"]:
        parts.append(f"shifted by up to {config['shift_px']} px")
    return ", ".join(parts)


def difference(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float, float]:
    """First rate less the second, and its 95% interval.

    Args:
        first, second: successes and trials, one or more; drawn independently.

    Reference:
        Newcombe 1998, "Interval estimation for the difference between independent proportions",
        method 10.
    """
    (a, n), (b, m) = first, second
    p, q = a / n, b / m
    (p_low, p_high), (q_low, q_high) = wilson(a, n), wilson(b, m)
    return p - q, p - q - hypot(p - p_low, q_high - q), p - q + hypot(p_high - p, q - q_low)


def better(
    id: str, section: str, claim: str, first: str, second: str, least: float = 0.0
) -> Finding:
    """The claim that one network is more accurate than another.

    Args:
        id, section, claim: see `Finding`.
        first: the better network.
        second: the other.
        least: by how much at least, as a share.
    """

    def check(runs: Runs) -> Outcome:
        found = {}
        for network in (first, second):
            final = _final(runs[network])
            if final is None:
                raise UntestableError(f"the accuracy of {network} after training is not recorded")
            found[network] = final
        gap, low, high = difference(found[first], found[second])
        figures: dict[str, Any] = {
            network: {"accuracy": right / n, "n": n} for network, (right, n) in found.items()
        }
        stated = _stated_gap(first, second)
        figures |= {"difference": gap, "ci95": [low, high], "paper": stated}
        told = " against ".join(
            f"{network} {100 * right / n:.2f}% (n = {n:,})" for network, (right, n) in found.items()
        )
        paper = "; in the paper {:+.2f}, {:+.2f} to {:+.2f}".format(
            *(100 * value for value in (stated["difference"], *stated["ci95"]))
        )
        return Outcome(
            low > 0 and gap >= least,
            figures,
            f"{told}: {100 * gap:+.2f} points "
            f"(95% interval {100 * low:+.2f} to {100 * high:+.2f}{paper}).",
        )

    by = f", and it is at least {100 * least:g} points" if least else ""
    return Finding(
        id=id,
        section=section,
        claim=claim,
        networks=(first, second),
        statistic=f"accuracy of {first} less that of {second} on the test images, or on held-out "
        "images of the training set where a run has no others",
        rule=f"the 95% interval of the difference lies above 0{by}",
        check=check,
    )


def _stated_gap(first: str, second: str) -> dict[str, Any]:
    """What the paper states, with the interval that its test images allow."""
    rights = []
    for network in (first, second):
        percent = NETWORKS[network].paper_accuracy
        if percent is None:
            raise ValueError(f"the paper states no accuracy of {network}")
        rights.append((round(percent / 100 * PAPER_IMAGES), PAPER_IMAGES))
    gap, low, high = difference(*rights)
    return {"difference": gap, "ci95": [low, high], "n": PAPER_IMAGES}
