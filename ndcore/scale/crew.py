"""Who does the shards of long work: processes of this machine, or the workers of a Dask cluster.

What work is asked for and in which shards it falls hang on the work alone, and each shard is done
by one thread, so the results are the same bytes whoever does them. What travels to a worker says
how to open what is worked on, and which positions in it; what was lost with a worker is done again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from threading import Lock
from typing import Any, TypeVar

from joblib import parallel_config
from joblib.externals.loky import BrokenProcessPool, get_reusable_executor

from ndcore.errors import BadRequestError
from ndcore.statistics.one_thread import one_thread

TRIES = 3  # in a row without a single shard done
MOST_WORKERS = 512
REACHED_WITHIN_S = 10
IDLE_S = 60  # after which a process without work ends
Part = TypeVar("Part")
Work = Callable[[Sequence[int]], Part]


@dataclass(frozen=True)
class Crew:
    """Who works.

    Attributes:
        workers: processes of this machine; 1 is this process.
        scheduler: address of a Dask scheduler, whose workers work instead; "" for none.

    Raises:
        BadRequestError: no such number, or both were asked for.
    """

    workers: int = 1
    scheduler: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MOST_WORKERS:
            raise BadRequestError(f"workers must be 1 to {MOST_WORKERS}, got {self.workers}")
        if self.scheduler and self.workers > 1:
            raise BadRequestError("a scheduler has workers of its own: give --workers or it")

    def parts(
        self, work: Work[Part], shards: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, Part]]:
        """The number of each shard and what `work` makes of it, in the order in which they end.

        Args:
            work: can be pickled; is called with a shard.
            shards: positions in what is worked on.

        Raises:
            BadRequestError: workers are lost again and again, there is no such scheduler, or its
                workers would work in another way.
        """
        if self.workers == 1 and not self.scheduler:
            yield from ((at, _alone(work, shard)) for at, shard in enumerate(shards))
            return
        left, fruitless = dict(enumerate(shards)), 0
        while left:
            if fruitless == TRIES:
                raise BadRequestError(f"workers were lost {TRIES} times in a row: is memory short?")
            fruitless += 1
            with self._executor() as executor:
                for at, part in _ended(executor, work, dict(left)):
                    del left[at]
                    fruitless = 0
                    yield at, part

    def each(
        self, work: Work[Sequence[Part]], shards: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, Part]]:
        """Every position and what was made of it, where `work` gives as much for each."""
        for at, part in self.parts(work, shards):
            yield from zip(shards[at], part, strict=True)

    def in_order(
        self, work: Work[Sequence[Part]], shards: Sequence[Sequence[int]]
    ) -> Iterator[Part]:
        """What was made of each position, in order; who needs no more may stop."""
        waiting: dict[int, Sequence[Part]] = {}
        turn = 0
        for at, part in self.parts(work, shards):
            waiting[at] = part
            while turn in waiting:
                yield from waiting.pop(turn)
                turn += 1

    def _executor(self) -> AbstractContextManager[Executor]:
        return _cluster(self.scheduler) if self.scheduler else _processes(self.workers)


def shards_of(positions: Sequence[int], size: int) -> list[list[int]]:
    """Shards with the positions whose number divided by `size` is the same.

    So a position lies in the same shard whatever was done before, and its neighbours beside it.
    """
    return [list(some) for _, some in groupby(sorted(positions), lambda at: at // size)]


def _ended(
    executor: Executor, work: Work[Part], shards: dict[int, Sequence[int]]
) -> Iterator[tuple[int, Part]]:
    """The number of each shard and what came of it, but of those whose workers were lost."""
    running: dict[Future[Part], int] = {}
    with suppress(BrokenProcessPool):  # lost already, while others are handed out
        for at, shard in shards.items():
            running[executor.submit(_alone, work, shard)] = at
    for future in as_completed(list(running)):
        at = running.pop(future)
        try:
            part = future.result()
        except (BrokenProcessPool, CancelledError):
            continue
        except Exception as error:
            if type(error).__name__ == "KilledWorker":  # `distributed` need not be installed
                continue
            raise
        yield at, part


_TURN = Lock()  # a Dask worker may have several threads


def _alone(work: Work[Part], shard: Sequence[int]) -> Part:
    """Do a shard with one thread."""
    with _TURN, parallel_config(backend="sequential"), one_thread():
        return work(shard)


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """They wait for more work, unless this is broken off."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("ND_")}
    # One that has grown by some 300 MB, as wide networks need, is replaced by a fresh one.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    executor = get_reusable_executor(workers, timeout=IDLE_S, env=settings)
    try:
        yield executor
    except BaseException:
        executor.shutdown(kill_workers=True)
        raise


@contextmanager
def _cluster(scheduler: str) -> Iterator[Executor]:
    try:
        dask = import_module("distributed")
    except ImportError as error:
        raise BadRequestError(
            "--scheduler needs Dask: pip install -r requirements-cluster.txt"
        ) from error
    try:
        client = dask.Client(scheduler, timeout=REACHED_WITHIN_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise BadRequestError(f"there is no Dask scheduler at '{scheduler}'") from error
    try:
        _require_alike(client, scheduler)
        executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)
    finally:
        client.close()


def _require_alike(client: Any, scheduler: str) -> None:
    """Workers that give the same bytes as this process: by their versions and processors."""
    addresses = list(client.scheduler_info(n_workers=-1)["workers"])
    if not addresses:
        raise BadRequestError(f"the Dask scheduler at '{scheduler}' has no worker yet")
    # As tasks: what is asked of a worker outside of one keeps it from answering for so long.
    asked = [client.submit(_computes_with, workers=[each], pure=False) for each in addresses]
    own = _computes_with()
    for address, answer in zip(addresses, asked, strict=True):
        try:
            theirs = answer.result()
        except (ImportError, RuntimeError) as error:
            raise BadRequestError(
                f"the worker {address} cannot import ndcore and torch: start it where they are"
            ) from error
        for what, version in own.items():
            if theirs[what] != version:
                raise BadRequestError(
                    f"the worker {address} has {what} {theirs[what]}, this process {version}"
                )


def _computes_with() -> dict[str, str]:
    """What changes the last digits: versions, and the instructions that torch uses."""
    import numpy
    import torch

    import ndcore

    return {
        "ndcore": ndcore.__version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "instructions": str(torch.backends.cpu.get_cpu_capability()),
    }
