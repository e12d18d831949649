"""Results on disk: found again by a new server, whole or in part, and tidied away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from ndcore.attacks import AttackConfig
from ndcore.data.batch import Choice
from ndcore.jobs import Job, JobManager
from ndcore.jobs.shelf import Shelf
from ndcore.tasks.attack import AttackJob
from tests.ui import ended


def attack() -> AttackJob:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    return AttackJob(Choice(("a", "b"), np.array([1, 2]), images, ("a", "b")), AttackConfig())


@pytest.mark.spec("LB-2")
def test_a_result_outlives_its_server(tmp_path: Path) -> None:
    place = tmp_path / "jobs"
    manager = JobManager(shelf=Shelf(place))
    about = ("bundle", 3)
    job = ended(manager.submit(lambda _: {"n": 1}, label="x", kind="sum", about=about))
    nothing = ended(manager.submit(lambda _: None, label="x", kind="none"))
    manager.shutdown()
    again = JobManager(shelf=Shelf(place))
    found = again.get(job.id)
    assert found is not None
    assert (found.kind, found.about, found.state, found.result) == ("sum", about, "done", {"n": 1})
    assert found.seconds == pytest.approx(job.seconds, abs=1e-6)
    assert again.get(job.id) is found
    assert again.get(nothing.id) is None
    assert place.stat().st_mode & 0o077 == 0  # the ids are no one else's to list
    again.shutdown()


@pytest.mark.spec("LB-2")
def test_what_grew_until_the_server_was_killed_is_there(tmp_path: Path) -> None:
    job = Job("attack", 600, kind="job", about="digits")
    job.keeper = Shelf(tmp_path)
    job.grow(attack())
    job.add((1, "second"))
    job.add((0, "first"))
    # Killed here: nobody says that it ended, and the last part is only half there.
    (tmp_path / job.id / "000003").write_bytes(b"")
    assert Shelf(tmp_path).open(job.id) is None
    (tmp_path / job.id / "000003").unlink()
    found = Shelf(tmp_path).open(job.id)
    assert found is not None
    assert found.result.found == {1: "second", 0: "first"}
    assert (found.state, found.ended_by) == ("cancelled", "the server ended meanwhile")


@pytest.mark.parametrize("job_id", ["", "..", "../../etc/passwd", "a" * 16, "a/b", "é" * 16])
def test_a_wrong_id_is_no_path(tmp_path: Path, job_id: str) -> None:
    assert Shelf(tmp_path).open(job_id) is None


def test_old_and_large_ones_go(tmp_path: Path) -> None:
    jobs = []
    for age_days in (3, 2, 1):
        shelf = Shelf(tmp_path, keep_days=100)
        manager = JobManager(shelf=shelf)
        jobs.append(ended(manager.submit(lambda _: bytes(10_000), label="", kind="x")))
        manager.shutdown()
        then = time.time() - 86400 * age_days
        os.utime(tmp_path / jobs[-1].id, (then, then))
    Shelf(tmp_path, keep_days=2.5, keep_mb=0.015).tidy()
    assert [(tmp_path / job.id).exists() for job in jobs] == [False, False, True]


def test_a_disk_that_takes_nothing_costs_no_result(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    manager = JobManager(shelf=Shelf(blocked / "jobs"))
    job = ended(manager.submit(lambda _: 7, label="", kind="x"))
    assert (job.state, job.result) == ("done", 7)
    manager.shutdown()
