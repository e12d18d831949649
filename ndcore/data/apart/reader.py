"""The small process that reads images: `python -m ndcore.data.apart.reader SOCKET`.

It knows no torch, holds nothing but the image in work, and is ended by the system where that takes
more memory or processor time than an image may.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from ndcore.data.apart.process import MOST_MEMORY, MOST_SECONDS
from ndcore.data.decode import decode
from ndcore.errors import BadImageError

SIZE = Path("/proc/self/statm")


def main() -> None:
    """Answer until the other end is closed."""
    if SIZE.exists():
        at_rest = int(SIZE.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (at_rest + MOST_MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    line = Connection(int(sys.argv[1]))
    while True:
        try:
            asked, data = json.loads(line.recv_bytes()), line.recv_bytes()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)  # the signal ends the process
        answer, pixels = _answer(asked, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        line.send_bytes(json.dumps(answer).encode())
        line.send_bytes(pixels)


def _answer(asked: dict[str, object], data: bytes) -> tuple[dict[str, object], bytes]:
    try:
        found = decode(data, tuple(asked["shape"]), str(asked["name"]), crop=asked["crop"])  # type: ignore[arg-type]
    except BadImageError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": f"{asked['name']} takes more memory than an image may"}, b""
    return {"notes": found.notes}, found.pixels.tobytes()


if __name__ == "__main__":
    main()
