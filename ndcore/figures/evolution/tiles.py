"""Units or facets as rows of pictures: the average image, then the patches it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ndcore.figures.style.pixel_image import data_uri


@dataclass(frozen=True)
class PictureRow:
    """A row of pictures.

    Attributes:
        name: heading.
        average: PNG of the average, None where there is none.
        patches: PNG of each patch, the first one first.
        words: what is said below the name.
        colour: #rrggbb of its group, "" for none.
        about: what a screen reader says of the patches.
    """

    name: str
    average: bytes | None
    patches: Sequence[bytes]
    words: str
    colour: str = ""
    about: str = "patch"


def picture_rows(rows: Sequence[PictureRow], *, large: int = 72, small: int = 48) -> str:
    """Markup of the rows, side by side where there is room.

    Args:
        rows: in order.
        large, small: width of the average and of a patch in CSS pixels.
    """
    body = "".join(_row(row, large, small) for row in rows)
    return f'<div style="display:flex;flex-wrap:wrap;gap:14px 28px">{body}</div>'


def _row(row: PictureRow, large: int, small: int) -> str:
    average = (
        _image(row.average, f"{row.name}: average", large)
        if row.average is not None
        else f'<div style="width:{large}px;height:{large}px;display:flex;align-items:center;'
        "justify-content:center;text-align:center;font-size:12px;opacity:0.75;border-radius:5px;"
        'border:1px dashed currentColor">no average</div>'
    )
    patches = "".join(
        _image(png, f"{row.name}: {row.about} {number}", small)
        for number, png in enumerate(row.patches, start=1)
    )
    width = max(large + len(row.patches) * (small + 4) + 4, 260)
    mark = (
        f'<span style="display:inline-block;width:11px;height:11px;border-radius:2px;'
        f'margin-right:6px;background:{row.colour}"></span>'
        if row.colour
        else ""
    )
    return (
        f'<figure style="margin:0;width:{width}px;max-width:100%"><figcaption style="'
        f'font-size:13px;line-height:1.35;margin-bottom:4px">{mark}<b>{escape(row.name)}</b>'
        f'<div style="opacity:0.8;font-size:12px">{escape(row.words)}</div></figcaption>'
        '<div style="display:flex;flex-wrap:wrap;gap:4px;align-items:flex-end">'
        f"{average}{patches}</div></figure>"
    )


def _image(png: bytes, label: str, width: int) -> str:
    return (
        f'<img alt="{escape(label, quote=True)}" src="{data_uri("png", png)}" '
        f'style="width:{width}px;height:{width}px;object-fit:contain;image-rendering:pixelated;'
        'border-radius:4px;display:block">'
    )
