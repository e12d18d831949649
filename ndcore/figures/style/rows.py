"""Rows of a name, bars and a number as light markup, for readings that change at every click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ndcore.figures.style.palette import MUTED, rgba


@dataclass(frozen=True)
class Bar:
    """A bar over `share` (0 to 1) of the track, in a CSS colour."""

    share: float
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Row:
    """A row: its name, one or two bars above each other, and words at the right."""

    name: str
    bars: tuple[Bar, ...]
    text: str
    strong: bool = False


def rows_markup(rows: Sequence[Row], *, label: str, title: str = "") -> str:
    """A table of rows.

    Args:
        rows: from top to bottom.
        label: what a screen reader calls the table.
        title: heading above it, "" for none.
    """
    head = f'<div style="font-weight:600;margin-bottom:4px">{escape(title)}</div>' if title else ""
    body = "".join(_row(row) for row in rows)
    return (
        f'{head}<table aria-label="{escape(label, quote=True)}" style="width:100%;'
        f'border-collapse:collapse;font-size:13px;line-height:1.25">{body}</table>'
    )


def _row(row: Row) -> str:
    height = 14 / max(1, len(row.bars))
    bars = "".join(
        f'<div style="height:{height:g}px;width:{100 * min(max(bar.share, 0.0), 1.0):.2f}%;'
        f'background:{bar.colour};opacity:{bar.opacity:g}"></div>'
        for bar in row.bars
    )
    weight = "font-weight:650;" if row.strong else ""
    return (
        f'<tr><td style="{weight}padding:2px 8px 2px 0;white-space:nowrap">{escape(row.name)}</td>'
        f'<td style="width:100%;padding:2px 0"><div style="border-radius:3px;overflow:hidden;'
        f'background:{rgba(MUTED, 0.16)}">{bars}</div></td>'
        f'<td style="{weight}padding:2px 0 2px 8px;white-space:nowrap;text-align:right;'
        f'font-variant-numeric:tabular-nums">{escape(row.text)}</td></tr>'
    )
