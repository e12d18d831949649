"""What stands before the app on a shared server: who may ask for what, and with which headers.

`asgi.py` puts it there; it is plain ASGI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from streamlit import net_util, runtime

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Streamlit's own page needs inline styles, and its components and charts make scripts of texts.
CONTENT = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # links hold the ids of jobs
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
CLOSED = ("/_stcore/metrics",)  # who is there and what is kept is nobody's business
HEALTH = "/api/health"
REFUSED = 1008  # websocket: policy violation


def is_served() -> bool:
    """Whether a server runs the pages; tests run them without one, or with a stand-in."""
    return runtime.exists() and type(runtime.get_instance()) is runtime.Runtime


def stay_at_home() -> None:
    """Streamlit asks an outside address for that of the server when it weighs an unknown origin."""
    net_util.get_external_ip = lambda: None


class Guard:
    """The app, but only under its own names, for its own pages, and with headers.

    Args:
        app: what is guarded.
        hosts: names of the server; none for any.
    """

    def __init__(self, app: App, hosts: tuple[str, ...] = ()) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            if self._known(scope) and _own_page(scope):
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": REFUSED})
        elif not self._known(scope):
            await _say(send, 400, b"unknown host")
        elif scope["path"].rstrip("/").endswith(CLOSED):
            await _say(send, 404, b"not found")
        elif scope["path"] == HEALTH:
            await _say(send, 200, b"ok")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _known(self, scope: Scope) -> bool:
        return not self._hosts or _name(_header(scope, b"host")) in self._hosts


def _own_page(scope: Scope) -> bool:
    """Whether it is a page of this server that asks; what is no browser sends no origin."""
    origin = _header(scope, b"origin")
    return not origin or _parts(origin).netloc == _header(scope, b"host")


def _name(host: str) -> str:
    """Without the port."""
    return _parts(f"//{host}").hostname or ""


def _parts(address: str) -> SplitResult:
    """Those of an address; of what is none, empty ones."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _header(scope: Scope, name: bytes) -> str:
    found = next((value for key, value in scope["headers"] if key == name), b"")
    return str(found.decode("latin-1"))


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = [row for row in message.get("headers", []) if row[0].decode() not in HEADERS]
            message["headers"] = [*known, *_HEADERS]
        await send(message)

    return sending


async def _say(send: Send, status: int, body: bytes) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    headers = [plain, *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
