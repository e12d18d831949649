"""A card on how a network stands against changes of 1, 3 and 5 pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ndcore.attacks import AttackConfig, AttackProgress, AttackResult, attack_images, summarise
from ndcore.certificate.one_pixel import certify
from ndcore.certificate.shares import certified_shares
from ndcore.data.batch import ImageBatch
from ndcore.errors import BadRequestError

PIXELS = (1, 3, 5)
KEPT = ("attacked", "succeeded", "success_rate", "ci95", "queries_median", "queries_mean")


def require_search(config: AttackConfig) -> None:
    """Raise BadRequestError for an engine that changes every pixel, or keeps to one target."""
    if not config.searches:
        raise BadRequestError(
            f"a card is about few pixels; the engine '{config.engine}' changes all of them"
        )
    if config.target is not None:
        raise BadRequestError("a card is about leaving the true class: give no target")


def l0_card(
    model: nn.Module,
    images: ImageBatch,
    config: AttackConfig,
    known: Mapping[int, Sequence[AttackResult]],
    *,
    on_progress: Callable[[AttackProgress], None] | None = None,
    on_certified: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Attack and certify the same images.

    Args:
        model: in eval mode.
        images: with their true classes.
        config: of the attack; its `pixels` do not matter.
        known: by number of pixels results of the same attack that need not be made again.
        on_progress: of the attacks, see `attack_images`.
        on_certified: called with how many images are certified so far, and of how many.

    Returns:
        `{engine, then, seed, n, rows}`; a row has `pixels`, the success and the queries of the
        attack, and `certified`: the share, of the n images `of` (those that the model gets
        right), on which every such change, whatever the attack, keeps the label or raises the
        alarm of the `rule` (`ndcore.certificate`). It is None for more pixels than one.

    Raises:
        BadRequestError: see `require_search` and `attack_images`.
    """
    require_search(config)
    rows = []
    for count in PIXELS:
        results = known.get(count) or attack_images(
            model,
            images.pixels,
            images.labels,
            images.ids,
            replace(config, pixels=count),
            on_progress=on_progress,
        )
        summary = summarise(results)
        rows.append({"pixels": count} | {key: summary[key] for key in KEPT} | {"certified": None})
        if count == 1:
            right = images.take([not result.skipped for result in results])
    done = 0

    def count_up(_: object) -> None:
        nonlocal done
        done += 1
        if on_certified:
            on_certified(done, len(right))

    found = certify(model, right.pixels, on_image=count_up)
    share = certified_shares(found, right.labels)["correct"]["certified"]
    rows[0]["certified"] = share | {"rule": "flip", "of": "images that the model gets right"}
    return {
        "engine": config.engine,
        "then": config.then,
        "seed": config.seed,
        "n": len(images),
        "rows": rows,
    }
