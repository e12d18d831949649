"""A unit's activation map laid over the image: what fired where, and what the strongest saw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ndcore.data.decode import encode_png
from ndcore.figures.style.palette import ATTACKED, FRAME
from ndcore.figures.style.pixel_image import drawing, pixels_in
from ndcore.figures.style.ramp import ramp

if TYPE_CHECKING:
    from ndcore.activations.maps import Peak
    from ndcore.activations.receptive import Grid

FAINT, STRONG = 0.2, 0.85  # opacity of the map at the low and at the high end of its scale
GREY = np.array([0.299, 0.587, 0.114])


def position_map(
    pixels: NDArray[np.uint8],
    values: NDArray[np.floating],
    grid: Grid,
    strongest: Peak | None,
    *,
    scale: tuple[float, float],
    label: str,
    changed: Iterable[tuple[int, int]] = (),
    width: int = 220,
) -> str:
    """Markup of the image in grey with a map over it.

    Args:
        pixels: uint8 (H, W, C).
        values: (h, w), the unit's activations.
        grid: where the map lies on the image.
        strongest: position to ring, None for none; what it sees is framed where that is known.
        scale: values at the dark and at the bright end.
        label: what a screen reader says.
        changed: (row, col) of changed pixels, a red diamond each.
        width: largest width on the page in CSS pixels.
    """
    height, across = pixels.shape[:2]
    unit = across / 32
    shapes = [_picture(_grey(pixels), across, height), _map(values, grid, scale)]
    if strongest is not None:
        shapes.append(_frame(grid.sees(strongest.row, strongest.col, pixels.shape), unit))
    shapes += [_diamond(row, col, unit) for row, col in changed]
    if strongest is not None:
        shapes.append(_ring(grid, strongest, unit))
    return drawing("".join(shapes), (height, across), label, width)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.shape[2] == 1:
        return pixels
    return np.asarray(np.rint(pixels @ GREY), np.uint8)[..., None]


def _map(values: NDArray[np.floating], grid: Grid, scale: tuple[float, float]) -> str:
    low, high = scale
    shares = np.clip((np.asarray(values, float) - low) / ((high - low) or 1.0), 0, 1)
    # The root keeps weak positions in sight beside a strong one.
    alpha = np.rint(255 * (FAINT + (STRONG - FAINT) * np.sqrt(shares))).astype(np.uint8)
    colours = np.concatenate([ramp(shares), alpha[..., None]], axis=2)
    rows, cols = grid.size
    return _picture(
        colours, cols * grid.width, rows * grid.height, f'x="{grid.left:g}" y="{grid.top:g}"'
    )


def _picture(
    colours: NDArray[np.uint8], width: float, height: float, at: str = 'x="0" y="0"'
) -> str:
    return pixels_in(encode_png(colours), f'{at} width="{width:g}" height="{height:g}"')


def _frame(seen: tuple[tuple[int, int], tuple[int, int]] | None, unit: float) -> str:
    """A dashed frame around rows and columns of pixels."""
    if seen is None:
        return ""
    (top, bottom), (left, right) = seen
    # Half of a stroke on the image's edge is cut off; inside it is whole.
    inset = 0.21 * unit
    place = (
        f'x="{left + inset:g}" y="{top + inset:g}" width="{right - left + 1 - 2 * inset:g}" '
        f'height="{bottom - top + 1 - 2 * inset:g}" fill="none"'
    )
    return (
        f'<rect {place} stroke="{FRAME[0]}" stroke-width="{0.42 * unit:g}"/>'
        f'<rect {place} stroke="{FRAME[1]}" stroke-width="{0.22 * unit:g}" '
        f'stroke-dasharray="{unit:g} {0.7 * unit:g}"/>'
    )


def _ring(grid: Grid, strongest: Peak, unit: float) -> str:
    """A ring around the cell, never so small that it could not be seen."""
    row = grid.top + (strongest.row + 0.5) * grid.height
    col = grid.left + (strongest.col + 0.5) * grid.width
    radius = max(2.5 * unit, 0.62 * max(grid.height, grid.width))
    place = f'cx="{col:g}" cy="{row:g}" r="{radius:g}" fill="none"'
    return "".join(
        f'<circle {place} stroke="{colour}" stroke-width="{stroke * unit:g}"/>'
        for colour, stroke in zip(FRAME, (0.6, 0.3), strict=True)
    )


def _diamond(row: int, col: int, unit: float) -> str:
    y, x, reach = row + 0.5, col + 0.5, 0.75 * unit
    points = f"{x:g},{y - reach:g} {x + reach:g},{y:g} {x:g},{y + reach:g} {x - reach:g},{y:g}"
    return (
        f'<polygon points="{points}" fill="{ATTACKED}" stroke="{FRAME[1]}" '
        f'stroke-width="{0.22 * unit:g}"/>'
    )
