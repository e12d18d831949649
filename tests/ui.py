"""A page in a test: opened, read, fed with files, and waited for."""

from __future__ import annotations

import io
import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from ndcore.jobs import Job
from pages.ui.frame import loaders


def opened(page: str, **link: str) -> AppTest:
    at = AppTest.from_file(str(HOME), default_timeout=60)
    if page != "Home.py":
        at.run()
        at.switch_page(page)
    for name, value in link.items():
        at.query_params[name] = value
    return at.run()


def linked(at: AppTest, name: str) -> str:
    """What the link says."""
    value = at.query_params[name]
    return value if isinstance(value, str) else value[0]


def job_of(at: AppTest, name: str = "job") -> Job:
    """The job that the link names."""
    job = loaders.jobs().get(linked(at, name))
    assert job is not None
    return job


def ended(job: Job) -> Job:
    for _ in range(6000):  # a process of its own loads torch first, on a busy machine
        if not job.active:
            return job
        time.sleep(0.05)
    raise AssertionError("the job goes on")


def components(at: AppTest) -> list[Any]:
    """The components that show something."""
    return [each for each in at.get("bidi_component") if each.key != "one_page_history"]


def texts(at: AppTest) -> str:
    kinds = (at.title, at.markdown, at.caption, at.info, at.error, at.warning, at.header)
    return "\n".join(element.value for kind in kinds for element in kind)


def captions(at: AppTest) -> str:
    """What stands under the pictures, a line for each, which is no Markdown."""
    bodies = "".join(block.proto.body for block in at.get("html"))
    return unescape("\n".join(re.findall("<figcaption>(.*?)</figcaption>", bodies)))


def png(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


HOME = Path(__file__).resolve().parents[1] / "Home.py"
GREY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
BAD = {
    "empty.png": b"",
    "text.png": b"hello",
    "cut.png": png(Image.new("RGB", (300, 300), "red"))[:200],
    "huge.png": png(Image.new("1", (10_000, 10_000))),
}
GOOD = {
    "one.png": png(Image.new("RGB", (1, 1))),
    "alpha.png": png(Image.new("RGBA", (8, 8), (255, 0, 0, 100))),
    "grey.png": png(GREY),
    "deep.png": png(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999)),
    "moving.webp": png(
        GREY.convert("RGB"), "WEBP", save_all=True, append_images=[Image.new("RGB", (8, 8))]
    ),
    "photo.jpg": png(Image.new("RGB", (640, 480), "blue"), "JPEG"),
}
