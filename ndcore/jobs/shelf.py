"""Results of jobs on disk, so that a link outlives the server.

A job is a folder under its id: `job` says what it is, `result` holds what it returned, or what it
began with where it grows; the parts that came since have numbers. All are of `storage.tree`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from ndcore.jobs.job import Job
from ndcore.storage.atomic import write_bytes
from ndcore.storage.tree import TreeError, decode, encode

logger = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_TIDY_S = 60.0  # between two looks at what is old
INTERRUPTED = "the server ended meanwhile"


class Shelf:
    """A folder of jobs. What cannot be written is not kept, and the log says so.

    Args:
        folder: need not exist.
        keep_days, keep_mb: what is older, or the oldest of what is more, goes.
    """

    def __init__(self, folder: Path, keep_days: float = 7.0, keep_mb: float = 1000.0) -> None:
        self._folder = folder
        self._keep_s, self._keep_bytes = 86400 * keep_days, 1e6 * keep_mb
        self._parts: dict[str, int] = {}
        self._tidied = 0.0
        self._lock = threading.Lock()

    def begun(self, job: Job) -> None:
        """See `Keeper`."""
        self._parts[job.id] = 0
        self._write(job, "result", job.result)
        self._describe(job, "running")

    def grown(self, job: Job, part: Any) -> None:
        """See `Keeper`."""
        if job.id in self._parts:
            self._parts[job.id] += 1
            self._write(job, f"{self._parts[job.id]:06}", part)

    def ended(self, job: Job, state: str) -> None:
        """See `Keeper`; a job that found nothing is not kept."""
        if not job.grows and job.result is not None:
            self._write(job, "result", job.result)
        if job.result is not None:
            self._describe(job, state)
        self._parts.pop(job.id, None)
        self.tidy()

    def open(self, job_id: str) -> Job | None:
        """A job of an earlier server, ended; None where there is none, or a damaged one."""
        folder = self._folder / job_id
        if not _ID.fullmatch(job_id) or not (folder / "job").is_file():
            return None
        try:
            told = decode((folder / "job").read_bytes())
            job = Job(told["label"], 0.0, told["kind"], told["about"])
            job.id = job_id
            job.result = decode((folder / "result").read_bytes())
            job.grows = bool(told["grows"])
            if job.grows:
                for path in sorted(folder.glob("[0-9]*")):
                    job.result.add(decode(path.read_bytes()))
            lost = told["state"] == "running"
            job.ended_as(
                "cancelled" if lost else told["state"],
                told["seconds"],
                error=told["error"],
                ended_by=INTERRUPTED if lost else told["ended_by"],
            )
        except (OSError, TreeError, KeyError, TypeError, AttributeError) as error:
            logger.warning("a kept job cannot be read: %s", error)
            return None
        return job

    def tidy(self) -> None:
        """Remove what is old, and the oldest of what is too much; at most once a minute."""
        with self._lock:
            if time.monotonic() - self._tidied < _TIDY_S:
                return
            self._tidied = time.monotonic()
        rows = []
        for folder in self._folder.glob("*"):
            # Another server on this folder may remove it meanwhile.
            with contextlib.suppress(OSError):
                sizes = [file.stat().st_size for file in folder.glob("*")]
                rows.append((folder.stat().st_mtime, sum(sizes), folder))
        left, now = sum(size for _, size, _ in rows), time.time()
        for changed, size, folder in sorted(rows):
            if folder.name in self._parts:
                continue
            if now - changed > self._keep_s or left > self._keep_bytes:
                shutil.rmtree(folder, ignore_errors=True)
                left -= size

    def _describe(self, job: Job, state: str) -> None:
        told = {
            "label": job.label,
            "kind": job.kind,
            "about": job.about,
            "state": state,
            "error": job.error,
            "ended_by": job.ended_by,
            "seconds": job.seconds,
            "grows": job.grows,
        }
        self._write(job, "job", told)

    def _write(self, job: Job, name: str, value: Any) -> None:
        folder = self._folder / job.id
        try:
            # Ids are permissions: nobody else on the machine may list them.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(folder / name, encode(value))
        except (OSError, TreeError) as error:
            logger.warning("job %s (%s) is not kept: %s", job.log_name, job.kind, error)
            self._parts.pop(job.id, None)
