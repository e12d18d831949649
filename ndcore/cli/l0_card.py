"""The card that `attack --card` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ndcore
from ndcore.attacks import AttackConfig, AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.certificate.l0_card import l0_card
from ndcore.cli.progress import Progress
from ndcore.data.batch import ImageBatch
from ndcore.errors import BadRequestError
from ndcore.statistics.intervals import Rate
from ndcore.storage.atomic import write_json


def write_card(
    path: Path,
    bundle: Bundle,
    images: ImageBatch,
    config: AttackConfig,
    results: Sequence[AttackResult],
) -> str:
    """Make the card, reusing the `results` of `config`, write it, and tell it in words.

    Raises:
        BadRequestError: the file cannot be written; or see `l0_card`.
    """
    with Progress() as progress:
        card = l0_card(
            bundle.model,
            images,
            config,
            {config.pixels: results},
            on_progress=lambda p: progress.step(
                f"card: {p.succeeded} broken, {p.total_queries:,} queries", p.done, p.images
            ),
            on_certified=lambda done, of: progress.step("card: certifying", done, of),
        )
    about = {
        "kind": "L0 card",
        "schema_version": 1,
        "ndcore": ndcore.__version__,
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
    }
    try:
        write_json(path, about | card)
    except OSError as error:
        raise BadRequestError(f"cannot write {path}: {error.strerror}") from error
    return "\n".join(_line(row) for row in card["rows"])


def _line(row: dict[str, Any]) -> str:
    broken = Rate(row["succeeded"], row["attacked"])
    told = f"{row['pixels']} changed: {broken.text} broken, n = {broken.n:,}"
    if row["queries_median"] is not None:
        told += f", {row['queries_mean']:,.0f} queries per success (median "
        told += f"{row['queries_median']:,.0f})"
    if row["certified"]:
        proven = Rate.of(row["certified"])
        return (
            f"{told}; proven to keep the label or raise the alarm of the rule "
            f"{row['certified']['rule']}: {proven.text} of {proven.n:,} right ones"
        )
    return f"{told}; not certified for so many"
