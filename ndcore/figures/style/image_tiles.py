"""Many images, or pairs before and after, as small tiles that wrap, as one piece of markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ndcore.figures.style.pixel_image import pixel_image


@dataclass(frozen=True)
class ImageTile:
    """An image: PNG bytes, (H, W), changed pixels to ring, and lines of words, the last faint.

    Of a pair `png` is the image before, and `after` stands beside it.
    """

    png: bytes
    size: tuple[int, int]
    ringed: tuple[tuple[int, int], ...]
    words: tuple[str, ...]
    after: bytes | None = None


def image_tiles(tiles: Sequence[ImageTile], *, width: int = 96) -> str:
    """Tiles from left to right, in lines.

    Args:
        tiles: images.
        width: of an image in CSS pixels.
    """
    found = "".join(_tile(tile, width) for tile in tiles)
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px 14px">{found}</div>'


def _tile(tile: ImageTile, width: int) -> str:
    label = ", ".join(tile.words)
    shown = [(tile.png, label)]
    if tile.after is not None:
        shown = [(tile.png, f"{label}, before"), (tile.after, f"{label}, after")]
    images = "".join(
        f'<div style="width:{width}px">'
        + pixel_image(png, tile.size, label=told, ringed=tile.ringed, width=width)
        + "</div>"
        for png, told in shown
    )
    clip = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    last = len(tile.words) - 1
    words = "".join(
        f'<div style="{"opacity:0.7;" if at == last else ""}{clip}" title="{escape(line)}">'
        f"{escape(line)}</div>"
        for at, line in enumerate(tile.words)
    )
    return (
        f'<figure style="margin:0;width:{len(shown) * (width + 4) - 4}px">'
        f'<div style="display:flex;gap:4px">{images}</div><figcaption style="font-size:12px;'
        f'line-height:1.35;margin-top:3px">{words}</figcaption></figure>'
    )
