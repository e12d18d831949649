"""How much a session, and all of them, may have uploaded at a time; freed when a session ends."""

from __future__ import annotations

import threading
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from streamlit import config
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ndcore.settings import settings
from pages.ui.frame.known_signature import known_signature

FILE_MB = 10
_LOCK = threading.Lock()


def bound_uploads() -> None:
    """Hold this session to its quota, and the server to that of all; once is enough.

    Streamlit itself bounds a file alone, and forgets those of a session that ended only when
    another one begins.
    """
    context = get_script_run_ctx(suppress_warning=True)
    manager = context.uploaded_file_mgr if context else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return
    with _LOCK:
        if "add_file" not in vars(manager):
            vars(manager)["add_file"] = _bounded(manager)
    _freed_at_the_end(context.session_id if context else "")


def _bounded(manager: MemoryUploadedFileManager) -> Any:
    """`add_file` that answers 413 where there would be too much."""
    add = manager.add_file

    def add_file(session_id: str, file: Any) -> None:
        with _LOCK:
            held = {key: dict(files) for key, files in list(manager.file_storage.items())}
            held.setdefault(session_id, {})[file.file_id] = file
            sizes = {key: sum(len(f.data) for f in files.values()) for key, files in held.items()}
            allowed = settings()
            over_quota = sizes[session_id] > allowed.session_mb * 2**20
            if over_quota or sum(sizes.values()) > allowed.server_mb * 2**20:
                told = "more files than a session" if over_quota else "too many files on the server"
                raise HTTPException(413, told)
            add(session_id, file)

    return add_file


def _free(session_id: str) -> None:
    """Give it the time to come back that Streamlit gives it, then drop its files."""

    def drop() -> None:
        if Runtime.exists() and not Runtime.instance().is_active_session(session_id):
            Runtime.instance().uploaded_file_mgr.remove_session_files(session_id)

    timer = threading.Timer(config.get_option("server.disconnectedSessionTTL") + 1, drop)
    timer.daemon = True
    timer.start()


@st.cache_resource(scope="session", show_spinner=False, on_release=_free)
@known_signature
def _freed_at_the_end(session_id: str) -> str:
    return session_id
