from __future__ import annotations

import io
import struct
from pathlib import Path
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision import transforms

from ndcore.data.decode import FILE_FORMATS, decode, encode_png, upright_size
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


def deep_png(values: np.ndarray, colour_type: int) -> bytes:
    """A PNG file of uint16 (H, W, C), which Pillow cannot write."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", compress(rows))
        + part(b"IEND", b"")
    )


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_16_bits_are_rounded_whatever_the_channels(channels: int, colour_type: int) -> None:
    values = np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64
    deep = np.repeat(values[..., None], channels, 2)
    if channels in (2, 4):
        deep[..., -1] = 65535
    found = decode(deep_png(deep, colour_type), SHAPE)
    assert "8 bits" in found.notes[0]
    assert np.array_equal(found.pixels[..., 0], np.rint(values / 257))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_photographs_are_turned_as_a_browser_shows_them(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x112] = turn
    image = Image.new("RGB", (8, 16), "black")
    image.paste("white", (0, 0, 4, 8))  # the corner at the top left
    data = packed(image, kind, exif=exif)
    found = decode(data, None)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(found.pixels, np.asarray(upright))
    assert any("EXIF" in note for note in found.notes) == (turn > 1)


def test_a_bitmap_whose_alpha_hides_everything_is_shown(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    rows = np.concatenate([pixels[::-1, :, ::-1], np.zeros((8, 8, 1), np.uint8)], -1).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, 8, 8, 1, 32, 3, 256, 0, 0, 0, 0) + masks
    head += b"BGRs" + bytes(48)
    file = b"BM" + struct.pack("<IHHI", 14 + len(head) + 256, 0, 0, 14 + len(head)) + head + rows
    found = decode(file, None)
    assert np.array_equal(found.pixels, pixels)
    assert "hides the whole image" in found.notes[0]


def test_floating_point_values_are_no_colours() -> None:
    with pytest.raises(BadImageError, match="floating-point"):
        decode(packed(Image.new("F", (4, 4)), "TIFF"), None, formats=FILE_FORMATS)
    with pytest.raises(BadImageError, match="not a PNG"):
        decode(packed(Image.new("RGB", (4, 4)), "TIFF"), None)


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


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (17, 90), (24, 16), (8, 8)])
@pytest.mark.parametrize("crop", [1.0, 0.875, 0.5])
def test_the_middle_is_that_of_torchvision(
    size: tuple[int, int], crop: float, rng: np.random.Generator
) -> None:
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    theirs = transforms.Compose(
        [
            transforms.Resize(round(16 / crop), transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(16),
        ]
    )
    found = decode(packed(image), (16, 16, 3), crop=crop)
    assert np.array_equal(found.pixels, np.asarray(theirs(image)))
    assert "its middle kept" in found.notes[0]
    wide = decode(packed(image), (6, 12, 3), crop=crop)
    assert wide.pixels.shape == (6, 12, 3)


def test_an_image_of_the_size_itself_is_never_cut(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    found = decode(encode_png(pixels), (16, 16, 3), crop=0.5)
    assert np.array_equal(found.pixels, pixels)
    assert found.notes == ()


def test_what_is_too_narrow_to_be_cut_is_refused() -> None:
    strip = packed(Image.new("1", (1, 200_000)))
    with pytest.raises(BadImageError, match="1x200000 pixels are too long and narrow"):
        decode(strip, (224, 224, 3), crop=1.0)
    assert decode(strip, (224, 224, 3)).pixels.shape == (224, 224, 3)


def png(values: np.ndarray, bits: int, colour_type: int, key: bytes) -> bytes:
    """A PNG file of values (H, W, C) of some bits with a colour that stands for nothing."""
    places = np.arange(bits - 1, -1, -1)
    flags = (values.reshape(len(values), -1, 1) >> places & 1).reshape(len(values), -1)
    rows = b"".join(b"\0" + np.packbits(row.astype(np.uint8)).tobytes() for row in flags)
    head = struct.pack(">IIBBBBB", values.shape[1], len(values), bits, colour_type, 0, 0, 0)
    parts = (b"IHDR", head), (b"tRNS", key), (b"IDAT", compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
        for kind, data in parts
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_grey_that_stands_for_nothing_is_laid_over_white(bits: int) -> None:
    most = 2**bits - 1
    values = np.array([[0, most // 2, most, 0]] * 2)
    for key in {0, most // 2}:
        found = decode(png(values[..., None], bits, 0, struct.pack(">H", key)), None)
        wanted = np.where(values == key, 255, np.rint(values / most * 255))
        assert np.array_equal(found.pixels[..., 1], wanted)
        assert "Transparent parts were laid over white." in found.notes


@pytest.mark.parametrize("bits", [8, 16])
def test_the_colour_that_stands_for_nothing_is_all_of_its_bits(bits: int) -> None:
    values = np.array([[[1, 0, 5], [1, 0, 6], [2**bits - 1, 0, 5]]])
    found = decode(png(values, bits, 2, struct.pack(">3H", 1, 0, 5)), None)
    wanted = np.rint(values / (2**bits - 1) * 255)
    wanted[0, 0] = 255
    assert np.array_equal(found.pixels, wanted)


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_size_is_told_as_the_image_is_shown(turn: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = turn
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = packed(Image.new("RGB", (8, 16)), kind, exif=exif)
        (tmp_path / kind).write_bytes(data)
        shown = decode(data, None, formats=FILE_FORMATS).pixels.shape[:2]
        assert upright_size(tmp_path / kind) == shown == ((8, 16) if turn > 4 else (16, 8))
    assert upright_size(tmp_path / "nothing") is None
