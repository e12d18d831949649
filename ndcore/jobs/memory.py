"""Memory and the C library: few heaps for a server, what nobody uses is let go, training keeps."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable

LOOK_S = 15.0
HEAPS = 2
KEPT = 2**31 - 1
# Of glibc's <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def few_heaps() -> None:
    """Let threads share `HEAPS` heaps of the C library.

    Else each of the first eight threads a core gets one, which keeps what the thread that needed
    most ever needed of it, and every visitor's page is drawn by a thread of its own.
    """
    _call("mallopt", _ARENA_MAX, HEAPS)


def give_back() -> None:
    """Hand freed memory to the system, which the C library keeps for itself else."""
    _call("malloc_trim", 0)


def keep_freed() -> None:
    """Keep freed memory for what is asked for next, in a process that does one thing over and over.

    Else large blocks, such as the maps of a batch, go back to the system as soon as they are
    freed, and every step of a training fetches them anew, page by page.
    """
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, KEPT), (_ARENA_MAX, 1)):
        _call("mallopt", option, value)


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
