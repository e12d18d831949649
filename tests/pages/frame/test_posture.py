"""What stands before the app: names, origins, closed paths and headers; no server is needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamlit import config, net_util
from streamlit.web import bootstrap
from streamlit.web.server import server_util

from pages.ui.frame.posture import HEADERS, Guard, stay_at_home


async def app(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html"), (b"x-frame-options", b"SAMEORIGIN")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the app"})


def asked(path: str, kind: str = "http", hosts: tuple[str, ...] = (), **headers: str) -> list[Any]:
    """What is answered."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    rows = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "headers": rows}
    asyncio.run(Guard(app, hosts)(scope, None, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.spec("LB-5")
def test_every_answer_has_the_headers_once() -> None:
    for path in ("/", "/Attack_Lab", "/_stcore/metrics", "/api/health"):
        start = asked(path, host="lab:8501")[0]
        names = [name.decode() for name, _ in start["headers"]]
        assert set(HEADERS) <= set(names), path
        assert len(names) == len(set(names)), path
    assert (b"x-frame-options", b"DENY") in asked("/", host="lab")[0]["headers"]
    assert "frame-ancestors 'none'" in HEADERS["content-security-policy"]
    assert "http" not in HEADERS["content-security-policy"]  # nothing from outside


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/base/_stcore/metrics", "/_stcore/metrics/"])
def test_metrics_are_not_public(path: str) -> None:
    assert asked(path, host="lab")[0]["status"] == 404


def test_health_needs_no_page() -> None:
    assert [m.get("body") for m in asked("/api/health")][-1] == b"ok"


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        ((), "any", 200),
        (("lab",), "lab:8501", 200),
        (("lab", "127.0.0.1"), "127.0.0.1", 200),
        (("::1",), "[::1]:8501", 200),
        (("lab",), "evil", 400),
        (("lab",), "lab.evil:8501", 400),
        (("lab",), "", 400),
        (("lab",), "[", 400),
    ],
)
def test_only_known_names_are_answered(hosts: tuple[str, ...], host: str, status: int) -> None:
    assert asked("/", hosts=hosts, host=host)[0]["status"] == status
    expected = "websocket.accept" if status == 200 else "websocket.close"
    assert asked("/_stcore/stream", "websocket", hosts, host=host)[0]["type"] == expected


@pytest.mark.parametrize(
    ("origin", "kind"),
    [
        ("http://lab:8501", "websocket.accept"),
        ("", "websocket.accept"),
        ("http://lab", "websocket.close"),
        ("https://evil", "websocket.close"),
        ("null", "websocket.close"),
        ("http://lab:8501.evil", "websocket.close"),
        ("http://[", "websocket.close"),
    ],
)
def test_no_other_page_reaches_a_session(origin: str, kind: str) -> None:
    headers = {"host": "lab:8501"} | ({"origin": origin} if origin else {})
    assert asked("/_stcore/stream", "websocket", **headers)[0]["type"] == kind


def test_an_unknown_origin_asks_nobody_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside(*_: Any, **__: Any) -> None:
        raise AssertionError("an outside address was asked")

    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back after
    monkeypatch.setattr(net_util, "_make_blocking_http_get", outside)
    stay_at_home()
    assert not server_util.is_url_from_allowed_origins("http://evil.example")


def test_a_server_for_all_addresses_asks_nobody_outside_for_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the container starts it; Streamlit tells people where the app is."""
    told = {"server.address": "0.0.0.0", "server.headless": True}
    asked_of = config.get_option
    monkeypatch.setattr(config, "get_option", lambda key: told.get(key, asked_of(key)))

    def outside(*_: Any, **__: Any) -> None:
        raise AssertionError("an outside address was asked")

    monkeypatch.setattr(net_util, "_make_blocking_http_get", outside)
    bootstrap._print_url(False)
    assert "http://localhost:8501" in capsys.readouterr().out
