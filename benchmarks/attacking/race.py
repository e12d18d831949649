"""Wall time of `fast` and of other libraries to the same number of broken images.

The goal is 80% of the successes of `exhaustive` on the first `RACE` images (as many again cost
minutes for every setting of a peer). Every method takes these images in the same order and stops
when it has reached the goal; `fast` has its pool, a peer its own batches. A peer is tried with
several populations and generations and is stopped when it has had `PATIENCE` times as long as
`fast`; then it is reported as not having reached the goal, with what it found. Reading images,
loading libraries and one warm-up image per method are not counted. The methods run one after
another, so `cpu_seconds` stands beside the wall time for when the machine was not quiet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacking.peers import PEERS, Counter, Peer, Setting, installed
from benchmarks.attacking.targets import Targets
from benchmarks.report import Row, row
from ndcore.attacks import AttackConfig, AttackResult
from ndcore.networks.evaluator import evaluator_for
from ndcore.steps import Step

GOAL = 0.8
RACE = 40
PATIENCE = 5.5
SETTINGS = (Setting(100, 3), Setting(200, 5), Setting(400, 9))

Entry = dict[str, Any]


def race(targets: Targets, goal: int, seed: int, step: Step) -> tuple[list[Entry], list[Row]]:
    """What `fast` and every peer with every setting needed to break `goal` images, and as rows."""
    fast = _fast_race(targets, goal, seed)
    ours = fast["seconds"]
    verdict = f"time to {goal} successes"
    if not fast["reached"]:
        verdict = f"ended with {fast['succeeded']} of {goal} successes"
    entries, rows = [fast], [row(f"fast: {verdict}", ours, "s")]
    for name, (_, attack) in PEERS.items():
        if not installed(name):
            entries.append({"method": name, "problem": "not installed"})
            continue
        for setting in SETTINGS:

            def told(done: int, what: str = f"{name} {setting.queries}") -> None:
                step(what, done, len(targets))

            found = _peer_race(attack, targets, goal, setting, seed, PATIENCE * ours, told)
            entries.append({"method": name} | found)
            verdict = f"time to {goal} successes"
            if not found["reached"]:
                verdict = (
                    f"stopped with {found['succeeded']} of {goal} successes after "
                    f"{found['images']} images"
                )
            what = f"{name}, {setting.population} x {setting.generations + 1}: {verdict}"
            rows.append(row(what, found["seconds"], "s", "fast", found["seconds"] / ours))
    times = [entry["seconds"] for entry in entries[1:] if entry.get("reached")]
    if times and fast["reached"]:
        rows.append(row("fast: time of the best peer's", ours, "s", "best peer", ours / min(times)))
    return entries, rows


def _peer_race(
    attack: Peer,
    targets: Targets,
    goal: int,
    setting: Setting,
    seed: int,
    patience_s: float,
    told: Callable[[int], None],
) -> Entry:
    model = Counter(targets.bundle.model).eval()
    attack(model, targets.pixels[0], targets.labels[0], Setting(20, 1), seed)
    model.images = 0
    started, busy, broken, tried = time.perf_counter(), time.process_time(), 0, 0
    for i, (image, label) in enumerate(zip(targets.pixels, targets.labels, strict=True)):
        told(i)
        broken += _holds(targets, image, attack(model, image, label, setting, seed + i), label)
        tried += 1
        if broken >= goal or time.perf_counter() - started > patience_s:
            break
    return {
        "setting": asdict(setting),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "succeeded": broken,
        "images": tried,
        "queries": model.images,
        "reached": broken >= goal,
    }


def _fast_race(targets: Targets, goal: int, seed: int) -> Entry:
    broken = 0

    def on_result(_: int, result: AttackResult) -> None:
        nonlocal broken
        broken += result.success

    config = AttackConfig("fast", seed=seed)
    started, busy = time.perf_counter(), time.process_time()
    targets.attack(config, on_result=on_result, should_stop=lambda: broken >= goal)
    return {
        "method": "fast",
        "setting": None,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "succeeded": broken,
        "reached": broken >= goal,
    }


def _holds(
    targets: Targets, image: NDArray[np.uint8], attacked: NDArray[np.uint8], label: int
) -> bool:
    """One changed pixel at most, and another class in a plain pass of the 8-bit image."""
    changed = int((image != attacked).any(-1).sum())
    bundle = targets.bundle
    logits = evaluator_for(bundle.model, bundle.shape).plain(attacked[None])
    return changed <= 1 and int(logits[0].argmax()) != label
