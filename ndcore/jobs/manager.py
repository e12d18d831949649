"""Runs jobs in a few threads, each lane with a fair queue of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from functools import partial

from ndcore.errors import BadRequestError
from ndcore.jobs.apart import run_apart
from ndcore.jobs.fair_queue import FairQueue
from ndcore.jobs.job import Job, Work
from ndcore.jobs.shelf import Shelf
from ndcore.settings import Settings

logger = logging.getLogger(__name__)

HEAVY = "heavy"  # the lane whose work is done by processes of their own
_TIMED = 10  # jobs of a lane whose length says how long the next ones wait
_ASK_S = 0.02


class JobManager:
    """Queues, runs, remembers and finds jobs.

    Args:
        lanes: queue -> jobs at a time; those of one lane do not wait for those of another. The
            work of the lane `HEAVY` must be a dataclass of this project, see `apart`.
        max_queued: active jobs at most.
        keep: finished jobs of each lane to remember, the latest ones; others are on the shelf.
        bounds: of sessions and jobs.
        shelf: keeps results on disk, where they should outlive this manager.
    """

    def __init__(
        self,
        lanes: Mapping[str, int] | None = None,
        max_queued: int = 32,
        keep: int = 16,
        *,
        bounds: Settings | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._lanes = dict(lanes or {"": 1})
        self._queues = {lane: FairQueue() for lane in self._lanes}
        self._bounds, self._shelf = bounds or Settings(), shelf
        self._max_queued, self._keep = max_queued, keep
        self._jobs: dict[str, Job] = {}
        self._opened: dict[str, Job] = {}  # from the shelf
        self._lasted: dict[str, deque[float]] = {lane: deque(maxlen=_TIMED) for lane in self._lanes}
        self._lock = threading.Lock()
        for lane, workers in self._lanes.items():
            for _ in range(workers):
                # Daemons, so that a server which is told to end does not wait for an attack.
                work = partial(self._work, lane)
                threading.Thread(target=work, name=f"job-{lane}", daemon=True).start()

    def submit(
        self,
        work: Work,
        *,
        label: str,
        deadline_s: float = 600,
        kind: str = "",
        about: object = None,
        lane: str = "",
        session: str = "",
    ) -> Job:
        """Queue `work(job)` in a lane; see `Job` for the other arguments.

        Raises:
            BadRequestError: the queue is full, or this session has its share of it.
        """
        deadline_s = min(deadline_s, 60 * self._bounds.deadline_minutes)
        abandon_s = 60 * self._bounds.abandon_minutes if session else 0.0
        with self._lock:
            active = [job for job in self._jobs.values() if job.active]
            if len(active) >= self._max_queued:
                raise BadRequestError("the queue is full; try again when a job has finished")
            mine = sum(job.session == session for job in active)
            if session and mine >= self._bounds.places:
                raise BadRequestError(
                    f"you have {mine} jobs that wait or run, as many as one visitor may; try "
                    "again when one has finished, or stop one"
                )
            job = Job(label, deadline_s, kind, about, lane, session, abandon_s)
            job.keeper = self._shelf
            self._jobs[job.id] = job
            done = (old for old in self._jobs.values() if not old.active)
            finished = [old.id for old in done if old.lane == lane]
            for old in finished[: max(0, len(finished) - self._keep)]:
                del self._jobs[old]
        self._queues[lane].put(job, work)
        return job

    def _work(self, lane: str) -> None:
        while (found := self._queues[lane].get()) is not None:
            job, work = found
            job.run(partial(run_apart, task=work) if lane == HEAVY else work)
            if job.state == "done":
                self._lasted[lane].append(job.seconds)
            logger.info(
                "job %s",
                job.state,
                extra={
                    "job": job.log_name,
                    "kind": job.kind,
                    "lane": lane,
                    "seconds": round(job.seconds, 3),
                },
            )
            self._queues[lane].done(job)

    def get(self, job_id: str) -> Job | None:
        """A job by its id, of this server or kept by an earlier one, or None."""
        found = self._jobs.get(job_id) or self._opened.get(job_id)
        if found is None and self._shelf is not None:
            found = self._shelf.open(job_id)
            if found is not None:
                with self._lock:
                    self._opened[job_id] = found
                    for old in list(self._opened)[: -self._keep]:
                        del self._opened[old]
        return found

    def find(self, kind: str, about: object) -> Job | None:
        """The latest job of this kind that was asked exactly this, or None."""
        jobs = list(self._jobs.values())[::-1]
        return next((job for job in jobs if (job.kind, job.about) == (kind, about)), None)

    def waiting_before(self, job: Job) -> int:
        """How many jobs of its lane are served before this one; 0 once it runs."""
        line = self._queues[job.lane].order()
        if job not in line:
            return 0
        return line.index(job) + len(self._running(job.lane))

    def expected_wait_s(self, job: Job) -> float | None:
        """About how long until it begins, by the latest jobs of its lane; None without any."""
        lasted = self._lasted[job.lane]
        if not lasted:
            return None
        usual = sum(lasted) / len(lasted)
        running = self._running(job.lane)
        left = sum(max(0.0, usual - other.seconds) for other in running)
        queued = self.waiting_before(job) - len(running)
        return max(0.0, left + queued * usual) / self._lanes[job.lane]

    def _running(self, lane: str) -> list[Job]:
        jobs = list(self._jobs.values())
        return [job for job in jobs if job.state == "running" and job.lane == lane]

    def shutdown(self, patience_s: float = 0.0) -> bool:
        """Cancel everything and end the threads; whether all work ended within `patience_s`."""
        jobs = [job for job in list(self._jobs.values()) if job.active]
        for queue in self._queues.values():
            queue.close()
        for job in jobs:
            job.cancel("the server ended meanwhile")
        end = time.monotonic() + patience_s
        while any(job.active for job in jobs) and time.monotonic() < end:
            time.sleep(_ASK_S)
        return not any(job.active for job in jobs)
