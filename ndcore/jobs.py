"""Background jobs for a shared server: a short queue, progress, stop, deadline."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ndcore.errors import BadRequestError, NeuralDivergenceError, StoppedError

logger = logging.getLogger(__name__)


class Job:
    """One piece of work; its id is hard to guess, so that a link to it is the permission.

    Attributes:
        id, label: name for machines, name for people.
        kind: what it is, such as `attack`; a link to a job of another kind is no link to it.
        about: what exactly was asked; anything that can be compared.
        lane: queue it waits in.
        state: `queued`, `running`, `done`, `cancelled` or `failed`.
        progress: the latest report, or None.
        result: what the work returned; a stopped job keeps what it returned until then.
        error: one sentence when it failed.
    """

    def __init__(
        self, label: str, deadline_s: float, kind: str = "", about: object = None, lane: str = ""
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.label = label
        self.kind, self.about, self.lane = kind, about, lane
        self.state = "queued"
        self.progress: Any = None
        self.result: Any = None
        self.error = ""
        self._deadline_s = deadline_s
        self._stop = threading.Event()
        self._started = self._ended = 0.0

    @property
    def active(self) -> bool:
        """Queued or running."""
        return self.state in ("queued", "running")

    @property
    def stopping(self) -> bool:
        """The work should end soon: it was cancelled or ran past its deadline."""
        late = bool(self._started) and time.monotonic() - self._started > self._deadline_s
        return late or self._stop.is_set()

    @property
    def seconds(self) -> float:
        """Wall time of the work so far."""
        if not self._started:
            return 0.0
        return (self._ended or time.monotonic()) - self._started

    def report(self, progress: Any) -> None:
        """Called by the work; the latest report is kept."""
        self.progress = progress

    def cancel(self) -> None:
        """Ask the work to stop; it decides when it can."""
        self._stop.set()
        if self.state == "queued":
            self.state = "cancelled"

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do the work in the calling thread."""
        if self._stop.is_set():
            return
        self._started = time.monotonic()
        self.state = "running"
        try:
            self.result = work(self)
            final = "cancelled" if self.stopping else "done"
        except StoppedError as error:
            self.error, final = str(error), "cancelled"
        except NeuralDivergenceError as error:
            self.error, final = str(error), "failed"
        except Exception:
            logger.exception("job %s failed", self.label)
            self.error, final = "the work failed unexpectedly; the server's log says why", "failed"
        self._ended = time.monotonic()
        self.state = final


class JobManager:
    """Runs jobs in a few threads.

    Args:
        lanes: queue -> jobs at a time; those of one lane do not wait for those of another.
        max_queued: active jobs at most.
        keep: finished jobs of each lane to remember, the latest ones.
    """

    def __init__(
        self, lanes: Mapping[str, int] | None = None, max_queued: int = 32, keep: int = 16
    ) -> None:
        self._lanes = dict(lanes or {"": 1})
        self._queues: dict[str, queue.SimpleQueue[Callable[[], None] | None]] = {
            lane: queue.SimpleQueue() for lane in self._lanes
        }
        for lane, workers in self._lanes.items():
            for _ in range(workers):
                # Daemons, so that a server which is told to end does not wait for an attack.
                task = partial(self._work, self._queues[lane])
                threading.Thread(target=task, name=f"job-{lane}", daemon=True).start()
        self._max_queued = max_queued
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def submit(
        self,
        work: Callable[[Job], Any],
        *,
        label: str,
        deadline_s: float = 600,
        kind: str = "",
        about: object = None,
        lane: str = "",
    ) -> Job:
        """Queue `work(job)` in a lane; see `Job` for the other arguments.

        Raises:
            BadRequestError: the queue is full.
        """
        with self._lock:
            if sum(job.active for job in self._jobs.values()) >= self._max_queued:
                raise BadRequestError("the queue is full; try again when a job has finished")
            job = Job(label, deadline_s, kind, about, lane)
            self._jobs[job.id] = job
            done = (old for old in self._jobs.values() if not old.active)
            finished = [old.id for old in done if old.lane == lane]
            for old in finished[: max(0, len(finished) - self._keep)]:
                del self._jobs[old]
        self._queues[lane].put(lambda: job.run(work))
        return job

    @staticmethod
    def _work(tasks: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        while (task := tasks.get()) is not None:
            task()

    def get(self, job_id: str) -> Job | None:
        """A job by its id, or None."""
        return self._jobs.get(job_id)

    def find(self, kind: str, about: object) -> Job | None:
        """The latest job of this kind that was asked exactly this, or None."""
        jobs = list(self._jobs.values())[::-1]
        return next((job for job in jobs if (job.kind, job.about) == (kind, about)), None)

    def waiting_before(self, job: Job) -> int:
        """How many active jobs of its lane were queued before this one."""
        jobs = list(self._jobs.values())
        ids = [other.id for other in jobs if other.active and other.lane == job.lane]
        return ids.index(job.id) if job.id in ids else 0

    def shutdown(self) -> None:
        """Cancel everything and end the threads."""
        for job in list(self._jobs.values()):
            job.cancel()
        for lane, workers in self._lanes.items():
            for _ in range(workers):
                self._queues[lane].put(None)
