"""Small multiples of difference maps, one per conv layer, and rows for the dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from ndcore.data.decode import encode_png
from ndcore.figures.style.palette import ATTACKED
from ndcore.figures.style.pixel_image import pixel_image
from ndcore.figures.style.ramp import ramp, ramp_bar
from ndcore.figures.style.rows import Bar, Row, rows_markup
from ndcore.legible.few_of_many import evenly

if TYPE_CHECKING:
    from ndcore.analysis.propagation import LayerChange

WIDTH = 150
MOST_MAPS = 40
RADIUS = 3.2  # leaves the 3 x 3 window of the first layer in sight


def propagation_maps(
    changes: Sequence[LayerChange], places: Mapping[str, Sequence[tuple[float, float]]]
) -> str:
    """Markup: one heat map per layer with positions, in order, in lines that wrap.

    Of many layers some are drawn, evenly apart.

    Args:
        changes: per layer; those without positions are left out.
        places: layer -> (row, col) of the changed pixels on its map, to be ringed.
    """
    mapped = [change for change in changes if change.difference is not None]
    shown = [mapped[place] for place in evenly(len(mapped), MOST_MAPS)]
    tiles = "".join(_tile(change, places.get(change.layer, ())) for change in shown)
    legend = (
        '<div style="display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin-top:12px;'
        f'font-size:13px"><span>no change</span>{ramp_bar()}'
        "<span>the maximum printed under the map</span>"
        f"<span>{_left_out(len(shown), len(mapped))}</span></div>"
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:14px 16px">{tiles}</div>{legend}'


def _left_out(shown: int, layers: int) -> str:
    return f"{shown} of {layers} layers, evenly apart; all are in the table" * (shown < layers)


def _tile(change: LayerChange, ringed: Sequence[tuple[float, float]]) -> str:
    difference, largest, share = change.difference, change.largest, change.share_touched
    if difference is None or largest is None or share is None:
        return ""
    height, width = difference.shape
    lines = (f"{height} x {width}, {_percent(share)} touched", f"maximum {largest:.3g}")
    image = pixel_image(
        encode_png(ramp(difference / (largest or 1.0))),
        (height, width),
        label=f"{change.layer}: {', '.join(lines)}",
        ringed=ringed,
        width=WIDTH,
        radius=RADIUS,
    )
    name = escape(change.layer, quote=True)
    clip = "font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    return (
        f'<figure style="margin:0;width:{WIDTH}px">{image}'
        '<figcaption style="font-size:13px;line-height:1.35;margin-top:4px">'
        f'<div style="{clip}" title="{name}">{name}</div>'
        f"{''.join(f'<div>{line}</div>' for line in lines)}</figcaption></figure>"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if 0 < share < 0.1 else f"{100 * share:.0f}%"


def propagation_rows(changes: Sequence[LayerChange]) -> str:
    """Markup: how many units changed at each layer without positions; "" when there is none.

    Args:
        changes: per layer; those with a map are left out.
    """
    dense = [change for change in changes if change.difference is None]
    rows = [
        Row(
            change.layer,
            (Bar(change.units_changed / change.units, ATTACKED),),
            f"{change.units_changed:,} of {change.units:,}, by {100 * change.relative:.1f}%",
        )
        for change in (dense[place] for place in evenly(len(dense), MOST_MAPS))
    ]
    title = "Dense layers: neurons that changed, and the relative change of the layer"
    return rows_markup(rows, label="Changed neurons of dense layers", title=title) if rows else ""
