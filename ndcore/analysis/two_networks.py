"""Two networks on the same images: which one breaks more often, and whose detector notices.

All is paired: an image counts where both networks know it, and gaps are drawn image by image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.errors import BadRequestError
from ndcore.networks.stoppable import stoppable
from ndcore.statistics.intervals import Rate, paired_gap
from ndcore.steps import ShouldStop, Step, no_step, stop_if
from ndcore.study.calibrated import Detectors

Flags = NDArray[np.float64]  # (N,) 1 for yes, 0 for no, NaN where there was nothing to ask


@dataclass(frozen=True)
class Network:
    """What came of the images in one of two networks.

    Attributes:
        bundle: the network.
        detector: name of what judged; "" where nothing could.
        results: of the attack, one per image.
        alarms: whether the clean image is flagged, where the network knows it.
        caught: whether the attacked image is flagged, where the attack succeeded.
        undecided: (N,) whether a verdict lacks the benign images for an alarm, and raised none.
    """

    bundle: Bundle
    detector: str
    results: tuple[AttackResult, ...]
    alarms: Flags
    caught: Flags
    undecided: NDArray[np.bool_]

    @property
    def broken(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.array([result.success for result in self.results], bool)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the clean image is known."""
        return np.array([result.predicted_before == result.true for result in self.results], bool)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(N,) whether the attack came to its end, or had nothing to do."""
        return np.array([(r.tried and not r.stopped) or r.skipped for r in self.results], bool)


def require_comparable(first: Bundle, second: Bundle) -> None:
    """Raise BadRequestError unless both take the same pixels and tell the same classes apart."""
    if first.shape != second.shape:
        sizes = [" x ".join(map(str, bundle.shape)) for bundle in (first, second)]
        raise BadRequestError(
            f"'{first.name}' takes images of {sizes[0]} and '{second.name}' of {sizes[1]}: "
            "two networks are compared on the same pixels"
        )
    if {*first.classes} != {*second.classes}:
        raise BadRequestError(f"'{first.name}' and '{second.name}' tell different classes apart")


def common_detector(first: Detectors, second: Detectors) -> str:
    """The first detector that both can judge with; "" where there is none."""
    return next((name for name in first.entries if name in second.entries), "")


def look_at(
    here: Detectors,
    images: ImageBatch,
    config: AttackConfig,
    *,
    detector: str,
    alpha: float = 0.05,
    results: Sequence[AttackResult] = (),
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> Network:
    """Attack the images in one network, and let a detector judge them before and after.

    Args:
        here: the network and its detectors.
        images: with labels of its own.
        config: of the attack.
        detector: name; "" for none.
        alpha: share of false alarms.
        results: of the same attack, where it was made already.
        on_step: called with (what is being done, done, total).
        should_stop: asked throughout.

    Raises:
        BadRequestError: an image without a label.
        BundleError: the network has no calibration for the detector.
        StoppedError: that was asked for.
    """
    if (images.labels == UNKNOWN).any():
        at = int(np.flatnonzero(images.labels == UNKNOWN)[0])
        raise BadRequestError(f"the true class of {images.ids[at]} is not known")
    bundle, name = here.bundle, here.bundle.name
    found = tuple(results) or tuple(
        attack_images(
            bundle.model,
            images.pixels,
            images.labels,
            images.ids,
            config,
            on_progress=lambda p: on_step(f"attack on {name}", p.done, p.images),
            should_stop=should_stop,
        )
    )
    stop_if(should_stop)
    flags = [np.full(len(images), np.nan) for _ in range(2)]
    undecided = np.zeros(len(images), bool)
    if not detector:
        return Network(bundle, detector, found, flags[0], flags[1], undecided)
    judge = here.open(detector)
    asked = [(0, at, r.benign) for at, r in enumerate(found) if not r.skipped]
    asked += [(1, at, r.attacked) for at, r in enumerate(found) if r.success]
    for start in range(0, len(asked), judge.batch):
        on_step(f"{detector} on {name}", start, len(asked))
        part = asked[start : start + judge.batch]
        with stoppable(should_stop):
            verdicts = judge.detect(np.stack([pixels for _, _, pixels in part]), alpha)
        for (kind, at, _), verdict in zip(part, verdicts, strict=True):
            flags[kind][at] = float(verdict.flagged)
            undecided[at] |= not verdict.guaranteed
    return Network(bundle, detector, found, flags[0], flags[1], undecided)


def compare_networks(
    pair: Sequence[Detectors],
    images: ImageBatch,
    config: AttackConfig,
    *,
    detector: str,
    alpha: float = 0.05,
    results: Sequence[Sequence[AttackResult]] = ((), ()),
    on_step: Step = no_step,
    should_stop: ShouldStop = None,
) -> dict[str, Any]:
    """Attack the same images in two networks: what was asked, and what `compared` finds.

    Args:
        pair: the networks and their detectors.
        images: labelled by the first one's classes.
        config: of the attack; its target is of the first one's classes.
        results: of the attack on each, where it was made already.
        detector, alpha, on_step, should_stop: see `look_at`, as for what is raised.
    """
    first = pair[0].bundle
    found = []
    for here, made in zip(pair, results, strict=True):
        looked = look_at(
            here,
            relabelled(images, first.classes, here.bundle),
            retargeted(config, first.classes, here.bundle),
            detector=detector,
            alpha=alpha,
            results=made,
            on_step=on_step,
            should_stop=should_stop,
        )
        found.append(looked)
    asked = {
        "bundles": [each.bundle.name for each in pair],
        "weight_hashes": [each.bundle.weight_hash for each in pair],
        "engine": config.engine,
        "pixels": config.pixels,
        "seed": config.seed,
        "budget": config.budget(first.shape),
        "detector": detector,
        "alpha": alpha,
    }
    return asked | compared(*found)


def relabelled(images: ImageBatch, classes: Sequence[str], bundle: Bundle) -> ImageBatch:
    """Images whose labels are positions in `classes`, with those of a bundle."""
    place = {name: at for at, name in enumerate(bundle.classes)}
    labels = [place[classes[label]] if label >= 0 else UNKNOWN for label in images.labels]
    return ImageBatch(images.ids, np.array(labels, np.int64), images.pixels)


def retargeted(config: AttackConfig, classes: Sequence[str], bundle: Bundle) -> AttackConfig:
    """The same attack; a target that is a position in `classes` becomes one of a bundle's."""
    if config.target is None:
        return config
    return replace(config, target=bundle.class_index(classes[config.target]))


