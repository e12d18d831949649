"""Share of images broken against queries, as a drawing for documents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from ndcore.figures.style.palette import MUTED, PAGES, method_colours

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 48, 56


def query_curve(curves: Mapping[str, Sequence[int]], attacked: int, *, title: str) -> str:
    """SVG with one line per method, legible on white and on dark paper.

    Args:
        curves: method -> queries until the first hit of each success.
        attacked: images attacked by each method.
        title: heading.
    """
    most = max([10, *(max(hits) for hits in curves.values() if hits)])
    decades = math.ceil(math.log10(most))
    highest = max([1, *(len(hits) for hits in curves.values())]) / attacked
    top = next(value for value in (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0) if value >= highest)

    def x(queries: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(queries, 1)) / decades

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share / top

    parts = []
    for decade in range(decades + 1):
        at = x(10**decade)
        parts.append(_line(at, y(0), at, y(top)))
        parts.append(_text(at, HEIGHT - BOTTOM + 20, f"{10**decade:,}", "middle"))
    for index in range(5):
        share = top * index / 4
        parts.append(_line(x(1), y(share), x(10**decades), y(share)))
        parts.append(_text(LEFT - 8, y(share) + 4, f"{100 * share:.3g}%", "end"))
    parts.append(_text(LEFT, 22, title, "start", weight=600))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 12, "queries until the first hit (images shown)", "middle"))
    parts.append(_text(LEFT, 40, "images broken", "start"))
    ends: list[float] = []
    colours = method_colours(len(curves))
    order = sorted(curves, key=lambda name: -len(curves[name]))
    for index, name in enumerate(order):
        hits = sorted(curves[name])
        colour = colours[index]
        path = [f"M{x(1):.1f} {y(0):.1f}"]
        for count, queries in enumerate(hits, start=1):
            path.append(f"H{x(queries):.1f}V{y(count / attacked):.1f}")
        path.append(f"H{x(10**decades):.1f}")
        parts.append(
            f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        place = y(len(hits) / attacked) + 4
        while any(abs(place - other) < 16 for other in ends):
            place += 4
        ends.append(place)
        label = f"{name}: {len(hits)} of {attacked}"
        parts.append(_key(x(10**decades) + 6, place - 4, colour))
        parts.append(_text(x(10**decades) + 24, place, label, "start", weight=600))
    ink = [PAGES[theme]["ink"] for theme in ("light", "dark")]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(title, quote=True)}" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="13">'
        f"<style>.ink{{fill:{ink[0]}}}"
        f"@media(prefers-color-scheme:dark){{.ink{{fill:{ink[1]}}}}}</style>"
        f"{''.join(parts)}</svg>\n"
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{MUTED}" '
        'stroke-opacity="0.3" fill="none"/>'
    )


def _key(x: float, y: float, colour: str) -> str:
    """The colour beside a label, whose words are in ink: coloured ones are too pale on white."""
    return f'<path d="M{x:.1f} {y:.1f}h12" stroke="{colour}" stroke-width="4"/>'


def _text(x: float, y: float, words: str, anchor: str, *, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'class="ink">{escape(words)}</text>'
    )
