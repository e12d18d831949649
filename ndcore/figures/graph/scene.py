"""What the canvas draws of a Concept Graph: units in columns of layers, and edges between them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.decode import encode_webp
from ndcore.figures.graph.order import least_crossing, slots
from ndcore.figures.style.palette import ATTACKED, BENIGN, LOWERS, MUTED, PAGES, RAISES, rgba

CELL = 40  # pixels of a unit's picture in the sheet
# What the canvas takes from the page itself is not here.
LOOKS = {
    theme: {
        "raises": RAISES,
        "lowers": LOWERS,
        "muted": MUTED,
        "attacked": ATTACKED,
        "benign": BENIGN[theme],
        "faint": page["faint"],
        "grid": rgba(page["ink"], 0.35),
    }
    for theme, page in PAGES.items()
}

Told = tuple[tuple[str, str], ...]  # what, and its value in words


@dataclass(frozen=True)
class SceneUnit:
    """A unit as drawn.

    Attributes:
        key: `layer:unit`, which names it in the link.
        column: of its layer.
        name: its number, or how it is called.
        label: written below it, such as the class that it stands for, or "".
        size: 0 to 1, its importance as a share of the greatest one drawn.
        told: its numbers in words.
        band: lane that it stands in, from the top.
        group: its group of alike units, or -1.
        sign: +1 or -1 where a difference is drawn, else 0.
        faint: the difference is within its error.
        marked: among those that were asked for, such as the ones behind a verdict.
        pair: strength of the benign and of the attacked image here, 0 to 1, or None.
        is_class: it stands for a class, and its label is that class.
    """

    key: str
    column: int
    name: str
    size: float
    told: Told
    label: str = ""
    band: int = 0
    group: int = -1
    sign: int = 0
    faint: bool = False
    marked: bool = False
    pair: tuple[float, float] | None = None
    is_class: bool = False

    @property
    def title(self) -> str:
        """Layer, number, and the class or the name, in words."""
        layer, _, number = self.key.rpartition(":")
        words = f"{layer} · neuron {number}"
        if self.label:
            words += f" · {'class ' if self.is_class else ''}{self.label}"
        return words


@dataclass(frozen=True)
class SceneEdge:
    """Influence of a unit on one of a later layer.

    Attributes:
        source, target: positions of the units.
        weight: 0 to 1, a share of the greatest one drawn.
        sign: +1 raises its target (or grew), -1 lowers it (or fell).
        told: its numbers in words.
        stable: among the strongest of its target in enough folds of the images.
        faint: the difference is within its error.
        marked: the attack changed it most.
    """

    source: int
    target: int
    weight: float
    sign: int
    told: Told
    stable: bool = True
    faint: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Entry:
    """Of the legend: what of the drawing it explains, in words; groups have a colour.

    `kind` is `raises`, `lowers`, `more`, `less`, `dashed`, `faint`, `size`, `group`, `marked`,
    `pair` or `changed`.
    """

    kind: str
    text: str
    colour: str = ""


@dataclass(frozen=True)
class Scene:
    """A whole drawing.

    Attributes:
        subject: changes where another graph is drawn, so that nothing stays lit.
        title: in words, for a screen reader and for files.
        columns: names of the layers.
        units, edges: that are drawn.
        pictures: uint8 (H, W, C) of each unit, or None where it has no picture.
        bands: names of the lanes, from the top.
        groups: names and colours of groups.
        legend: what the drawing means.
    """

    subject: str
    title: str
    columns: tuple[str, ...]
    units: tuple[SceneUnit, ...]
    edges: tuple[SceneEdge, ...]
    pictures: tuple[NDArray[np.uint8] | None, ...]
    bands: tuple[str, ...] = ("",)
    groups: tuple[tuple[str, str], ...] = ()
    legend: tuple[Entry, ...] = field(default=())


def sheet_of(pictures: Sequence[NDArray[np.uint8] | None]) -> tuple[NDArray[np.uint8], list[int]]:
    """All pictures side by side in cells of `CELL` pixels, as near square as they go.

    Args:
        pictures: uint8 (h, w, C) with C = 1 or 3, or None.

    Returns:
        (uint8 (H, W, 3), cell of each picture or -1); the sheet of no picture is empty.
    """
    there = [(at, picture) for at, picture in enumerate(pictures) if picture is not None]
    cells = [-1] * len(pictures)
    across = int(np.ceil(np.sqrt(len(there))))
    down = -(-len(there) // across) if across else 0
    sheet = np.zeros((down * CELL, across * CELL, 3), np.uint8)
    for cell, (at, picture) in enumerate(there):
        cells[at] = cell
        top, left = (CELL * place for place in divmod(cell, across))
        sheet[top : top + CELL, left : left + CELL] = _enlarged(picture)
    return sheet, cells


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A cell: every place shows the pixel that lies there, so small patches stay crisp."""
    rows, cols = (np.arange(CELL) * side // CELL for side in picture.shape[:2])
    cell: NDArray[np.uint8] = np.broadcast_to(picture[rows][:, cols], (CELL, CELL, 3))
    return cell


def with_pin(packed: bytes, pinned: str, stamp: int) -> bytes:
    """A packed scene with what is kept of it, as a JSON object at its end.

    Args:
        packed: by `pack_scene`.
        pinned: `layer:unit`, `layer:unit>layer:unit` or "".
        stamp: of the state; an older one does not undo a click.
    """
    return packed + json.dumps({"pinned": pinned, "stamp": stamp}).encode()


def placed(scene: Scene) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Row of every unit, and rows that each lane takes, in the order that crosses least."""
    layer = np.array([unit.column for unit in scene.units], np.intp)
    band = np.array([unit.band for unit in scene.units], np.intp)
    source = np.array([edge.source for edge in scene.edges], np.intp)
    target = np.array([edge.target for edge in scene.edges], np.intp)
    weight = np.array([edge.weight for edge in scene.edges], np.float64)
    order = least_crossing(layer, source, target, weight, band)
    return slots(order, band, len(scene.bands))


def pack_scene(scene: Scene) -> bytes:
    """Lengths (two uint32, little-endian), then a JSON header and the sheet of pictures as a file.

    Args:
        scene: to draw.
    """
    sheet, cells = sheet_of(scene.pictures)
    rows, heights = placed(scene)
    header: Mapping[str, Any] = {
        "subject": scene.subject,
        "title": scene.title,
        "columns": scene.columns,
        "bands": [
            {"name": name, "rows": height}
            for name, height in zip(scene.bands, heights, strict=True)
        ],
        "units": [
            {**vars(unit), "title": unit.title, "slot": float(row), "picture": cell}
            for unit, row, cell in zip(scene.units, rows, cells, strict=True)
        ],
        "edges": [vars(edge) for edge in scene.edges],
        "groups": [{"name": name, "colour": colour} for name, colour in scene.groups],
        "legend": [vars(entry) for entry in scene.legend],
        "sheet": {
            "cell": CELL,
            "across": sheet.shape[1] // CELL,
            "count": len(cells) - cells.count(-1),
        },
        "looks": LOOKS,
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    picture = encode_webp(sheet) if sheet.size else b""
    return b"".join([struct.pack("<II", len(text), len(picture)), text, picture])
