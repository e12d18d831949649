"""The pieces that a case file's page is put together from: tables, names with values, pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ndcore.data.decode import encode_png
from ndcore.figures.style.pixel_image import pixel_image

SIDE = 256  # pixels of an enlarged image, about


def picture_markup(
    pixels: NDArray[np.uint8],
    caption: str,
    ringed: Sequence[tuple[int, int]] = (),
    legend: str = "",
    dotted: Sequence[tuple[int, int]] = (),
) -> str:
    """An image with its caption, places ringed or dotted, and a legend below it."""
    height, width = pixels.shape[:2]
    markup = pixel_image(
        encode_png(pixels, max(1, SIDE // max(height, width))),
        (height, width),
        label=caption,
        ringed=ringed,
        candidates=dotted,
    )
    return f"<figure>{markup}<figcaption>{escape(caption)}</figcaption>{legend}</figure>"


def png_pixels(png: str) -> NDArray[np.uint8]:
    """The pixels uint8 (H, W, C) of a PNG in base64."""
    with Image.open(io.BytesIO(base64.b64decode(png)), formats=("PNG",)) as image:
        pixels = np.asarray(image, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def table_markup(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]
) -> str:
    """A table; the columns at `numbers` are set to the right."""
    kinds = [' class="n"' if index in numbers else "" for index in range(len(heads))]
    head = "".join(
        f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, heads, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table class="data"><tr>{head}</tr>{body}</table></div>'


def pairs_markup(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{lines}</dl>"
