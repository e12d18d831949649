"""Many single images as small tiles that wrap, as one piece of markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ndcore.figures.style.pixel_image import pixel_image

__all__ = ["ImageTile", "image_tiles"]


@dataclass(frozen=True)
class ImageTile:
    """An image: PNG bytes, (H, W), changed pixels to ring, and lines of words, the last faint."""

    png: bytes
    size: tuple[int, int]
    ringed: tuple[tuple[int, int], ...]
    words: tuple[str, ...]


def image_tiles(tiles: Sequence[ImageTile], *, width: int = 96) -> str:
    """Tiles from left to right, in lines.

    Args:
        tiles: images.
        width: of one in CSS pixels.
    """
    found = "".join(_tile(tile, width) for tile in tiles)
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px 14px">{found}</div>'


def _tile(tile: ImageTile, width: int) -> str:
    label = ", ".join(tile.words)
    image = pixel_image(tile.png, tile.size, label=label, ringed=tile.ringed, width=width)
    clip = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    last = len(tile.words) - 1
    words = "".join(
        f'<div style="{"opacity:0.7;" if at == last else ""}{clip}" title="{escape(line)}">'
        f"{escape(line)}</div>"
        for at, line in enumerate(tile.words)
    )
    return (
        f'<figure style="margin:0;width:{width}px">{image}<figcaption style="font-size:12px;'
        f'line-height:1.35;margin-top:3px">{words}</figcaption></figure>'
    )
