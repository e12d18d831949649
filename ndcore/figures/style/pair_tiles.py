"""Many before/after pairs as small tiles that wrap, as one piece of markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ndcore.figures.style.pixel_image import pixel_image

__all__ = ["PairTile", "pair_tiles"]


@dataclass(frozen=True)
class PairTile:
    """A pair: PNG bytes of both images, (H, W), changed pixels to ring, and two lines of words."""

    before: bytes
    after: bytes
    size: tuple[int, int]
    ringed: tuple[tuple[int, int], ...]
    name: str
    outcome: str


def pair_tiles(tiles: Sequence[PairTile], *, width: int = 76) -> str:
    """Tiles from left to right, in lines.

    Args:
        tiles: pairs.
        width: of one image in CSS pixels.
    """
    parts: Iterable[str] = (_tile(tile, width) for tile in tiles)
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px 16px">{"".join(parts)}</div>'


def _tile(tile: PairTile, width: int) -> str:
    images = "".join(
        f'<div style="width:{width}px">'
        + pixel_image(png, tile.size, label=f"{tile.name} {when}", ringed=tile.ringed, width=width)
        + "</div>"
        for when, png in (("before", tile.before), ("after", tile.after))
    )
    clip = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    return (
        f'<figure style="margin:0;width:{2 * width + 4}px"><div style="display:flex;gap:4px">'
        f'{images}</div><figcaption style="font-size:12px;line-height:1.35;margin-top:3px">'
        f'<div style="{clip}">{escape(tile.outcome)}</div>'
        f'<div style="opacity:0.7;{clip}">{escape(tile.name)}</div></figcaption></figure>'
    )
