"""One-pixel attacks: queries per second, queries per success, and time to the same successes.

All in one process, on one checkpoint, on correctly classified lossless images: the speed, then
`exhaustive` (all corners of all pixels), `fast` and `de` on the same images, and then the race
with other libraries where that is asked for. A success is an 8-bit image with one changed pixel
that flips in a plain float32 pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attacking.query_curve import query_curve
from benchmarks.attacking.race import GOAL, RACE, race
from benchmarks.attacking.speed import speed_rows
from benchmarks.attacking.targets import choose_targets
from benchmarks.report import Row, machine, row
from ndcore.attacks import AttackConfig, AttackResult
from ndcore.bundles.bundle import Bundle
from ndcore.statistics.intervals import wilson
from ndcore.steps import Step, counter, no_step
from ndcore.storage.atomic import write_bytes

DEFAULT_N = 20


def run(
    bundle: Bundle,
    n: int | None = None,
    *,
    peers: bool = False,
    data: str | None = None,
    de_queries: int = 4000,
    picture: str | None = None,
    seed: int = 0,
    on_step: Step = no_step,
) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        bundle: what to attack.
        n: correctly classified images (default 20).
        peers: also run other libraries.
        data: where the lossless images of the bundle's evaluation split are; None for the
            samples (or, for other bundles, scikit-learn's digits).
        de_queries: budget of `de` per image; 0 leaves it out.
        picture: file for the query curve as SVG.
        seed: of the images' choice and of the searches.
        on_step: called with (what is being done, done, total).
    """
    targets = choose_targets(bundle, n or DEFAULT_N, data, seed)
    on_step("speed", 0, 0)
    rows = speed_rows(targets, on_step)
    found: dict[str, list[AttackResult]] = {}
    for engine in ("exhaustive", "fast", *(["de"] if de_queries else [])):
        budget = de_queries if engine == "de" else None
        count = counter(on_step, engine, len(targets))
        found[engine] = targets.attack(
            AttackConfig(engine, max_queries=budget, seed=seed),
            on_result=lambda *_, count=count: count(1),
        )
    rows += _search_rows(found)
    curves = {engine: _curve(results) for engine, results in found.items()}
    document: dict[str, Any] = {
        "name": "attack",
        "machine": machine(),
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "images": {"source": targets.source, "n": len(targets), "seed": seed},
        "engines": {
            engine: {
                "succeeded": sum(result.success for result in results),
                "attacked": len(results),
                "ci95": list(wilson(sum(r.success for r in results), len(results))),
                "budget": results[0].config.budget(bundle.shape),
            }
            for engine, results in found.items()
        },
    }
    goal = math.ceil(GOAL * sum(result.success for result in found["exhaustive"][:RACE]))
    if peers:
        document["goal"] = goal
    if peers and goal:  # a race to nothing says nothing
        document["peers"], more = race(targets.first(RACE), goal, seed, on_step)
        rows += more
    if picture:
        svg = query_curve(curves, len(targets), title=f"{bundle.name}, {len(targets)} images")
        write_bytes(Path(picture), svg.encode())
    return document | {"curves": curves, "rows": rows}


def _curve(results: Sequence[AttackResult]) -> list[int]:
    """Queries until the first hit of each success, ascending."""
    return sorted(result.first_hit for result in results if result.first_hit is not None)


def _search_rows(found: dict[str, list[AttackResult]]) -> list[Row]:
    broken = {
        engine: {result.id for result in results if result.success}
        for engine, results in found.items()
    }
    rows = []
    for engine, results in found.items():
        paid = [result.queries for result in results if result.success]
        attacked = len(results)
        shared = len(broken[engine] & broken["exhaustive"])
        ratio = shared / len(broken["exhaustive"]) if broken["exhaustive"] else None
        rows.append(
            row(
                f"{engine}: images broken of {attacked}",
                len(paid),
                "images",
                "exhaustive" if engine != "exhaustive" else "",
                ratio if engine != "exhaustive" else None,
            )
        )
        if engine != "exhaustive":
            # A colour that is no corner may succeed where no corner does.
            beyond = len(broken[engine] - broken["exhaustive"])
            rows.append(row(f"{engine}: broken, but not by exhaustive", beyond, "images"))
        if paid:
            rows.append(
                row(f"{engine}: queries per success, mean", float(np.mean(paid)), "queries")
            )
            rows.append(
                row(f"{engine}: queries per success, median", float(np.median(paid)), "queries")
            )
        total = sum(result.queries for result in results)
        rows.append(row(f"{engine}: queries in all", total, "queries"))
    return rows
