"""A visitor of the app without a browser: a websocket that speaks Streamlit's messages (1.67)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

TIMEOUT_S = 120.0
AGAIN = 2  # how a run ends whose page asked for another one, which follows at once


@dataclass
class Answer:
    """What came back: seconds until the page was whole, and the errors on it."""

    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


class Visitor:
    """One session: an asynchronous context manager.

    Args:
        address: of the server, on loopback.

    Attributes:
        link: what the address holds now.
        timers: fragments that ask to be drawn again and again.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._page = self._hash = ""
        self.link = ""
        self.timers: set[str] = set()
        self._polls = 0
        self._elements: dict[tuple[int, ...], Any] = {}
        self._drawn: dict[tuple[int, ...], Any] = {}
        self._held: dict[str, bytes] = {}  # messages that the server need not send again
        self._answer = Answer()

    async def __aenter__(self) -> Self:
        self._socket = await websockets.connect(
            self._address.replace("http", "ws", 1) + "/_stcore/stream",
            max_size=None,
            origin=self._address,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            ping_interval=None,
            open_timeout=TIMEOUT_S,
            compression=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def open(self, page: str = "", link: dict[str, Any] | None = None) -> Answer:
        """Follow a link; `page` as in the address, "" for Home."""
        self._page, self._hash, self.timers = page, "", set()
        return await self.follow(link or {})

    async def follow(self, link: dict[str, Any]) -> Answer:
        """Another link to the page that is open."""
        self.link = urlencode(link, doseq=True)
        return await self.rerun()

    async def click(self, key: str) -> Answer:
        """Press a button."""
        return await self.rerun(WidgetState(id=self._button(key), trigger_value=True))

    def has(self, key: str) -> bool:
        """Whether there is such a button."""
        return bool(self._button(key))

    async def poll(self) -> Answer:
        """What a browser's timers do: draw one of the `timers` again, in turn."""
        self._polls += 1
        return await self.rerun(fragment=sorted(self.timers)[self._polls % len(self.timers)])

    async def rerun(self, pressed: WidgetState | None = None, fragment: str = "") -> Answer:
        """Run the page, or a fragment of it, and wait until it is whole.

        Raises:
            TimeoutError: it never is.
        """
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string = self.link
        ask.page_name = "" if self._hash else self._page
        ask.page_script_hash = self._hash
        ask.fragment_id = fragment
        ask.is_auto_rerun = bool(fragment)
        ask.cached_message_hashes.extend(self._held)
        ask.context_info.url = f"{self._address}/{self._page}"
        if pressed is not None:
            ask.widget_states.widgets.append(pressed)
        self._answer = Answer()
        started = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(TIMEOUT_S):
            while not self._take(await self._socket.recv()):
                pass
        self._answer.seconds = time.perf_counter() - started
        return self._answer

    def texts(self) -> str:
        """What stands on the page as Markdown, in alerts, bars and headings."""
        found = []
        for path in sorted(self._elements):
            element = self._elements[path]
            kind = element.WhichOneof("type")
            body = getattr(element, kind)
            if kind in ("markdown", "alert", "heading"):
                found.append(body.body)
            elif kind == "progress":
                found.append(body.text)
        return "\n".join(found)

    def param(self, name: str) -> str:
        """What the link says; "" for nothing."""
        return parse_qs(self.link).get(name, [""])[0]

    def _button(self, key: str) -> str:
        for element in self._elements.values():
            body = getattr(element, element.WhichOneof("type"))
            if str(getattr(body, "id", "")).endswith(f"-{key}"):
                return str(body.id)
        return ""

    def _take(self, data: Any) -> bool:
        """Take a message in; whether the page is whole."""
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            path = list(message.metadata.delta_path)
            message = ForwardMsg.FromString(self._held[message.ref_hash])
            message.metadata.delta_path[:] = path
            kind = message.WhichOneof("type")
        elif message.metadata.cacheable and message.hash:
            self._held[message.hash] = data
        if kind == "delta":
            self._draw(tuple(message.metadata.delta_path), message.delta)
        elif kind == "script_finished":
            self._elements = self._drawn
            return bool(message.script_finished != AGAIN)
        else:
            self._note(kind, message)
        return False

    def _note(self, kind: str | None, message: Any) -> None:
        if kind == "new_session":
            part = bool(message.metadata.run.fragment_ids)
            self._drawn = dict(self._elements) if part else {}
            self.timers = self.timers if part else set()
        elif kind == "navigation":
            self._hash = message.navigation.page_script_hash
        elif kind == "auto_rerun":
            self.timers.add(message.auto_rerun.fragment_id)
        elif kind == "stop_auto_rerun":
            self.timers -= set(message.stop_auto_rerun.fragment_ids)
        elif kind == "page_info_changed":
            self.link = message.page_info_changed.query_string
        elif kind == "page_not_found":
            self._answer.errors.append("page not found")

    def _draw(self, path: tuple[int, ...], delta: Any) -> None:
        if delta.WhichOneof("type") != "new_element":
            return
        element = delta.new_element
        kind = element.WhichOneof("type")
        if kind is None:
            return
        if kind == "exception":
            self._answer.errors.append(f"{element.exception.type}: {element.exception.message}")
        self._drawn[path] = element
