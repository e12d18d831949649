from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from ndcore.jobs import memory


def test_memory_is_given_back_when_something_was_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, waiting, given = iter([0, 2, 0]), threading.Event(), []
    seen: list[int] = []

    def let_go() -> int:
        found = next(asked, None)
        if found is None:
            waiting.set()
            threading.Event().wait()  # the thread is a daemon: it stays here
        seen.append(found or 0)
        return found or 0

    monkeypatch.setattr(memory, "give_back", lambda: given.append(len(seen)))
    assert memory.watch(let_go, every_s=0.001).daemon
    assert waiting.wait(20)
    assert seen == [0, 2, 0]
    assert given == [2]


def test_the_c_library_is_asked_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    glibc = SimpleNamespace(mallopt=lambda *of: asked.append(of), malloc_trim=asked.append)
    monkeypatch.setattr(memory.sys, "platform", "linux")
    for library in (glibc, SimpleNamespace()):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda _, library=library: library)
        memory.few_heaps()
        memory.give_back()
        memory.keep_freed()
    assert asked == [(-8, 2), 0, (-4, 0), (-1, 2**31 - 1), (-8, 1)]
