"""What keeps a server's memory small: few heaps, and what nobody uses is let go."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable

LOOK_S = 15.0
HEAPS = 2
_ARENA_MAX = -8  # of glibc's <malloc.h>


def few_heaps() -> None:
    """Let threads share `HEAPS` heaps of the C library.

    Else each of the first eight threads a core gets one, which keeps what the thread that needed
    most ever needed of it, and every visitor's page is drawn by a thread of its own.
    """
    _call("mallopt", _ARENA_MAX, HEAPS)


def give_back() -> None:
    """Hand freed memory to the system, which the C library keeps for itself else."""
    _call("malloc_trim", 0)


def watch(let_go: Callable[[], int], every_s: float = LOOK_S) -> threading.Thread:
    """Call `let_go` again and again, in a thread that ends with the process.

    Args:
        let_go: drops what is idle; returns how much of it there was.
        every_s: seconds between two calls.

    Returns:
        The thread.
    """

    def run() -> None:
        while True:
            time.sleep(every_s)
            if let_go():
                give_back()

    thread = threading.Thread(target=run, name="idle", daemon=True)
    thread.start()
    return thread


def _call(name: str, *values: int) -> None:
    """Call a function of glibc, where that is the C library."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*values)
