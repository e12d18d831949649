"""One piece of work in the background: progress, stop, deadline, and results that grow."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ndcore.errors import NeuralDivergenceError, StoppedError

logger = logging.getLogger(__name__)

ABANDONED = "nobody looked at it any more"

Work = Callable[["Job"], Any]


class Growing(Protocol):
    """A result that comes in parts."""

    def add(self, part: Any) -> None:
        """Take another part in."""


class Keeper(Protocol):
    """Who is told what a job has found, as it finds it."""

    def begun(self, job: Job) -> None:
        """`job.result` is there and will grow."""

    def grown(self, job: Job, part: Any) -> None:
        """It has taken another part in."""

    def ended(self, job: Job, state: str) -> None:
        """The job is over, and will be in this state."""


class Job:
    """Some work; its id is hard to guess, so that a link to it is the permission.

    Attributes:
        id, label: name for machines, name for people.
        kind: what it is, such as `attack`; a link to a job of another kind is no link to it.
        about: what exactly was asked; anything that can be compared.
        lane: queue it waits in.
        session: who asked; "" for the server itself.
        state: `queued`, `running`, `done`, `cancelled` or `failed`.
        progress: the latest report, or None.
        result: what the work returned; a stopped job keeps what it returned until then.
        error: one sentence when it failed.
        ended_by: in words, what ended it where that was not its user; else "".
        keeper: is told of its results.

    Args:
        label, kind, about, lane, session: as above.
        deadline_s: it is stopped so long after its start.
        abandon_s: or so long after somebody last looked at it; 0 for never.
    """

    def __init__(
        self,
        label: str,
        deadline_s: float,
        kind: str = "",
        about: object = None,
        lane: str = "",
        session: str = "",
        abandon_s: float = 0.0,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.label = label
        self.kind, self.about, self.lane, self.session = kind, about, lane, session
        self.state = "queued"
        self.progress: Any = None
        self.result: Any = None
        self.error = self.ended_by = ""
        self.keeper: Keeper | None = None
        self.grows = False
        self._deadline_s, self._abandon_s = deadline_s, abandon_s
        self._stop = threading.Event()
        self._started = self._ended = 0.0
        self._looked = time.monotonic()

    @property
    def log_name(self) -> str:
        """Names it where its id must not be read, such as in a log."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:12]

    @property
    def active(self) -> bool:
        """Queued or running."""
        return self.state in ("queued", "running")

    @property
    def stopping(self) -> bool:
        """The work should end soon: it was cancelled, is late, or nobody looks at it."""
        return self._stop.is_set() or self.late or self.abandoned

    @property
    def late(self) -> bool:
        """It ran past its deadline."""
        return bool(self._started) and time.monotonic() - self._started > self._deadline_s

    @property
    def abandoned(self) -> bool:
        """Nobody has looked at it for too long."""
        return bool(self._abandon_s) and time.monotonic() - self._looked > self._abandon_s

    @property
    def seconds(self) -> float:
        """Wall time of the work so far."""
        if not self._started:
            return 0.0
        return (self._ended or time.monotonic()) - self._started

    def look(self) -> None:
        """Somebody looks at it."""
        self._looked = time.monotonic()

    def report(self, progress: Any) -> None:
        """Called by the work; the latest report is kept."""
        self.progress = progress

    def grow(self, result: Growing) -> None:
        """Called by the work: a result that is shown, and kept, as it grows by `add`."""
        self.result, self.grows = result, True
        if self.keeper is not None:
            self.keeper.begun(self)

    def add(self, part: Any) -> None:
        """Called by the work after `grow`."""
        self.result.add(part)
        if self.keeper is not None:
            self.keeper.grown(self, part)

    def cancel(self, ended_by: str = "") -> None:
        """Ask the work to stop; it decides when it can."""
        if self.active:
            self.ended_by = self.ended_by or ended_by
        self._stop.set()
        if self.state == "queued":
            self.state = "cancelled"

    def run(self, work: Work) -> None:
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
            logger.exception("job %s (%s) failed", self.log_name, self.kind)
            self.error, final = "the work failed unexpectedly; the server's log says why", "failed"
        self._end(final)

    def ended_as(self, state: str, seconds: float, *, error: str = "", ended_by: str = "") -> None:
        """Make it one that was run before, for so long."""
        self._started, self._ended = 1.0, 1.0 + seconds
        self.error, self.ended_by, self.state = error, ended_by, state

    def _end(self, final: str) -> None:
        if final == "cancelled" and not self._stop.is_set():
            if self.late:
                minutes = self._deadline_s / 60
                self.ended_by = f"it ran for {minutes:,.3g} minutes, the most this server allows"
            elif self.abandoned:
                self.ended_by = ABANDONED
        self._ended = time.monotonic()
        if self.keeper is not None:
            self.keeper.ended(self, final)
        self.state = final
