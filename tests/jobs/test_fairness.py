"""Who waits for whom: sessions in turn, a share of the places for each, waits that are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ndcore.errors import BadRequestError
from ndcore.jobs import Job, JobManager
from ndcore.settings import Settings
from tests.ui import ended


class Gate:
    """Work that waits for a sign, and says in which order it was begun."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[str] = []

    def __call__(self, job: Job) -> str:
        self.begun.append(job.label)
        while not self.open.is_set() and not job.stopping:
            time.sleep(0.005)
        return job.label


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def manager(gate: Gate) -> Iterator[JobManager]:
    made = JobManager({"": 1, "two": 2}, bounds=Settings(places=4))
    yield made
    gate.open.set()
    made.shutdown(5)


def until_running(job: Job) -> None:
    for _ in range(1000):
        if job.state == "running":
            return
        time.sleep(0.005)
    raise AssertionError("the job does not begin")


@pytest.mark.spec("LB-1")
def test_sessions_are_served_in_turn(manager: JobManager, gate: Gate) -> None:
    first = manager.submit(gate, label="a0", session="a")
    until_running(first)
    for label in ("a1", "a2", "b1", "b2", "c1"):
        manager.submit(gate, label=label, session=label[0])
    gate.open.set()
    for _ in range(600):
        if len(gate.begun) == 6:
            break
        time.sleep(0.01)
    assert gate.begun == ["a0", "a1", "b1", "c1", "a2", "b2"]


def test_the_place_in_the_queue_is_told_as_it_will_be(manager: JobManager, gate: Gate) -> None:
    first = manager.submit(gate, label="a0", session="a")
    until_running(first)
    assert manager.expected_wait_s(first) is None
    more = [manager.submit(gate, label=f"a{i}", session="a") for i in (1, 2)]
    other = manager.submit(gate, label="b1", session="b")
    assert [manager.waiting_before(job) for job in (*more, other)] == [1, 3, 2]
    assert manager.waiting_before(first) == 0
    gate.open.set()
    for job in (*more, other):
        ended(job)
    gate.open.clear()
    last = manager.submit(gate, label="c", session="c")
    until_running(last)
    waiting = manager.submit(gate, label="d", session="d")
    wait = manager.expected_wait_s(waiting)
    assert wait is not None
    assert 0 <= wait < 60


@pytest.mark.spec("LB-1")
def test_one_session_cannot_lock_the_others_out(manager: JobManager, gate: Gate) -> None:
    mine = [manager.submit(gate, label=str(i), session="a", lane="two") for i in range(4)]
    with pytest.raises(BadRequestError, match="you have 4 jobs"):
        manager.submit(gate, label="5", session="a")
    # Nor does it take both places at which work is done.
    until_running(mine[0])
    other = manager.submit(gate, label="b", session="b", lane="two")
    until_running(other)
    assert [job.state for job in mine] == ["running", "queued", "queued", "queued"]


def test_what_nobody_looks_at_ends(gate: Gate) -> None:
    manager = JobManager(bounds=Settings(abandon_minutes=0.2 / 60))
    watched = manager.submit(gate, label="watched", session="a")
    waiting = manager.submit(gate, label="waiting", session="b")
    until_running(watched)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        watched.look()
        time.sleep(0.02)
    assert watched.active
    ended(watched)
    ended(waiting)
    for job in (watched, waiting):
        assert (job.state, job.ended_by) == ("cancelled", "nobody looked at it any more")
    assert gate.begun == ["watched"]
    manager.shutdown(5)


def test_the_server_bounds_how_long_a_job_goes_on(gate: Gate) -> None:
    manager = JobManager(bounds=Settings(deadline_minutes=0.05 / 60))
    job = ended(manager.submit(gate, label="long", deadline_s=3600))
    assert job.state == "cancelled"
    assert "the most this server allows" in job.ended_by
    manager.shutdown(5)
