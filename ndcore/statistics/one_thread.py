"""One thread for torch and numpy: sums in another order are other sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """What is computed here hangs neither on the number of cores nor on who shares them."""
    import torch  # loaded by whoever computes, not by the command line

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
