"""Rachael's three views, each ending in a measured sentence.

Reference: Park, Hohman & Chau 2019, "NeuralDivergence", section 2: (1) the distributions of the
true and the predicted class look alike; (2) the attacked image lies far from the class it is
taken for; (3) the benign image lies close to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ndcore.activations.divergence import w1_histograms
from ndcore.activations.histograms import ClassHistograms
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.detectors import load_detector
from ndcore.errors import BadRequestError
from ndcore.legible.few_of_many import evenly

FAR = 0.05
COMMON_BINS = 64
MOST_CLASSES = 32  # that are compared with each other


@dataclass(frozen=True)
class Claim:
    """One claim of the story on one pair.

    Attributes:
        view: its place in the story, 1 to 3.
        title: the claim.
        held: whether the numbers bear it out.
        plain: the finding in a sentence without numbers.
        sentence: the finding, with its numbers.
        numbers: the same numbers by name.
        classes: positions of the classes the benign and the attacked image are taken for.
    """

    view: int
    title: str
    held: bool
    plain: str
    sentence: str
    numbers: dict[str, float]
    classes: tuple[int, int]


def tell(bundle: Bundle, pair: Pair, layer: str = "dense_1") -> tuple[Claim, ...]:
    """The three claims on a pair, at one layer.

    "Far" means that at most 5% of benign calibration images taken for that class lie as far.

    Raises:
        BadRequestError: the pair was not attacked, or there is no such layer.
    """
    if pair.attacked is None:
        raise BadRequestError("the story needs an attacked image; make one in the Attack Lab")
    detector = load_detector(bundle)
    reading = bundle.read(np.stack(pair.images))
    own, taken_for = (int(label) for label in reading.predicted)
    column = bundle.layers.index(layer) if layer in bundle.layers else -1
    if column < 0:
        raise BadRequestError(f"unknown layer '{layer}': choose {', '.join(bundle.layers)}")
    p_benign, p_attacked = (float(p) for p in detector.layer_p_values(reading)[:, column])
    histograms = bundle.distributions(layer, bundle.judged_by(layer))
    return (
        _alike(bundle, histograms, layer, own, taken_for),
        _distance_claim(
            view=2,
            title="the attacked image lies far from the class it is taken for",
            who="attacked",
            name=bundle.classes[taken_for],
            p=p_attacked,
            held=p_attacked <= FAR,
            layer=layer,
            classes=(own, taken_for),
        ),
        _distance_claim(
            view=3,
            title="the benign image lies close to its own class",
            who="benign",
            name=bundle.classes[own],
            p=p_benign,
            held=p_benign > FAR,
            layer=layer,
            classes=(own, taken_for),
        ),
    )


def class_distances(histograms: ClassHistograms, labels: Sequence[int]) -> np.ndarray:
    """Mean W1 over units between two of some classes, in shares of the axis, (labels, labels)."""
    lo, hi = histograms.axis()
    shares = histograms.on_common_axis(lo, hi, COMMON_BINS, labels)
    zero = histograms.zero_share(labels)[..., None]
    at_zero = int(np.clip((0 - lo) / (hi - lo) * COMMON_BINS, 0, COMMON_BINS - 1))
    shares[..., at_zero] += zero[..., 0]
    shares += 1e-12
    centres = (np.arange(COMMON_BINS) + 0.5) / COMMON_BINS
    count = len(shares)
    found = np.zeros((count, count))
    for first in range(count):
        found[first] = w1_histograms(shares[first][None], shares, centres).mean(-1)
    return found


def compared_classes(histograms: ClassHistograms, always: Sequence[int]) -> list[int]:
    """Classes with images, ascending; of many some, evenly apart, `always` among them.

    Raises:
        BadRequestError: one of `always` has no images.
    """
    held = histograms.held
    if not {*always} <= {*held}:
        raise BadRequestError(
            "the story compares two classes, and of one of them no image was counted"
        )
    return sorted({*(held[place] for place in evenly(len(held), MOST_CLASSES)), *always})


def _alike(
    bundle: Bundle, histograms: ClassHistograms, layer: str, own: int, taken_for: int
) -> Claim:
    title = "the two classes have similar distributions"
    names = f"{bundle.classes[own]} and {bundle.classes[taken_for]}"
    if own == taken_for:
        sentence = f"Did not hold: the attack failed, both images are taken for {names.split()[0]}."
        plain = f"The attack failed: {names.split()[0]} is what both images are taken for."
        return Claim(1, title, False, plain, sentence, {}, (own, taken_for))
    labels = compared_classes(histograms, (own, taken_for))
    distances = class_distances(histograms, labels)
    pairs = distances[np.triu_indices(len(distances), 1)]
    here = float(distances[labels.index(own), labels.index(taken_for)])
    rank = int((pairs < here).sum()) + 1
    held = here < float(np.median(pairs))
    some = len(labels) < len(histograms.held)
    among = f" among {len(labels)} of {len(histograms.held):,} classes" if some else ""
    sentence = (
        f"{'Held' if held else 'Did not hold'}: at {layer}, {names} are pair {rank} of "
        f"{len(pairs)}{among} in order of distance (mean Wasserstein-1 {here:.4f} of the axis; the "
        f"median pair has {np.median(pairs):.4f})."
    )
    numbers = {"w1": here, "median_w1": float(np.median(pairs)), "rank": rank, "pairs": len(pairs)}
    than = "Yes: {} are more alike than most pairs of classes in the last layers."
    if not held:
        than = "No: {} differ as much as most pairs of classes do in the last layers."
    return Claim(1, title, held, than.format(names), sentence, numbers, (own, taken_for))


def _distance_claim(
    *,
    view: int,
    title: str,
    who: str,
    name: str,
    p: float,
    held: bool,
    layer: str,
    classes: tuple[int, int],
) -> Claim:
    sentence = (
        f"{'Held' if held else 'Did not hold'}: at {layer}, {100 * p:.1f}% of benign images "
        f"taken for {name} lie at least as far from the {name} distributions as the {who} image "
        f"(far means at most {100 * FAR:.0f}%)."
    )
    plain = (
        f"{'Yes' if held else 'No'}: the {who} image looks like an "
        f"{'ordinary' if p > FAR else 'unusual'} {name} in the last layers."
    )
    return Claim(view, title, held, plain, sentence, {"p_value": p}, classes)
