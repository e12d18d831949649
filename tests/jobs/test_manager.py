from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ndcore.errors import BadRequestError, DataError, StoppedError
from ndcore.jobs import Job, JobManager


@pytest.fixture
def manager() -> Iterator[JobManager]:
    made = JobManager(max_queued=3, keep=2)
    yield made
    made.shutdown()


def wait(job: Job, seconds: float = 5) -> Job:
    deadline = time.monotonic() + seconds
    while job.active and time.monotonic() < deadline:
        time.sleep(0.005)
    return job


def until_stopped(job: Job) -> str:
    while not job.stopping:
        job.report("working")
        time.sleep(0.005)
    return "partial"


def test_result_progress_and_time(manager: JobManager) -> None:
    def work(job: Job) -> int:
        job.report(41)
        time.sleep(0.05)
        return 42

    before = time.monotonic()
    job = wait(manager.submit(work, label="sum"))
    assert (job.state, job.result, job.progress) == ("done", 42, 41)
    assert manager.get(job.id) is job
    assert 0.05 <= job.seconds <= time.monotonic() - before
    assert manager.get("unknown") is None


@pytest.mark.spec("UX-3")
def test_stop_takes_effect_at_once_and_keeps_what_was_found(manager: JobManager) -> None:
    job = manager.submit(until_stopped, label="endless")
    while job.state != "running":
        time.sleep(0.005)
    started = time.monotonic()
    job.cancel()
    assert wait(job).state == "cancelled"
    assert time.monotonic() - started < 1
    assert job.result == "partial"


def test_a_queued_job_waits_and_can_be_cancelled(manager: JobManager) -> None:
    first = manager.submit(until_stopped, label="first")
    second = manager.submit(until_stopped, label="second")
    assert second.state == "queued"
    assert manager.waiting_before(second) == 1
    second.cancel()
    assert second.state == "cancelled"
    first.cancel()
    wait(first)
    third = wait(manager.submit(lambda job: 1, label="third"))
    assert third.result == 1
    assert second.result is None


def test_deadline(manager: JobManager) -> None:
    job = wait(manager.submit(until_stopped, label="slow", deadline_s=0.05))
    assert job.state == "cancelled"


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (DataError("no such image"), "failed", "no such image"),
        (StoppedError("stopped"), "cancelled", "stopped"),
        (ZeroDivisionError("secret path"), "failed", "unexpectedly"),
    ],
)
def test_errors_are_sentences(
    manager: JobManager, error: Exception, state: str, sentence: str
) -> None:
    def work(_job: Job) -> None:
        raise error

    job = wait(manager.submit(work, label="bad"))
    assert job.state == state
    assert sentence in job.error
    assert "secret" not in job.error


def test_the_queue_is_bounded_and_old_jobs_are_forgotten(manager: JobManager) -> None:
    jobs = [manager.submit(until_stopped, label=str(i)) for i in range(3)]
    with pytest.raises(BadRequestError, match="full"):
        manager.submit(until_stopped, label="one too many")
    for job in jobs:
        job.cancel()
    for job in jobs:
        wait(job)
    for i in range(4):
        wait(manager.submit(lambda job: None, label=str(i)))
    assert manager.get(jobs[0].id) is None


def test_many_short_jobs_do_not_push_out_the_results_of_long_ones() -> None:
    manager = JobManager({"": 1, "quick": 1}, keep=2)
    long = wait(manager.submit(lambda job: 1, label="long"))
    for i in range(4):
        wait(manager.submit(lambda job: None, label=str(i), lane="quick"))
    assert manager.get(long.id) is long
    manager.shutdown()


def test_jobs_of_several_threads_do_not_mix(manager: JobManager) -> None:
    found: dict[int, int] = {}

    def use(number: int) -> None:
        while True:
            try:
                job = manager.submit(lambda job: number, label=str(number))
            except BadRequestError:
                time.sleep(0.01)
                continue
            found[number] = wait(job).result
            return

    threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: i for i in range(8)}
