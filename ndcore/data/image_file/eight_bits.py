"""An opened image as 8-bit RGB, strip by strip, so that a large one takes little beside itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEEP = "The file has more than 8 bits per channel; it was reduced to 8."
STRIP = 500_000  # pixels
Values = NDArray[np.int32]


def flattened(image: Image.Image, data: bytes, notes: list[str]) -> Image.Image:
    """The image in RGB, reduced to 8 bits, alpha laid over white.

    Args:
        image: loaded.
        data: of its file.
        notes: is told of each alteration.
    """
    deep = _all_16_bits(image, data)
    if deep is not None or _deep_colour(image, data):
        notes.append(DEEP)
    elif image.format == "PNG" and image.mode == "L":
        _spread_hidden(image, data)
    if deep is None and image.mode == "RGB" and "transparency" not in image.info:
        return image
    hidden = image.info.get("transparency")

    def part(box: tuple[int, int, int, int]) -> Image.Image:
        return image.crop(box) if deep is None else _reduced(deep(box), hidden)

    flat = Image.new("RGB", image.size)
    ends: list[Any] = []
    for box in _strips(image.size):
        strip = part(box)
        if _has_alpha(strip):
            strip = strip.convert("RGBA")
            ends.append(strip.getchannel("A").getextrema())
            strip = _over_white(strip)
        flat.paste(strip.convert("RGB"), box)
    if not ends:
        return flat
    seen = (min(ends)[0], max(high for _, high in ends))
    if seen == (0, 0) and image.format == "BMP":
        notes.append("An alpha channel that hides the whole image was left out.")
        return image.convert("RGB")
    if seen != (255, 255):
        what = (
            "The whole image is transparent; it was" if seen == (0, 0) else "Transparent parts were"
        )
        notes.append(f"{what} laid over white.")
    return flat


def _spread_hidden(image: Image.Image, data: bytes) -> None:
    """Pillow spreads grey of 2 or 4 bits over 8, but not the grey that stands for nothing."""
    if "transparency" in image.info:
        image.info["transparency"] *= 255 // (2 ** data[24] - 1)


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    rows = max(1, STRIP // width)
    return ((0, top, width, min(top + rows, height)) for top in range(0, height, rows))


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def _over_white(rgba: Image.Image) -> Image.Image:
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba)


def _deep_colour(image: Image.Image, data: bytes) -> bool:
    """Whether a file has 16 bits per channel, of which Pillow gives the upper 8."""
    if image.format == "PNG":
        return data[24] == 16
    return image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8  # type: ignore[attr-defined]


def _all_16_bits(
    image: Image.Image, data: bytes
) -> Callable[[tuple[int, int, int, int]], Values] | None:
    """What gives values (h, w) or (h, w, C) of more than 8 bits of a box; None where there are
    none, or Pillow gives the upper 8 alone."""

    def of(source: Image.Image, box: tuple[int, int, int, int]) -> Values:
        return np.asarray(source.crop(box), np.int32)

    if image.mode.startswith("I"):
        return lambda box: of(image, box)
    if image.format != "PNG" or data[24] != 16:
        return None
    if data[25] == 4:  # grey and alpha, whatever Pillow makes of them
        # Its four bytes a pixel, read as the four channels of a file of 8 bits.
        head = data[12:24] + b"\x08\x06" + data[26:29]
        file = data[:12] + head + crc32(head).to_bytes(4, "big") + data[33:]
        four = Image.open(BytesIO(file), formats=("PNG",))
        return lambda box: of(four, box)[..., ::2] * 256 + of(four, box)[..., 1::2]
    if image.mode not in ("RGB", "RGBA"):
        return None
    lower = Image.open(BytesIO(data), formats=("PNG",))
    # Little-endian is a lie that makes Pillow keep the other byte of each value.
    lower.tile = [tile._replace(args=f"{image.mode};16L") for tile in lower.tile]
    return lambda box: of(image, box) * 256 + of(lower, box)


def _reduced(values: Values, hidden: int | tuple[int, ...] | None = None) -> Image.Image:
    """Values to 65,535 as 8 bits; those of the colour `hidden` transparent."""
    # Rounded: 257 is odd, so that nothing lies in the middle.
    image = Image.fromarray(((np.clip(values, 0, 65_535) + 128) // 257).astype(np.uint8))
    if hidden is not None:
        seen = values.reshape(*values.shape[:2], -1) != hidden
        image.putalpha(Image.fromarray(seen.any(-1)).convert("L"))
    return image
