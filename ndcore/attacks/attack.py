"""Attack images with the engine that a config names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.result import AttackProgress, AttackResult
from ndcore.attacks.task import Task
from ndcore.attacks.watch import Watch
from ndcore.errors import BadRequestError
from ndcore.steps import ShouldStop, in_parts

if TYPE_CHECKING:
    from torch import nn

    from ndcore.networks.evaluator import Evaluator

PREDICTED_AT_ONCE = 64


def attack_images(
    model: nn.Module,
    pixels: NDArray[np.uint8],
    labels: Sequence[int] | NDArray[np.integer],
    ids: Sequence[str],
    config: AttackConfig,
    *,
    on_progress: Callable[[AttackProgress], None] | None = None,
    on_result: Callable[[int, AttackResult], None] | None = None,
    should_stop: ShouldStop = None,
) -> list[AttackResult]:
    """Attack images side by side.

    Args:
        model: in eval mode, returns logits; not changed.
        pixels: uint8 (N, H, W, C).
        labels: (N,) true classes.
        ids: (N,) names; an image's random stream depends on the seed and its id alone.
        config: what to do.
        on_progress: called after each batch of candidates.
        on_result: called with the position and the result of each image as it ends.
        should_stop: asked before every function of torch; what was found is kept, images that
            were begun come back as `stopped` and the others are left out.

    Returns:
        One result per image reached, in the order given. Images that the model gets wrong are
        not attacked (`skipped`).

    Raises:
        BadRequestError: the images, labels and names do not fit each other or the model; the
            model gives no numbers for an image; the target is no class of the model, or the
            engine has no targeted form.
    """
    _require_images(pixels, labels, ids)
    if not len(pixels):
        return []
    # Who only asks which engines there are need not wait for torch.
    from ndcore.attacks.many_images import search_all
    from ndcore.networks.evaluator import evaluator_for
    from ndcore.networks.stoppable import until_stopped

    tasks: list[Task] = []
    with until_stopped(should_stop):
        evaluator = evaluator_for(model, pixels.shape[1:], config.precision)
        _require_classes(labels, config.target, evaluator.classes)
        before = _predicted(evaluator, pixels, ids)
        tasks = [
            Task(index, ids[index], image, int(labels[index]), before[index])
            for index, image in enumerate(pixels)
        ]
    if not tasks:
        return []
    watch = Watch(len(tasks), on_progress, on_result, should_stop)
    if config.searches:
        return search_all(evaluator, tasks, config, watch)
    from ndcore.attacks.gradient import attack_with_gradients

    return attack_with_gradients(model, tasks, config, watch)


def _require_images(
    pixels: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.integer], ids: Sequence[str]
) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3):
        raise BadRequestError(
            "pixels must be uint8 (N, H, W, C) with 1 or 3 channels, not "
            f"{pixels.dtype} {pixels.shape}"
        )
    if not len(pixels) == len(labels) == len(ids):
        raise BadRequestError(
            f"{len(pixels)} images need as many labels and ids, not {len(labels)} and {len(ids)}"
        )


def _require_classes(
    labels: Sequence[int] | NDArray[np.integer], target: int | None, classes: int
) -> None:
    wrong = [int(label) for label in labels if not 0 <= label < classes]
    if wrong:
        raise BadRequestError(f"label {wrong[0]} is no class: use 0 to {classes - 1}")
    if target is not None and not 0 <= target < classes:
        raise BadRequestError(f"target {target} is no class: use 0 to {classes - 1}")


def _predicted(
    evaluator: Evaluator, pixels: NDArray[np.uint8], ids: Sequence[str]
) -> NDArray[np.float32]:
    """Logits (N, classes) of a plain float32 pass of every image; all have a prediction."""
    found = []
    for part in in_parts(len(pixels), PREDICTED_AT_ONCE):
        logits = evaluator.plain(pixels[part])
        unknown = np.flatnonzero(~np.isfinite(logits).all(1))
        if len(unknown):
            raise BadRequestError(
                f"the model gives no numbers for image '{ids[part.start + unknown[0]]}', so "
                "there is no prediction to attack"
            )
        found.append(logits)
    return np.concatenate(found)
