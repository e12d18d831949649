"""How long work says what it is doing, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ndcore.errors import StoppedError

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


def in_parts(count: int, size: int, should_stop: ShouldStop = None) -> Iterator[slice]:
    """`count` things, `size` at a time.

    Raises:
        StoppedError: that was asked for before one of the parts.
    """
    for start in range(0, count, size):
        stop_if(should_stop)
        yield slice(start, min(start + size, count))
