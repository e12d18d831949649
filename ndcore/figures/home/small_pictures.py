"""What each page shows, in small: markup of a few kB from the numbers that the page draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ndcore.data.decode import encode_png
from ndcore.data.pixels import smaller
from ndcore.figures.explorer.activation_panels import LayerPanel
from ndcore.figures.graph.scene import Scene, placed
from ndcore.figures.style.palette import ATTACKED, LOWERS, MUTED, RAISES, rgba
from ndcore.figures.style.pixel_image import drawing, pixels_in, rings_around
from ndcore.figures.style.ramp import ramp

HEIGHT, WIDTH = 90, 180
MOST_ROWS = 10
MOST_COLUMNS, MOST_UNITS = 5, 5
UNIT_PX = 10  # about the side of a unit's picture, drawn 7 to 16 wide
BINS = 45

Image = tuple[NDArray[np.uint8], Sequence[tuple[int, int]]]


def ringed_images(images: Sequence[Image], *, label: str) -> str:
    """One or two images side by side.

    Args:
        images: uint8 pixels (H, W, C), and (row, col) of places to ring.
        label: what a screen reader says.
    """
    side = HEIGHT - 2
    left = (WIDTH - len(images) * (side + 4) + 4) / 2
    shapes = []
    for number, (pixels, places) in enumerate(images):
        height, across = pixels.shape[:2]
        scale = side / max(height, across)
        picture = pixels_in(encode_png(pixels), f'width="{across}" height="{height}"')
        shapes.append(
            f'<g transform="translate({left + number * (side + 4):g} 1) scale({scale:g})">'
            f"{picture}{rings_around(places, across / 32)}</g>"
        )
    return drawing("".join(shapes), (HEIGHT, WIDTH), label)


def activation_rows(
    panel: LayerPanel, colours: Sequence[str], ink: str, *, order: Sequence[int], label: str
) -> str:
    """Some units of a layer: how dense each class lies, and an image, attacked as well or not.

    Args:
        panel: of K classes and one or two images, the benign one first.
        colours: #rrggbb per class.
        ink: #rrggbb of the benign image in the page's theme.
        order: units from top to bottom.
        label: what a screen reader says.
    """
    units = list(order)[:MOST_ROWS]
    classes, _, bins = panel.density.shape
    strips = np.zeros((len(units), classes, bins, 4), np.uint8)
    for number, colour in enumerate(colours):
        strips[:, number, :, :3] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        strips[:, number, :, 3] = panel.density[number, units]
    picture = encode_png(strips.reshape(len(units) * classes, bins, 4))
    shapes = [pixels_in(picture, f'width="{WIDTH}" height="{HEIGHT}"')]
    room = 4.0
    span = (panel.high - panel.low) or 1.0
    places = np.clip((panel.values[:, units] - panel.low) / span, 0, 1)
    across = room + (WIDTH - 2 * room) * places
    for row, (benign, *others) in enumerate(across.T):
        y = HEIGHT * (row + 0.5) / len(units)
        shapes += [f'<path d="M{benign:.1f} {y:g}H{x:.1f}" stroke="{ATTACKED}"/>' for x in others]
        shapes.append(f'<circle cx="{benign:.1f}" cy="{y:g}" r="2.6" fill="{ink}"/>')
        shapes += [
            f'<path d="M{x:.1f} {y - 3.4:g}l3.4 3.4-3.4 3.4-3.4-3.4z" fill="{ATTACKED}"/>'
            for x in others
        ]
    return drawing("".join(shapes), (HEIGHT, WIDTH), label)


def score_humps(benign: NDArray[np.floating], attacked: NDArray[np.floating], *, label: str) -> str:
    """Scores of benign images in grey and of attacked ones in red, each as high as the other.

    Args:
        benign, attacked: (n,) and (m,), larger = more suspicious; at least one each.
        label: what a screen reader says.
    """
    both = np.concatenate([benign, attacked])
    span = (float(both.min()), float(both.max()) + 1e-9)
    width = WIDTH / BINS
    shapes = []
    for scores, colour in ((benign, rgba(MUTED, 0.75)), (attacked, rgba(ATTACKED, 0.75))):
        counts = np.histogram(scores, BINS, span)[0]
        heights = (HEIGHT - 4) * np.sqrt(counts / counts.max())
        bars = "".join(
            f"M{width * at:.1f} {HEIGHT - 2}v{-height:.1f}h{width - 0.5:.1f}v{height:.1f}z"
            for at, height in enumerate(heights)
            if height
        )
        shapes.append(f'<path d="{bars}" fill="{colour}"/>')
    line = f'<path d="M0 {HEIGHT - 1}H{WIDTH}" stroke="{MUTED}" stroke-width="1.5"/>'
    return drawing("".join([*shapes, line]), (HEIGHT, WIDTH), label)


def graph_dots(
    places: NDArray[np.floating],
    edges: NDArray[np.integer],
    sizes: NDArray[np.integer],
    colours: Sequence[str],
    *,
    label: str,
) -> str:
    """A graph in small: a dot per node, a line per edge.

    Args:
        places: (nodes, 2), at least one.
        edges: (E, 2).
        sizes: (nodes,), at least 1; dots grow with their logarithm.
        colours: #rrggbb per node.
        label: what a screen reader says.
    """
    low, span = places.min(0), np.maximum(np.ptp(places, axis=0), 1e-9)
    room = 7
    at = room + (places - low) / span * np.array([WIDTH - 2 * room, HEIGHT - 2 * room])
    at[:, 1] = HEIGHT - at[:, 1]
    lines = "".join(
        f"M{at[a, 0]:.1f} {at[a, 1]:.1f}L{at[b, 0]:.1f} {at[b, 1]:.1f}" for a, b in edges.tolist()
    )
    grown = 1.6 + 2.6 * np.log(sizes) / max(float(np.log(sizes.max())), 1e-9)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/>'
        for (x, y), radius, colour in zip(at.tolist(), grown.tolist(), colours, strict=True)
    )
    path = f'<path d="{lines}" fill="none" stroke="{MUTED}"/>'
    return drawing(path + dots, (HEIGHT, WIDTH), label)


def layer_heat(values: NDArray[np.floating], *, label: str) -> str:
    """Layers x epochs, each layer from its smallest (dark) to its largest value (bright).

    Args:
        values: (layers, E).
        label: what a screen reader says.
    """
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    shares = (values - low) / np.where(high > low, high - low, 1)
    picture = pixels_in(encode_png(ramp(shares)), f'width="{WIDTH}" height="{HEIGHT}"')
    return drawing(picture, (HEIGHT, WIDTH), label)


def layered_graph(scene: Scene, *, label: str) -> str:
    """The last layers of a concept graph: the largest units, and the edges between them.

    Args:
        scene: as the page draws it.
        label: what a screen reader says.
    """
    first = max(0, len(scene.columns) - MOST_COLUMNS)
    kept: list[int] = []
    for column in range(first, len(scene.columns)):
        here = [at for at, unit in enumerate(scene.units) if unit.column == column]
        kept += sorted(here, key=lambda at: -scene.units[at].size)[:MOST_UNITS]
    number = {at: place for place, at in enumerate(kept)}
    small = replace(
        scene,
        units=tuple(replace(scene.units[at], band=0) for at in kept),
        edges=tuple(
            replace(edge, source=number[edge.source], target=number[edge.target])
            for edge in scene.edges
            if edge.source in number and edge.target in number
        ),
        bands=("",),
    )
    rows, (height,) = placed(small)
    wide = WIDTH / max(1, len(scene.columns) - first)
    x = [wide * (unit.column - first + 0.5) for unit in small.units]
    y = HEIGHT * rows / height
    shapes = []
    for edge in small.edges:
        (x1, y1), (x2, y2) = ((x[end], y[end]) for end in (edge.source, edge.target))
        colour = LOWERS if edge.sign < 0 else RAISES
        shapes.append(
            f'<path d="M{x1:.1f} {y1:.1f}C{x1 + wide / 2:.1f} {y1:.1f} {x2 - wide / 2:.1f} '
            f'{y2:.1f} {x2:.1f} {y2:.1f}" fill="none" stroke="{colour}" stroke-opacity="0.7" '
            f'stroke-width="{0.5 + 3 * edge.weight:.2f}"/>'
        )
    for unit, left, top, at in zip(small.units, x, y, kept, strict=True):
        side = 7 + 9 * unit.size
        place = f'x="{left - side / 2:.1f}" y="{top - side / 2:.1f}" '
        size = f'width="{side:.1f}" height="{side:.1f}"'
        picture = scene.pictures[at]
        if picture is None:
            shapes.append(f'<rect {place}{size} fill="{MUTED}"/>')
        else:
            light = smaller(picture, max(1, min(picture.shape[:2]) // UNIT_PX))
            shapes.append(pixels_in(encode_png(light), place + size))
    return drawing("".join(shapes), (HEIGHT, WIDTH), label)
