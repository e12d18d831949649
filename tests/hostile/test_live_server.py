"""A running server and strangers: uploads in bounds, headers on every answer, no way out."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.browser import serving
from benchmarks.serving.visitor import Answer, Visitor
from benchmarks.sessions import pages_of
from ndcore.bundles.bundle import Bundle
from pages.ui.frame.posture import HEADERS
from tests.ui import png

pytestmark = pytest.mark.hostile

UPLOAD = {"bundle": "digits-cnn", "source": "upload"}
PATHS = (
    "/",
    "/Attack_Lab",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/media/none.png",
    "/component/none/index.html",
    "/_stcore/upload_file/none/none",
    "/../../etc/passwd",
    "/none",
)
# Put before all else by Python: notes every address outside that is looked up or called.
WATCH = """
import socket

LOG = {log!r}
open(LOG, "a").close()


def inside(host):
    return host in (None, "", b"") or str(host).startswith(("127.", "::1", "localhost"))


def noting(real, host_of):
    def noted(*asked, **more):
        host = host_of(asked)
        if not inside(host):
            with open(LOG, "a") as file:
                file.write(f"{{host}}\\n")
        return real(*asked, **more)

    return noted


def peer(asked):
    return asked[1][0] if asked[0].family in (socket.AF_INET, socket.AF_INET6) else None


socket.getaddrinfo = noting(socket.getaddrinfo, lambda asked: asked[0])
socket.socket.connect = noting(socket.socket.connect, peer)
socket.socket.connect_ex = noting(socket.socket.connect_ex, peer)
"""

Environment = dict[str, str]


@pytest.fixture
def environment(digits_bundle: Bundle, digits_cache: Path, tmp_path: Path) -> Environment:
    shutil.copytree(digits_cache / "bundles", tmp_path / "cache" / "bundles")
    return {"ND_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def outside(environment: Environment, tmp_path: Path) -> Path:
    """What the server calls outside is noted here."""
    (tmp_path / "watch").mkdir()
    log = tmp_path / "outside.txt"
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    environment["PYTHONPATH"] = str(tmp_path / "watch")
    return log


def asked(
    address: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.read()
    finally:
        connection.close()


class Uploader(Visitor):
    """A visitor who brings files."""

    async def urls(self, *names: str) -> list[FileURLs]:
        """Where files of these names go."""
        ask = BackMsg()
        ask.file_urls_request.request_id = "r"
        ask.file_urls_request.file_names.extend(names)
        await self._socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await self._socket.recv())
            if message.WhichOneof("type") == "file_urls_response":
                return list(message.file_urls_response.file_urls)

    async def put(self, content: bytes, name: str = "a.png") -> tuple[int, FileURLs]:
        """Send a file: the status of the answer, whose headers are looked at, and where it is."""
        (url,) = await self.urls(name)
        return await asyncio.to_thread(_put, self._address, url, content, name), url

    async def show(self, key: str, content: bytes, name: str = "a.png") -> Answer:
        """Put a file into an uploader."""
        status, url = await self.put(content, name)
        assert status < 300
        state = WidgetState(id=self._button(key))
        info = state.file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name, info.size = url.file_id, name, len(content)
        info.file_urls.CopyFrom(url)
        return await self.rerun(state)


def _put(address: str, url: FileURLs, content: bytes, name: str) -> int:
    _, told, _ = asked(address, "GET", "/_stcore/health")
    token = told.get("set-cookie", "=;").partition("=")[2].partition(";")[0]
    edge = "edge-of-the-file"
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    status, headers, _ = asked(
        address,
        "PUT",
        "/" + url.upload_url.lstrip("/"),
        head.encode() + content + f"\r\n--{edge}--\r\n".encode(),
        **{
            "Content-Type": f"multipart/form-data; boundary={edge}",
            "X-Xsrftoken": token,
            "Cookie": f"_streamlit_xsrf={token}",
        },
    )
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    return status


def noise(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return png(Image.fromarray(pixels))


def decoders(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = psutil.Process(server.pid).children(recursive=True)
    return [each for each in found if any("data.apart" in part for part in each.cmdline())]


async def until(answers: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not answers():
        assert time.monotonic() < end
        await asyncio.sleep(0.2)


@pytest.mark.spec("LB-6")
def test_every_answer_has_the_headers(environment: Environment) -> None:
    with serving("asgi.py", environment) as (address, _):
        for path in PATHS:
            status, told, body = asked(address, "GET", path)
            assert {name: told.get(name) for name in HEADERS} == HEADERS, path
            assert status < 500
            assert b"root:" not in body
        assert asked(address, "GET", "/_stcore/metrics")[0] == 404


@pytest.mark.spec("LB-5")
def test_uploads_stay_in_bounds(environment: Environment) -> None:
    environment |= {"ND_SESSION_MB": "1", "ND_SERVER_MB": "1.5"}
    environment["STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL"] = "1"
    large = bytes(700_000)

    async def visit(address: str) -> None:
        async with Uploader(address) as second:
            await second.open("Attack_Lab", UPLOAD)
            async with Uploader(address) as first:
                await first.open("Attack_Lab", UPLOAD)
                assert (await first.put(bytes((10 << 20) + 1)))[0] == 413  # of one file
                assert (await first.put(large))[0] < 300
                assert (await first.put(large))[0] == 413  # of one session
                assert (await second.put(bytes(1_000_000)))[0] == 413  # of the server
                assert (await second.put(large))[0] < 300
                (url,) = await first.urls("a.png")
                assert _status_without_token(address, url) == 403
            end = time.monotonic() + 120
            async with Uploader(address) as third:  # once the first is gone, so are its files
                await third.open("Attack_Lab", UPLOAD)
                while (await third.put(large))[0] == 413:
                    assert time.monotonic() < end
                    await asyncio.sleep(0.5)

    with serving("asgi.py", environment) as (address, _):
        asyncio.run(visit(address))


def _status_without_token(address: str, url: FileURLs) -> int:
    return asked(address, "PUT", "/" + url.upload_url.lstrip("/"), b"x")[0]


@pytest.mark.spec("LB-5", "LB-6")
def test_a_decoder_that_is_killed_is_started_again_and_nothing_goes_outside(
    digits_bundle: Bundle, environment: Environment, outside: Path
) -> None:
    async def visit(address: str, server: subprocess.Popen[bytes]) -> None:
        async with Uploader(address) as visitor:
            for page, links in pages_of(digits_bundle):
                assert not (await visitor.open(page, links[0])).errors
            await visitor.open("Attack_Lab", UPLOAD)
            assert not (await visitor.show("attack_upload", noise(0))).errors
            assert "The model sees" in visitor.texts()
            (decoder,) = decoders(server)
            decoder.kill()
            # Whoever comes next may meet its end, but nobody after that.
            for seed in (1, 2):
                answer = await visitor.show("attack_upload", noise(seed))
                assert not answer.errors
            assert "The model sees" in visitor.texts()
            (again,) = decoders(server)
            assert again.pid != decoder.pid

    with serving("asgi.py", environment) as (address, server):
        asyncio.run(visit(address, server))
    assert outside.read_text() == ""
