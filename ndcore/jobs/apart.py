"""Work in a process of its own, which can be killed and takes nobody with it.

What is asked and what comes back travels as `storage.tree` has it, so nothing is unpickled. The
process ends with whoever started it.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from typing import IO, Any

from ndcore.errors import NeuralDivergenceError, StoppedError
from ndcore.jobs.job import Job
from ndcore.storage.places import ROOT
from ndcore.storage.tree import decode, encode

GRACE_S = 0.7  # from the wish to stop until the process is killed
LOOK_S = 0.05
STOP = b"s"
_LENGTH = struct.Struct(">I")
_AT_ONCE = 1 << 20


class _FailedError(NeuralDivergenceError):
    """The work failed over there; the sentence comes from there."""


def framed(value: Any) -> bytes:
    """A value with its length before it."""
    data = encode(value)
    return _LENGTH.pack(len(data)) + data


def read_framed(stream: IO[bytes]) -> Any:
    """Wait for a value.

    Raises:
        EOFError: the other side is gone.
    """
    head = stream.read(_LENGTH.size)
    data = stream.read(*_LENGTH.unpack(head)) if len(head) == _LENGTH.size else b""
    if not data:
        raise EOFError
    return decode(data)


def run_apart(job: Job, task: Any) -> Any:
    """Do `task(job)` in a new process and tell `job` what it reports and finds.

    Args:
        job: of this process.
        task: a dataclass of this project that can be called with a job.

    Raises:
        NeuralDivergenceError: the work failed, or its process died.
        StoppedError: it was stopped before it had a result.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ndcore.jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(framed(task))
        process.stdin.flush()
        return _followed(job, process, process.stdout.fileno())
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _environment() -> dict[str, str]:
    """As this process has it; the package is found, and a core is left to the pages."""
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    defaults = {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}
    return defaults | os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def _followed(job: Job, process: subprocess.Popen[bytes], source: int) -> Any:
    """Take in what the process says until it has ended."""
    held, told = bytearray(), 0.0
    while True:
        if job.stopping and not told:
            told = time.monotonic()
            _tell(process)
        if told and time.monotonic() - told > GRACE_S:
            break
        if not select.select([source], [], [], LOOK_S)[0]:
            continue
        data = os.read(source, _AT_ONCE)
        if not data:
            break
        held += data
        while (message := _taken(held)) is not None:
            if message[0] == "ended":
                return _outcome(job, *message[1:])
            _take_in(job, *message)
    if told:
        if job.result is None:
            raise StoppedError("stopped")
        return job.result
    raise _FailedError("the process that did the work ended unexpectedly; what it found is kept")


def _tell(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(STOP)
        process.stdin.flush()
    except OSError:  # it is gone already
        pass


def _taken(held: bytearray) -> Any:
    """The first whole message of what has come, which is taken out; None while there is none."""
    if len(held) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(held)
    end = _LENGTH.size + length
    if len(held) < end:
        return None
    data = bytes(held[_LENGTH.size : end])
    del held[:end]
    return decode(data)


def _take_in(job: Job, what: str, value: Any) -> None:
    if what == "progress":
        job.report(value)
    elif what == "grow":
        job.grow(value)
    else:
        job.add(value)


def _outcome(job: Job, state: str, result: Any, error: str) -> Any:
    if state == "failed":
        raise _FailedError(error)
    if job.grows:
        return job.result
    if state == "cancelled" and result is None:
        raise StoppedError(error or "stopped")
    return result
