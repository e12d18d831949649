"""Archives from strangers: unpacked within bounds, and what is left out is said."""

from __future__ import annotations

import io
import time
import zipfile

import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.study.incoming import MOST_ENTRIES, unpack
from tests.hostile.image_kinds import empty_scans
from tests.hostile.limits import MOST_MB, measured
from tests.ui import GOOD

pytestmark = pytest.mark.hostile

GREY = GOOD["grey.png"]


def packed(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED, good: bool = True) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in (members | ({"good.png": GREY} if good else {})).items():
            archive.writestr(name, content)
    return out.getvalue()


def kinds() -> dict[str, bytes]:
    inner = packed({})
    good = packed({"a.png": GREY})
    return {
        "many zeros": packed({f"{n}.png": bytes(10 << 20) for n in range(40)}),
        "one of 100 MB": packed({"a.png": bytes(100 << 20)}),
        "many entries": packed(dict.fromkeys(map("{}.txt".format, range(30_000)), b"")),
        "archive in archive": packed({"inner.png": inner, "inner.zip": inner}),
        "paths that lead out": packed({"../../../a.png": GREY, "/etc/b.png": GREY}),
        "names of control": packed({"a\n\x1b[31m.png": GREY, "<img src=x>.png": GREY}),
        "packed by lzma": packed({"a.png": GREY}, zipfile.ZIP_LZMA),
        "packed by bzip2": packed({"a.png": bytes(9 << 20)}, zipfile.ZIP_BZIP2),
        "torn": good[: len(good) // 2],
        "no list": good.replace(b"PK\x01\x02", b"PKxx"),
        "another size": good.replace((len(GREY)).to_bytes(4, "little"), b"\xff\xff\x00\x00"),
        "with a password": good.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
        ),
        "much work": packed({f"{n}.jpg": empty_scans(2000, 400) for n in range(20)}),
        "nothing": packed({}, good=False),
    }


def test_archives_are_unpacked_in_bounds(digits_bundle: Bundle) -> None:
    for name, content in kinds().items():
        start = time.monotonic()
        with measured() as cost:
            images, problems = unpack([(f"{name}.zip", content), ("b.png", GREY)], digits_bundle)
        assert images is not None, name
        assert images.ids[-1] == "b.png", name
        assert all("\n" not in told.replace("a\n", "") for told in problems), name
        assert cost.mb < MOST_MB, name
        assert time.monotonic() - start < 60, name


def test_what_is_left_out_is_said(digits_bundle: Bundle) -> None:
    told = {
        "many zeros": "beyond 200 MB",
        "one of 100 MB": "larger than 10 MB",
        "many entries": f"more than {MOST_ENTRIES:,} entries",
        "packed by lzma": "packed in an unknown way",
        "torn": "torn.zip",
        "much work": "takes too much work",
    }
    archives = kinds()
    for name, words in told.items():
        _, problems = unpack([(f"{name}.zip", archives[name])], digits_bundle)
        assert any(words in problem for problem in problems), (name, problems)
