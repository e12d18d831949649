"""Read an image in the process of `ndcore.data.apart.reader`, which is started when it is needed.

It lives on for the next image, as starting one takes a second; where an image ends it, another is
started. One image is read at a time.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ndcore.data.decode import Decoded, decode
from ndcore.errors import BadImageError
from ndcore.storage.places import ROOT

MOST_MEMORY = 300 << 20  # bytes above what the process takes at rest
MOST_SECONDS = 2.0  # of processor time
PATIENCE_S = 20.0  # where the machine is so busy that processor time does not pass


class Reader:
    """A process that reads images, and its restarts.

    Attributes:
        pid: of the process; None while there is none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None

    @property
    def pid(self) -> int | None:
        """See the class."""
        return None if self._process is None else self._process.pid

    def decode(
        self, data: bytes, shape: tuple[int, int, int], name: str, crop: float | None
    ) -> Decoded:
        """See `ndcore.data.decode.decode`.

        Raises:
            BadImageError: it is no image, or takes more memory or time than an image may.
        """
        asked = {"shape": shape, "name": name, "crop": crop}
        with self._lock:
            try:
                answer, pixels = self._ask(json.dumps(asked).encode(), data)
            except (EOFError, OSError) as error:
                raise BadImageError(f"{name} {self._ended()}") from error
        if "refused" in answer:
            raise BadImageError(str(answer["refused"]))
        found = np.frombuffer(pixels, np.uint8).reshape(shape).copy()
        return Decoded(found, tuple(answer["notes"]))

    def close(self) -> None:
        """End the process, if there is one; the next image starts another."""
        with self._lock:
            self._ended()

    def _ask(self, asked: bytes, data: bytes) -> tuple[dict[str, Any], bytes]:
        line = self._line or self._start()
        line.send_bytes(asked)
        line.send_bytes(data)
        if not line.poll(PATIENCE_S):
            raise EOFError
        answer: dict[str, Any] = json.loads(line.recv_bytes())
        return answer, line.recv_bytes()

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ndcore.data.apart.reader", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | alone,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._line = ours
        return ours

    def _ended(self) -> str:
        """End what is left of the process; why it ended, in words."""
        process, line = self._process, self._line
        self._process = self._line = None
        if line is not None:
            line.close()
        if process is None:
            return "cannot be read now"
        process.kill()
        if process.wait() == -signal.SIGPROF:
            return f"takes too much work: over {MOST_SECONDS:g} s of processor time"
        return "takes more memory or time than an image may"


READER = Reader()
atexit.register(READER.close)


def decode_apart(
    data: bytes, shape: tuple[int, int, int], name: str = "the file", crop: float | None = None
) -> Decoded:
    """`ndcore.data.decode.decode` of what a stranger sent, in the process of this server.

    Raises:
        BadImageError: it is no image, or takes more memory or time than an image may.
    """
    if os.name == "nt":  # no such limits there; the bounds by an image's head hold
        return decode(data, shape, name, crop=crop)
    return READER.decode(data, shape, name, crop)
