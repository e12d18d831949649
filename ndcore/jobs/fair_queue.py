"""A queue that serves sessions in turn, so that who asks for much does not keep others waiting."""

from __future__ import annotations

import threading
from collections import Counter, deque

from ndcore.jobs.job import ABANDONED, Job, Work


class FairQueue:
    """Jobs with their work. A session is served once before another is served twice, and has one
    job under way at a time; the jobs of the server itself ("") have no such bound."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Job, Work]]] = {}  # the next session first
        self._under_way: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, job: Job, work: Work) -> None:
        """Queue a job behind those of its session."""
        with self._changed:
            self._waiting.setdefault(job.session, deque()).append((job, work))
            self._changed.notify()

    def get(self) -> tuple[Job, Work] | None:
        """Wait for the next job, which is under way until `done`; None once closed."""
        with self._changed:
            while not self._closed:
                if (found := self._next()) is not None:
                    self._under_way[found[0].session] += 1
                    return found
                self._changed.wait()
        return None

    def done(self, job: Job) -> None:
        """A job that `get` gave is over."""
        with self._changed:
            self._under_way[job.session] -= 1
            if not self._under_way[job.session]:
                del self._under_way[job.session]
            self._changed.notify()

    def close(self) -> None:
        """Give no more jobs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def order(self) -> list[Job]:
        """The jobs that wait, in the order in which they are served if no other comes."""
        with self._changed:
            lines = [[job for job, _ in line if job.active] for line in self._waiting.values()]
        found: list[Job] = []
        for place in range(max(map(len, lines), default=0)):
            found += [line[place] for line in lines if place < len(line)]
        return found

    def _next(self) -> tuple[Job, Work] | None:
        for session, line in list(self._waiting.items()):
            while line and (not line[0][0].active or line[0][0].stopping):
                line.popleft()[0].cancel(ABANDONED)
            if not line:
                del self._waiting[session]
            elif not session or not self._under_way[session]:
                found = line.popleft()
                # Behind all others, for the next turn.
                del self._waiting[session]
                if line:
                    self._waiting[session] = line
                return found
        return None
