"""The process that does one task for `apart.run_apart`: a task on stdin, news on stdout."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import IO, Any

from ndcore.jobs.apart import STOP, framed, read_framed
from ndcore.jobs.job import Growing, Job

REPORT_S = 0.2  # between two reports of progress
NICER = 5  # than the server that answers people
FOREVER_S = 1e9  # who started it holds to the deadline


class _Away(Job):
    """A job whose news goes to another process."""

    def __init__(self, news: IO[bytes]) -> None:
        super().__init__("", FOREVER_S)
        self._news, self._reported = news, 0.0

    def report(self, progress: Any) -> None:
        """Tell of it, but not too often."""
        super().report(progress)
        if time.monotonic() - self._reported >= REPORT_S:
            self._reported = time.monotonic()
            self.tell("progress", progress)

    def grow(self, result: Growing) -> None:
        """Begin on both sides."""
        super().grow(result)
        self.tell("grow", result)

    def add(self, part: Any) -> None:
        """Only on the other side: what was found is not needed here."""
        self.tell("add", part)

    def tell(self, *message: Any) -> None:
        """Send a message."""
        self._news.write(framed(message))
        self._news.flush()


def main() -> None:
    """Do the task and end."""
    # What a model prints is no news.
    news = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICER)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # where memory runs out, rather this process than the server
    task = read_framed(sys.stdin.buffer)
    job = _Away(news)
    threading.Thread(target=_listen, args=(job,), daemon=True).start()
    job.run(task)
    job.tell("ended", job.state, None if job.grows else job.result, job.error)
    os._exit(0)  # threads of torch that are under way are not waited for


def _listen(job: Job) -> None:
    """Stop when told; end with the server."""
    while (heard := sys.stdin.buffer.read(1)) == STOP:
        job.cancel()
    if not heard:
        os._exit(1)


if __name__ == "__main__":
    main()
