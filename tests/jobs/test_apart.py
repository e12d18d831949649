"""Work in a process of its own: the same results, stopped, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ndcore.attacks import AttackConfig
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.data.catalog import open_source
from ndcore.jobs import Job, JobManager
from ndcore.jobs.manager import HEAVY
from ndcore.jobs.shelf import Shelf
from ndcore.tasks.attack import AttackJob
from ndcore.tasks.opened import Apart
from tests.ui import ended


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[JobManager]:
    made = JobManager({HEAVY: 1}, shelf=Shelf(tmp_path / "jobs"))
    yield made
    made.shutdown(5)


def task(bundle: Bundle, images: int, config: AttackConfig, weights: str = "") -> Apart:
    source = open_source("digits")
    members = list(range(images))
    choice = Choice.of(source, members, names=tuple(source.ids[i] for i in members))
    return Apart(AttackJob(choice, config), ((bundle.name, weights or bundle.weight_hash),))


def endless(bundle: Bundle) -> Apart:
    return task(bundle, 200, AttackConfig("exhaustive", pixels=5, max_queries=10_000_000))


def begun(manager: JobManager, job: Job) -> int:
    """The id of its process, once it has a result to keep."""
    for _ in range(1200):
        if job.progress is not None:
            asked = ["pgrep", "-P", str(os.getpid()), "-f", "ndcore.jobs.worker"]
            return int(subprocess.run(asked, capture_output=True, text=True).stdout.split()[0])
        assert job.active, job.error
        time.sleep(0.05)
    raise AssertionError("the work does not begin")


def gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


@pytest.mark.spec("LB-1")
def test_it_finds_what_this_process_would_find(manager: JobManager, digits_bundle: Bundle) -> None:
    asked = task(digits_bundle, 3, AttackConfig("fast", max_queries=60))
    job = ended(manager.submit(asked, label="attack", kind="job", about="x", lane=HEAVY))
    assert job.state == "done", job.error
    here = Job("", 600)
    here.run(asked)
    rows = [
        [result.to_dict(digits_bundle.classes) | {"seconds": 0} for result in each.result.results]
        for each in (job, here)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


@pytest.mark.spec("LB-1")
def test_it_is_stopped_within_a_second_even_if_it_does_not_listen(
    manager: JobManager, digits_bundle: Bundle
) -> None:
    for deaf in (False, True):
        job = manager.submit(endless(digits_bundle), label="attack", kind="job", lane=HEAVY)
        process = begun(manager, job)
        if deaf:
            os.kill(process, signal.SIGSTOP)
        started = time.monotonic()
        job.cancel()
        while job.active and time.monotonic() - started < 30:
            time.sleep(0.01)
        assert job.state == "cancelled"
        assert time.monotonic() - started < 3  # 1 s and a crowded machine
        assert job.result is not None
        assert gone(process)


def test_a_killed_process_harms_nobody(
    manager: JobManager, digits_bundle: Bundle, tmp_path: Path
) -> None:
    job = manager.submit(endless(digits_bundle), label="attack", kind="job", about="x", lane=HEAVY)
    os.kill(begun(manager, job), signal.SIGKILL)
    ended(job)
    assert (job.state, job.error) == (
        "failed",
        "the process that did the work ended unexpectedly; what it found is kept",
    )
    assert Shelf(tmp_path / "jobs").open(job.id) is not None
    next_one = task(digits_bundle, 1, AttackConfig("fast", max_queries=10))
    assert ended(manager.submit(next_one, label="", lane=HEAVY)).state == "done"


def test_other_weights_and_a_missing_bundle_are_one_sentence(
    manager: JobManager, digits_bundle: Bundle
) -> None:
    other = task(digits_bundle, 1, AttackConfig(), weights="other")
    job = ended(manager.submit(other, label="", lane=HEAVY))
    assert job.state == "failed"
    assert "built anew" in job.error
