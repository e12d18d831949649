"""A small image enlarged with crisp pixels, the changed pixels ringed, as markup."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from ndcore.figures.style.palette import ATTACKED, FRAME, MUTED

RADIUS = 1.75


def pixel_image(
    png: bytes,
    size: tuple[int, int],
    *,
    label: str,
    ringed: Iterable[tuple[float, float]] = (),
    candidates: Iterable[tuple[float, float]] = (),
    width: int | None = None,
    hatched: bool = False,
    radius: float = RADIUS,
) -> str:
    """Markup of an enlarged image.

    Args:
        png: the image, unscaled.
        size: (H, W) of the image in pixels.
        label: what a screen reader says.
        ringed: (row, col) of places to ring, whole at centres of pixels; white on black, so visible
            on any colour.
        candidates: (row, col) of places under trial, as small dots.
        width: largest width on the page in CSS pixels; None fills the column.
        hatched: show what is transparent in the image as a hatch.
        radius: of the rings, in 32nds of the image's width.
    """
    height, across = size
    unit = across / 32
    shapes = []
    for row, col in candidates:
        place = f'cx="{col + 0.5}" cy="{row + 0.5}" r="{0.3 * unit:g}"'
        shapes.append(
            f'<circle {place} fill="{ATTACKED}" stroke="{FRAME[1]}" stroke-width="{0.1 * unit:g}"/>'
        )
    shapes.append(rings_around(ringed, unit, radius))
    hatch = ""
    if hatched:
        hatch = (
            f'<pattern id="h" width="{unit:g}" height="{unit:g}" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="{0.35 * unit:g}" height="{unit:g}" '
            f'fill="{MUTED}" fill-opacity="0.6"/></pattern>'
            f'<rect width="{across}" height="{height}" fill="url(#h)"/>'
        )
    image = pixels_in(png, f'width="{across}" height="{height}"')
    return drawing(f"{hatch}{image}{''.join(shapes)}", size, label, width)


def rings_around(places: Iterable[tuple[float, float]], unit: float, radius: float = RADIUS) -> str:
    """Rings around pixels (row, col) as part of a drawing; `unit`: a 32nd of the image's width."""
    return "".join(
        f'<circle cx="{col + 0.5}" cy="{row + 0.5}" fill="none" r="{radius * unit:g}" '
        f'stroke="{colour}" stroke-width="{stroke * unit:g}"/>'
        for row, col in places
        for colour, stroke in zip(FRAME, (0.62, 0.3), strict=True)
    )


def drawing(shapes: str, size: tuple[int, int], label: str, width: int | None = None) -> str:
    """Markup of shapes over an image of (H, W) pixels, enlarged.

    Args:
        shapes: SVG, in units of a pixel.
        size, label, width: as in `pixel_image`.
    """
    height, across = size
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {height}" '
        f'width="{20 * across}" height="{20 * height}">{shapes}</svg>'
    )
    limit = f"max-width:{width}px;" if width else ""
    # As the source of an <img> the markup needs no trust and keeps its text for screen readers.
    return (
        f'<img alt="{escape(label, quote=True)}" src="{data_uri("svg+xml", svg.encode())}" '
        f'style="width:100%;{limit}display:block;border-radius:6px">'
    )


def pixels_in(png: bytes, place: str) -> str:
    """A PNG with crisp pixels as part of a drawing; `place`: its attributes x, y, width, height."""
    return (
        f'<image href="{data_uri("png", png)}" {place} preserveAspectRatio="none" '
        'style="image-rendering:pixelated"/>'
    )


def data_uri(kind: str, data: bytes) -> str:
    """An image of a kind such as `png` as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