def compared(first: Network, second: Network) -> dict[str, Any]:
    """What differs between two networks that looked at the same images, as a document.

    `rows`: each with `what`, the `rates` of both (`{rate, ci95, n}`) and, where both are of the
    same images, their `gap` with a paired interval. `undecided`: of the images known to both, how
    many verdicts of each lacked calibration images; no alarm was raised, so they are not noticed.
    `images`: one by one.
    """
    both = (first, second)
    ended = first.ended & second.ended
    pair = ended & first.right & second.right
    broken = [network.broken & pair for network in both]
    fooled = [_also_fools(one, other, pair) for one, other in (both, both[::-1])]
    unnoticed = [
        np.where(network.broken, 1.0 - network.caught, 0.0 if network.detector else np.nan)
        for network in both
    ]
    rows = [
        _row("right", ended, [network.right.astype(float) for network in both]),
        _row("broken", pair, [each.astype(float) for each in broken]),
        _row("carries over", pair, fooled, paired=False),
        _row("caught", pair, [network.caught for network in both], paired=False),
        _row("broken and unnoticed", pair, unnoticed),
        _row("false alarm", pair, [network.alarms for network in both]),
    ]
    return {
        "images_compared": int(ended.sum()),
        "known_to_both": int(pair.sum()),
        "broken_in": {
            "both": int((broken[0] & broken[1]).sum()),
            "first": int((broken[0] & ~broken[1]).sum()),
            "second": int((~broken[0] & broken[1]).sum()),
            "neither": int((pair & ~broken[0] & ~broken[1]).sum()),
        },
        "undecided": [int((network.undecided & pair).sum()) for network in both],
        "rows": rows,
        "images": [
            {
                "id": result.id,
                "known": [bool(network.right[at]) for network in both],
                "broken": [bool(network.broken[at]) for network in both],
                "caught": [_answer(network.caught[at]) for network in both],
                "queries": [network.results[at].queries for network in both],
            }
            for at, result in enumerate(first.results)
            if ended[at]
        ],
    }


def _also_fools(one: Network, other: Network, pair: NDArray[np.bool_]) -> Flags:
    """Whether what breaks `one` breaks the other network too; NaN where it does not break one."""
    found = np.full(len(pair), np.nan)
    members = np.flatnonzero(one.broken & pair)
    if len(members):
        pixels = np.stack([one.results[at].attacked for at in members])
        true = np.array([other.results[at].true for at in members])
        found[members] = other.bundle.read(pixels).predicted != true
    return found


def _row(
    what: str, members: NDArray[np.bool_], flags: Sequence[Flags], *, paired: bool = True
) -> dict[str, Any]:
    if paired:
        members = members & ~np.isnan(flags[0]) & ~np.isnan(flags[1])
    asked = [each[members & ~np.isnan(each)] for each in flags]
    row: dict[str, Any] = {
        "what": what,
        "rates": [Rate(int(each.sum()), len(each)).to_dict() for each in asked],
    }
    row["gap"] = _gap(asked[0] > 0, asked[1] > 0) if paired and members.any() else None
    return row


def _gap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """The rate of the second less that of the first."""
    counts = ((second & first), (second & ~first), (~second & first), ~(second | first))
    low, high = paired_gap(*(int(each.sum()) for each in counts))
    return {"mean": float(second.mean() - first.mean()), "ci95": [low, high]}


def _answer(flag: float) -> bool | None:
    return None if np.isnan(flag) else bool(flag)
