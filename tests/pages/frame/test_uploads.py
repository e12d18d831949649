"""Uploads: a session has a quota, the server another, and who ended holds nothing."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from pages.ui.frame import uploads


def file(name: str, mb: int) -> UploadedFileRec:
    return UploadedFileRec(name, name, "image/png", bytes(mb << 20))


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    monkeypatch.setenv("ND_SESSION_MB", "5")
    monkeypatch.setenv("ND_SERVER_MB", "12")
    found = MemoryUploadedFileManager("")
    vars(found)["add_file"] = uploads._bounded(found)
    return found


def held(manager: MemoryUploadedFileManager, session: str) -> list[str]:
    return sorted(manager.file_storage.get(session, {}))


def test_a_session_has_a_quota(manager: MemoryUploadedFileManager) -> None:
    manager.add_file("a", file("1", 3))
    with pytest.raises(HTTPException) as refused:
        manager.add_file("a", file("2", 3))
    assert refused.value.status_code == 413
    assert held(manager, "a") == ["1"]
    manager.add_file("a", file("1", 4))  # in place of the first
    manager.remove_file("a", "1")
    manager.add_file("a", file("2", 5))
    manager.add_file("b", file("3", 5))


def test_the_server_has_one_too(manager: MemoryUploadedFileManager) -> None:
    for session in "ab":
        manager.add_file(session, file("1", 5))
    with pytest.raises(HTTPException):
        manager.add_file("c", file("1", 3))
    assert held(manager, "c") == []
    manager.remove_session_files("a")
    manager.add_file("c", file("1", 3))
