"""One line of progress on stderr, where a person is watching."""

from __future__ import annotations

import sys
import time

EVERY_S = 0.2


class Progress:
    """Context manager; `step(what, done, total)` redraws the line, the end clears it."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._live = sys.stderr.isatty()
        self._last = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say what is being done; on a terminal at most five times a second, else once per step."""
        if not self._live:
            if what != self._last and total == 0:
                print(what, file=sys.stderr)
                self._last = what
            return
        now = time.monotonic()
        if now - self._shown >= EVERY_S:
            self._shown = now
            share = f" {done}/{total}" if total else ""
            sys.stderr.write(f"\r\x1b[K{what}{share}")
            sys.stderr.flush()

    def note(self, text: str) -> None:
        """Say something that stays."""
        print(f"\r\x1b[K{text}" if self._live else text, file=sys.stderr)
