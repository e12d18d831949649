"""Depth profile: how far an image lies from a class at every layer, and where an attack takes hold.

Parting: the first layer from which on, to the last, attacked and benign image differ by more than
two images of the class that the benign one is taken for do on average. Turning point: the first
layer from which on, to the last, the attacked image lies nearer to the class it is taken for than
to its true class while the benign image does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import layer_divergence, pair_distance
from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from ndcore.detectors import load_detector

IMAGES = ("benign", "attacked")
BENIGN, ATTACKED = 0, 1


@dataclass(frozen=True)
class DepthProfile:
    """Divergence of one image, or of a benign and an attacked one, over all layers.

    Attributes:
        layers: in the order of the model.
        labels: class positions compared with: what each image is taken for, its runner-up and
            the true class.
        scores: float32 (images, labels, layers), in class spreads; `layer_divergence`.
        percentiles: float64 (images, labels, layers), 0 to 100: percent of the benign calibration
            images taken for that class that score lower against it; NaN where there are none.
        predicted, runner_up: per image, the most and the second most probable class.
        true: the true class, or None when unknown.
        change: per layer, L1 distance of the two images' unit values over the mean one of two
            images of the class that the benign image is taken for (`pair_distance`); empty
            without an attacked image.
        parting, turning_point: layers as the module defines them, or None.
    """

    layers: tuple[str, ...]
    labels: tuple[int, ...]
    scores: NDArray[np.float32]
    percentiles: NDArray[np.float64]
    predicted: tuple[int, ...]
    runner_up: tuple[int, ...]
    true: int | None
    change: tuple[float, ...]
    parting: str | None
    turning_point: str | None

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images: `benign`, then `attacked` where there is one."""
        return IMAGES[: len(self.predicted)]

    def roles(self, image: int) -> dict[int, tuple[str, ...]]:
        """What each class is to an image: `predicted`, `true`, `runner-up`, in this order."""
        named = [("predicted", self.predicted[image])]
        if self.true is not None:
            named.append(("true", self.true))
        named.append(("runner-up", self.runner_up[image]))
        found: dict[int, tuple[str, ...]] = {}
        for role, label in named:
            found[label] = (*found.get(label, ()), role)
        return found

    def score(self, image: int, label: int) -> NDArray[np.float32]:
        """Divergence of an image from a class of `labels`, (layers,)."""
        found: NDArray[np.float32] = self.scores[image, self.labels.index(label)]
        return found

    def percentile(self, image: int, label: int) -> NDArray[np.float64]:
        """Percentile of an image among benign images of a class of `labels`, (layers,)."""
        found: NDArray[np.float64] = self.percentiles[image, self.labels.index(label)]
        return found


def depth_profile(bundle: Bundle, reading: Reading, true: int | None = None) -> DepthProfile:
    """Compare one or two images with their classes at every layer.

    Args:
        bundle: gives distributions and benign calibration scores.
        reading: of the benign image, then of the attacked one if there is one.
        true: the true class, or None when unknown.

    Raises:
        BundleError: the bundle has no calibration.
    """
    detector = load_detector(bundle)
    benign = detector.calibration
    assert benign.layers is not None  # as of every detector of layers
    ranked = np.argsort(-reading.logits, axis=1, kind="stable")
    predicted, runner_up = ranked[:, 0].tolist(), ranked[:, 1].tolist()
    known = [] if true is None else [true]
    labels = tuple(dict.fromkeys([*predicted, *known, *runner_up]))
    scores = np.empty((len(predicted), len(labels), len(bundle.layers)), np.float32)
    change = []
    for j, layer in enumerate(bundle.layers):
        kind = bundle.judged_by(layer)
        values, histograms = reading.values(layer, kind), bundle.distributions(layer, kind)
        for k, label in enumerate(labels):
            scores[:, k, j] = layer_divergence(values, histograms, label)
        if len(predicted) > 1:
            moved = np.abs(values[ATTACKED].astype(np.float64) - values[BENIGN])
            usual = pair_distance(histograms, predicted[BENIGN]).sum()
            change.append(float(moved.sum() / max(usual, 1e-12)))
    percentiles = np.full(scores.shape, np.nan)
    for k, label in enumerate(labels):
        peers = benign.layers[benign.predicted == label]
        if len(peers):
            lower = peers[None] < scores[:, k, None, :]
            percentiles[:, k] = 100 * lower.mean(1)
    return DepthProfile(
        layers=bundle.layers,
        labels=labels,
        scores=scores,
        percentiles=percentiles,
        predicted=tuple(predicted),
        runner_up=tuple(runner_up),
        true=true,
        change=tuple(change),
        parting=_layer_from(bundle.layers, np.asarray(change) > 1),
        turning_point=_turning_point(bundle.layers, labels, scores, predicted, true),
    )


