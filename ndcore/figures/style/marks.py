"""The mark of an instance as a tiny picture: the shape and colour of its dots."""

from __future__ import annotations

from ndcore.figures.style.pixel_image import data_uri

# In a box of 16 x 16.
_DRAWN = {
    "circle": '<circle cx="8" cy="8" r="5.5" fill="{colour}"/>',
    "ring": '<circle cx="8" cy="8" r="4.6" fill="none" stroke="{colour}" stroke-width="2.8"/>',
    "diamond": '<path d="M8 1 15 8 8 15 1 8Z" fill="{colour}"/>',
    "square": '<path d="M2.5 2.5H13.5V13.5H2.5Z" fill="{colour}"/>',
    "triangle": '<path d="M8 1.5 15 14H1Z" fill="{colour}"/>',
}
SHAPES = tuple(_DRAWN)


def mark_image(shape: str, colour: str) -> str:
    """Address of the picture, for an image in markup or in a label.

    Args:
        shape: one of `SHAPES`.
        colour: #rrggbb.

    Raises:
        KeyError: no such shape.
    """
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16" height="16">'
        f"{_DRAWN[shape].format(colour=colour)}</svg>"
    )
    return data_uri("svg+xml", svg.encode())
