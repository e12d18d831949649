"""Images of strangers are read apart: the same pixels, and what ends the process harms nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from ndcore.data.apart.process import Reader
from ndcore.data.decode import decode
from ndcore.errors import BadImageError
from tests.ui import BAD, GOOD, png

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    found.close()


def test_it_reads_as_ever(reader: Reader) -> None:
    for name, data in GOOD.items():
        here, apart = decode(data, SHAPE, name), reader.decode(data, SHAPE, name, None)
        assert np.array_equal(here.pixels, apart.pixels)
        assert here.notes == apart.notes
        assert apart.pixels.flags.writeable
    for name, data in BAD.items():
        with pytest.raises(BadImageError) as here:
            decode(data, SHAPE, name)
        with pytest.raises(BadImageError) as apart:
            reader.decode(data, SHAPE, name, None)
        assert str(here.value) == str(apart.value)


def test_the_middle_is_kept_and_the_image_turned(reader: Reader) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    photo = png(Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3)), exif=exif)
    found = reader.decode(photo, SHAPE, "photo", 0.875)
    assert np.array_equal(found.pixels, decode(photo, SHAPE, crop=0.875).pixels)
    assert "The image was turned as its EXIF entry says." in found.notes


def test_a_process_that_ended_is_started_again(reader: Reader) -> None:
    reader.decode(GOOD["grey.png"], SHAPE, "grey", None)
    first = reader.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(BadImageError, match="takes more memory or time than an image may"):
        reader.decode(GOOD["grey.png"], SHAPE, "grey", None)
    reader.decode(GOOD["grey.png"], SHAPE, "grey", None)
    assert reader.pid not in (None, first)
    os.kill(reader.pid or 0, signal.SIGPROF)  # as the system does where it took too long
    with pytest.raises(BadImageError, match="too much work: over 2 s"):
        reader.decode(GOOD["grey.png"], SHAPE, "grey", None)


def test_more_memory_than_an_image_may_take_is_refused(reader: Reader) -> None:
    large = 6000, 6000, 3  # wanted in this size, it takes ten bytes a pixel
    with pytest.raises(BadImageError, match="memory"):
        reader.decode(png(Image.new("1", (6000, 6000))), large, "large", None)
    reader.decode(GOOD["grey.png"], SHAPE, "grey", None)
