"""How long work says what it is doing, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

from ndcore.errors import StoppedError

__all__ = ["Step", "counter", "no_step", "stop_if"]

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


def stop_if(should_stop: Callable[[], bool] | None, told: str = "stopped") -> None:
    """Raise StoppedError with the sentence `told` where that is asked for."""
    if should_stop and should_stop():
        raise StoppedError(told)
