from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ndcore.data.decode import decode, encode_png
from ndcore.errors import BadImageError

SHAPE = (32, 32, 3)


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def test_png_round_trip_is_exact(rng: np.random.Generator) -> None:
    for channels in (1, 3):
        pixels = rng.integers(0, 256, (32, 32, channels), dtype=np.uint8)
        found = decode(encode_png(pixels), (32, 32, channels))
        assert np.array_equal(found.pixels, pixels)
        assert found.notes == ()


def test_enlarging_repeats_pixels(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    large = np.asarray(Image.open(io.BytesIO(encode_png(pixels, 3))))
    assert np.array_equal(large, pixels.repeat(3, 0).repeat(3, 1))


DEEP = Image.fromarray((np.arange(1024, dtype=np.uint16) * 64).reshape(32, 32))


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (packed(Image.new("RGB", (1, 1))), "resized from 1x1"),
        (packed(Image.new("RGB", (640, 480)), "JPEG"), "resized from 640x480"),
        (packed(Image.new("RGBA", (32, 32), (9, 9, 9, 0))), "over white"),
        (packed(Image.new("P", (32, 32)), transparency=0), "over white"),
        (packed(DEEP), "8 bits"),
        (
            packed(
                Image.new("RGB", (32, 32)),
                "WEBP",
                save_all=True,
                append_images=[Image.new("RGB", (32, 32), "red")],
            ),
            "first of 2 frames",
        ),
    ],
)
def test_what_is_altered_is_said(data: bytes, note: str) -> None:
    found = decode(data, SHAPE)
    assert found.pixels.shape == SHAPE
    assert found.pixels.dtype == np.uint8
    assert any(note in said for said in found.notes)


def test_16_bit_keeps_its_order() -> None:
    found = decode(packed(DEEP), SHAPE).pixels[..., 0].ravel().astype(int)
    assert (np.diff(found) >= 0).all()
    assert found[-1] == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_three_channels_or_one(mode: str) -> None:
    data = packed(Image.new(mode, (32, 32)))
    assert decode(data, SHAPE).pixels.shape == SHAPE
    assert decode(data, (32, 32, 1)).pixels.shape == (32, 32, 1)
    assert decode(data, None).pixels.shape == SHAPE


@pytest.mark.spec("UX-7")
@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "empty"),
        (b"GIF89a not really", "not a PNG, JPEG"),
        (b"%PDF-1.4", "not a PNG, JPEG"),
        (packed(Image.new("RGB", (200, 200), "red"))[:-40], "truncated"),
        (packed(Image.new("RGB", (400, 400), "red"), "JPEG")[:900], "truncated"),
        (packed(Image.new("1", (9000, 9000))), "too large"),
        (packed(Image.new("1", (20000, 20000))), "too large"),
    ],
)
def test_what_is_no_image_is_one_sentence(data: bytes, match: str) -> None:
    with pytest.raises(BadImageError, match=match) as caught:
        decode(data, SHAPE, name="photo.png")
    assert str(caught.value).startswith("photo.png")
    assert "\n" not in str(caught.value)
