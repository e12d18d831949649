"""The gallery of a bundle: attacks that were found and verified when it was built."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from ndcore.attacks import AttackConfig, AttackResult, attack_images, summarise
from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.scale.network.attacked import attack_shared
from ndcore.scale.network.shared import Shared
from ndcore.steps import Step

GALLERY_ENGINE = "fast"


@dataclass(frozen=True)
class GalleryConfig:
    """First the 20 sample images if `samples_too`; then lossless images of the data, or any where
    none is lossless, in random order until `successes` of them were broken or `images` were tried.
    """

    successes: int
    images: int
    seed: int
    samples_too: bool


def make_gallery(
    model: nn.Module,
    source: ImageSource,
    members: list[int],
    config: GalleryConfig,
    step: Step,
    shared: Shared | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Verified one-pixel successes and what it took to find them; `members` are positions.

    Where the work is `shared`, images count in their order, up to the last success that is needed.
    """
    attack = AttackConfig(GALLERY_ENGINE, seed=config.seed)
    about = {"engine": attack.engine, "budget": attack.budget(source.shape), "seed": attack.seed}
    if not config.successes:
        return [], about
    rows: list[dict[str, Any]] = []

    def run(
        origin: ImageSource, chosen: list[int], enough: int, shared: Shared | None
    ) -> list[AttackResult]:
        results = (
            _attacked_here(model, origin, chosen, attack, enough, step)
            if shared is None
            else _attacked_elsewhere(shared, chosen, attack, enough, step)
        )
        keys = {origin.ids[i]: origin.keys()[i] for i in chosen}
        rows.extend(
            _gallery_row(result, source.classes)
            | {"id": result.id if ":" in result.id else keys[result.id]}
            for result in results
            if result.success
        )
        return results

    if config.samples_too:
        samples = open_source("samples")
        others = None if shared is None else shared.with_samples(model, samples)
        about["samples"] = _summary(run(samples, list(range(len(samples))), 10**9, others))
    rng = np.random.default_rng(config.seed)
    lossless = [i for i in members if source.lossless[i]] or members
    chosen = [int(i) for i in rng.permutation(lossless)[: config.images]]
    about["evaluation"] = _summary(run(source, chosen, config.successes, shared))
    return rows, about


def _attacked_here(
    model: nn.Module,
    origin: ImageSource,
    chosen: list[int],
    attack: AttackConfig,
    enough: int,
    step: Step,
) -> list[AttackResult]:
    """The results of the images that ended before `enough` were broken."""
    done = broken = 0

    def on_result(_: int, result: AttackResult) -> None:
        nonlocal done, broken
        done, broken = done + 1, broken + result.success
        step("gallery", done, len(chosen))

    results = attack_images(
        model,
        origin.pixels(chosen),
        origin.labels[chosen],
        [origin.ids[i] for i in chosen],
        attack,
        on_result=on_result,
        should_stop=lambda: broken >= enough,
    )
    return [result for result in results if not result.stopped]


def _attacked_elsewhere(
    shared: Shared,
    chosen: list[int],
    attack: AttackConfig,
    enough: int,
    step: Step,
) -> list[AttackResult]:
    """The results of the first images, until `enough` of them were broken."""
    results: list[AttackResult] = []
    broken = 0
    for result in attack_shared(shared, chosen, attack):
        results.append(result)
        broken += result.success
        step("gallery", len(results), len(chosen))
        if broken >= enough:
            break
    return results


def _summary(results: list[AttackResult]) -> dict[str, Any]:
    return {key: value for key, value in summarise(results).items() if key != "seconds"}


def _gallery_row(result: AttackResult, classes: Sequence[str]) -> dict[str, Any]:
    kept = (
        "true",
        "predicted_before",
        "predicted_after",
        "pixels",
        "confidence_before",
        "confidence_after",
        "queries",
        "first_hit",
    )
    row = result.to_dict(classes)
    about = {"engine": result.config.engine, "seed": result.seed}
    return {key: row[key] for key in kept} | about


def gallery_lines(rows: list[dict[str, Any]]) -> bytes:
    """JSON with a row per line, so that a changed attack is a changed line."""
    return ("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n").encode()
