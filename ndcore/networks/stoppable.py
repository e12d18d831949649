"""Stop is heard inside a batch: every function of torch asks first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ndcore.errors import StoppedError
from ndcore.steps import ShouldStop, is_stopped, stop_if


class _Asking(TorchFunctionMode):
    def __init__(self, should_stop: ShouldStop, told: str) -> None:
        super().__init__()
        self._should_stop, self._told = should_stop, told

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        stop_if(self._should_stop, self._told)
        return func(*args, **(kwargs or {}))


def stoppable(should_stop: ShouldStop, told: str = "stopped") -> AbstractContextManager[Any]:
    """Within this block every function of torch that this thread calls asks `should_stop` first.

    So a batch is left in its middle, however large it is, and one that is not left gives the same
    numbers. Blocks within blocks ask all of them. A model in TorchScript asks before a pass only.

    Raises:
        StoppedError: in the block, `should_stop` said so; its sentence is `told`.
    """
    return nullcontext() if should_stop is None else _Asking(should_stop, told)


@contextmanager
def until_stopped(should_stop: ShouldStop) -> Iterator[None]:
    """`stoppable`, but a stop ends the block and no more; one asked for further out goes on."""
    try:
        with stoppable(should_stop):
            yield
    except StoppedError:
        if not is_stopped(should_stop):
            raise


def ask() -> None:
    """Let the blocks around ask: for who waits, or works long without torch.

    Raises:
        StoppedError: one of them said so.
    """
    torch.empty(0)
