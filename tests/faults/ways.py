"""Ways in which a file comes to harm: name -> what is done to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Harm = Callable[[Path], object]


def turned(share: float) -> Harm:
    """One bit, at this share of the file."""

    def do(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[min(len(content) - 1, int(share * len(content)))] ^= 4
        path.write_bytes(content)

    return do


def instead(make: Harm) -> Harm:
    def do(path: Path) -> None:
        path.unlink()
        make(path)

    return do


def holds(content: bytes) -> Harm:
    return lambda path: path.write_bytes(content)


WAYS: dict[str, Harm] = {
    "gone": Path.unlink,
    "empty": holds(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0" * 100),
    "zeros": holds(bytes(1000)),
    "text": holds(b"hello\n"),
    "null": holds(b"null"),
    "list": holds(b"[]"),
    "object": holds(b"{}"),
    "a number beyond all": holds(b"1e400"),
    "brackets": holds(b"[" * 100_000),
    "half a character": holds(b'{"a": "\xff\xfe"}'),
    "pickle": holds(b"cposix\nsystem\n(S'false'\ntR."),
    "folder": instead(Path.mkdir),
    "pipe": instead(os.mkfifo),
    "link to another file": instead(lambda path: path.symlink_to("/etc/hostname")),
    "link to itself": instead(lambda path: path.symlink_to(path.name)),
    "link to zeros": instead(lambda path: path.symlink_to("/dev/zero")),
} | {
    f"a bit at {share:.1%}": turned(share) for share in (0, 0.005, 0.1, 0.3, 0.5, 0.7, 0.95, 0.999)
}