def _layer_from(layers: Sequence[str], holds: NDArray[np.bool_]) -> str | None:
    """The first layer from which on, to the last, `holds` (layers,) is true."""
    broken = np.flatnonzero(~holds)
    first = int(broken[-1]) + 1 if len(broken) else 0
    return layers[first] if first < len(holds) else None


def _turning_point(
    layers: Sequence[str],
    labels: Sequence[int],
    scores: NDArray[np.float32],
    predicted: Sequence[int],
    true: int | None,
) -> str | None:
    if len(predicted) < 2 or true is None or predicted[ATTACKED] == true:
        return None
    own, taken_for = labels.index(true), labels.index(predicted[ATTACKED])
    nearer = scores[:, taken_for] < scores[:, own]
    return _layer_from(layers, nearer[ATTACKED] & ~nearer[BENIGN])


def depth_sentence(profile: DepthProfile, classes: Sequence[str]) -> str:
    """The finding in one sentence, with its numbers.

    Args:
        profile: of one or two images.
        classes: names in label order.
    """
    last = profile.layers[-1]
    if len(profile.predicted) < 2:
        label = profile.predicted[BENIGN]
        return (
            "No image was attacked, so nothing parts and there is no turning point: at the last "
            f"layer, {last}, the image lies {profile.score(BENIGN, label)[-1]:.2f} class spreads "
            f"from {classes[label]}, the class it is taken for"
            f"{_more_than(profile.percentile(BENIGN, label)[-1], classes[label])}."
        )
    return f"{_parting_words(profile, classes)}; {_turning_words(profile, classes)}."


def _more_than(percentile: float, name: str) -> str:
    if np.isnan(percentile):
        return ""
    return f", farther than {percentile:.0f}% of benign images taken for {name}"


def _parting_words(profile: DepthProfile, classes: Sequence[str]) -> str:
    own = classes[profile.predicted[BENIGN]]
    if profile.parting is None:
        return (
            "The two images never part for good: at the last layer, "
            f"{profile.layers[-1]}, they differ {profile.change[-1]:.2f} times as much as two "
            f"images of the class {own} do on average"
        )
    rest = profile.change[profile.layers.index(profile.parting) :]
    return (
        f"The two images part at {profile.parting}: from there to the last layer they differ "
        f"{min(rest):.2f} to {max(rest):.2f} times as much as two images of the class {own} do on "
        "average"
    )


def _turning_words(profile: DepthProfile, classes: Sequence[str]) -> str:
    true, taken_for = profile.true, profile.predicted[ATTACKED]
    if true is None:
        return "there is no turning point to look for, because the true class is unknown"
    if taken_for == true:
        return (
            "there is no turning point, because the attacked image is still taken for its true "
            f"class {classes[true]}"
        )
    near, far = (profile.score(ATTACKED, label)[-1] for label in (taken_for, true))
    numbers = f"{near:.2f} against {far:.2f} class spreads at {profile.layers[-1]}"
    names = f"{classes[taken_for]} than to {classes[true]}"
    if profile.turning_point is not None:
        return (
            f"from {profile.turning_point} on the attacked image lies nearer to {names} "
            f"({numbers}) and the benign image does not"
        )
    if near < far:
        return (
            f"there is no turning point, because at the last layer the benign image lies nearer "
            f"to {names} too"
        )
    return (
        "there is no turning point, because at the last layer the attacked image lies no nearer "
        f"to {names} ({numbers})"
    )
