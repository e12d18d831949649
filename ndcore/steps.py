"""How long work says what it is doing, and how it is stopped (see `networks.stoppable` too)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

from ndcore.errors import StoppedError

ASK_EVERY_S = 0.05  # who waits for another thread

ShouldStop = Callable[[], bool] | None
Step = Callable[[str, int, int], None]  # what is being done, done, total


def no_step(_what: str, _done: int, _total: int) -> None:
    """For work that nobody watches."""


def counter(step: Step, what: str, total: int, done: int = 0) -> Callable[[int], None]:
    """To be called with the number of images that came to the `done` ones."""

    def count(images: int) -> None:
        nonlocal done
        done += images
        step(what, done, total)

    return count


def is_stopped(should_stop: ShouldStop) -> bool:
    """Whether somebody asks to stop; never where nobody can."""
    return should_stop is not None and should_stop()


def stop_if(should_stop: ShouldStop, told: str = "stopped") -> None:
    """Raise StoppedError with the sentence `told` where that is asked for."""
    if is_stopped(should_stop):
        raise StoppedError(told)


@contextmanager
def stoppable_calls(modules: tuple[str, ...], should_stop: ShouldStop) -> Iterator[None]:
    """Ask whenever this thread calls a Python function of these modules: of a library that loops
    in Python for long and takes no question of its own.

    It takes the place of a profiler of this thread.

    Args:
        modules: beginnings of their names.
        should_stop: the question.

    Raises:
        StoppedError: in the block, `should_stop` said so.
    """

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith(modules):
            stop_if(should_stop)

    before = sys.getprofile()
    sys.setprofile(before if should_stop is None else look)
    try:
        yield
    finally:
        sys.setprofile(before)


def load(module: str, should_stop: ShouldStop) -> None:
    """Import a large library; a stop leaves it to be loaded to its end behind the scenes.

    Raises:
        StoppedError: `should_stop` said so.
    """
    loading = threading.Thread(target=import_module, args=(module,), daemon=True)
    loading.start()
    while loading.is_alive():
        stop_if(should_stop)
        loading.join(ASK_EVERY_S)


def in_parts(count: int, size: int) -> Iterator[slice]:
    """`count` things, `size` at a time."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
